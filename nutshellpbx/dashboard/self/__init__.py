"""Pages that every user has for himself."""
