"""Text to validated sections, with the place of everything."""
