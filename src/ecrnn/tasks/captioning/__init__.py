"""Captioning: see `ecrnn.tasks`."""
