"""Pages of the IT admin and the supervisor."""
