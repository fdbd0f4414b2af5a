"""Finished trainings for trackers of experiments: an export of runs, which stand on their own."""
