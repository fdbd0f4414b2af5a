"""What a network does with its input. Nothing here trains, and nothing changes the network that is looked at."""
