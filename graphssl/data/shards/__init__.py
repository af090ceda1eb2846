"""Sets in tars, on disk or at an address."""
