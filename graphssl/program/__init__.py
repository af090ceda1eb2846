"""A checked graph as code: what a step runs, and what it costs."""
