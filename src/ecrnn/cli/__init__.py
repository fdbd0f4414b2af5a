"""The command line: one small file a command; each parses, calls and prints. Heavy imports stay inside the commands."""
