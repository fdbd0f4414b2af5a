"""Training: the one loop, what an image classification asks of it, checkpoints and resume, optimizers, signals."""
