"""Serving: a trained model as a folder (bundle.py), its card, and prediction with it (classifier.py)."""
