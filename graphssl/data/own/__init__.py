"""Sets that are a class in Python: the user's own, and those of libraries."""
