"""A paired desktop that is told of a call by its own telephone program: "launch external application"."""
