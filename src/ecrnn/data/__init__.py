"""What the data of all tasks has in common: images, tokens, splits, batches, augmentation. NumPy and Pillow, no torch.

Readers of one task alone lie in its folder, `ecrnn.tasks`. `tokens` numbers what texts consist of; `splits` says which
examples train; `preprocessing` standardises; `batches` and `augmentation` give order and variety as functions of (seed,
epoch, index) alone. `catalogue` lists the registered data sets by task.
This file imports nothing, so that naming a part does not load the others.
"""
