"""A real Asterisk on loopback, with sipp as its phones and its outside line; for the tests and the demo."""
