"""Image data: loading, splits, preprocessing, batches and augmentation. NumPy and Pillow only, never torch.

`images` loads a registered data set or a folder; `splits` says which images train; `preprocessing`
standardises; `batches` and `augmentation` give order and variety as functions of (seed, epoch, index) alone.
This file imports nothing, so that naming a part does not load the others.
"""
