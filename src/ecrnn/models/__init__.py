"""Models: one file a family, from names to networks (registry.py), weights in and out, the layer table."""
