"""`ecrnn serve`: a trained image classifier behind HTTP."""
