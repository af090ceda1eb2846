"""A graph's file, from its text to a graph of calls."""
