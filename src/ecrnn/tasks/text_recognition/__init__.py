"""Text recognition: see `ecrnn.tasks`."""
