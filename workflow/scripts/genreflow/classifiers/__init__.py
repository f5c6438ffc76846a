"""Classifiers as folders: written, read, and run on new music."""
