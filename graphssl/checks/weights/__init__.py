"""Weights from elsewhere: what a file, a run or a library has, and where it goes in a node."""
