"""The way in: first admin, sign-in, links that work once."""
