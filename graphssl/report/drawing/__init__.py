"""A picture that is laid out, on paper: marks, and each form of file that they are written in."""
