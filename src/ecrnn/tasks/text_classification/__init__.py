"""Text classification: see `ecrnn.tasks`."""
