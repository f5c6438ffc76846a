"""Jeong & Lee, ISMIR 2016: vectors, networks, segments, forest."""
