"""One file to one picture, of the channels and the type that the data says."""
