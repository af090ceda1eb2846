"""Where everything in a picture stands: columns, order, heights, and the lines between boxes."""
