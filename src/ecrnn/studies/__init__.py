"""Studies: the grid of trials and its engines; one model trained to be kept."""
