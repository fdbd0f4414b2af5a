"""Errors, typed settings, files and run directories, devices and seeds. Imports nothing else of ecrnn."""
