"""3CX, by every way in that it offers to a server outside: Call Control API, XAPI, call records (CDR)."""
