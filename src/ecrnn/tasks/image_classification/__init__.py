"""Image classification: see `ecrnn.tasks`."""
