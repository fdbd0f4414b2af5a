"""Translation: see `ecrnn.tasks`."""
