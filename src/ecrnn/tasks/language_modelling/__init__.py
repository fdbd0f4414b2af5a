"""Language modelling: see `ecrnn.tasks`."""
