"""Clip classification: see `ecrnn.tasks`."""
