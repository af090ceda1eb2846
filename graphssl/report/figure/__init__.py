"""What a picture of a graph shows, read from the graph: boxes, wires between them, and what is written on both."""
