"""A practice 3CX: its token, Call Control API with event socket, XAPI and call records, on loopback."""
