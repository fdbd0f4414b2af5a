"""Data of every task: loading, tokens, splits, preprocessing, batches and augmentation. NumPy and Pillow, never torch.

`images` loads labelled pictures, `clips` sequences of them, `captions` and `lines` pictures with texts; `texts`,
`corpus` and `sentence_pairs` load texts, `tokens` numbers what they consist of; `splits` says which examples train;
`preprocessing` standardises; `batches` and `augmentation` give order and variety as functions of (seed, epoch, index)
alone. `catalogue` lists the registered data sets by task.
This file imports nothing, so that naming a part does not load the others.
"""
