"""All that is known of a graph without its data: sizes from the wires, then what the rules say."""
