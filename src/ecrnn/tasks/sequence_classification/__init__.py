"""Sequence classification: which of several classes a numeric sequence belongs to."""
