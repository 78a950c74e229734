"""A call as pages show it: one line in a list, and the whole story on its own page."""
