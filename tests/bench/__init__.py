"""Figures, not verdicts: `make bench`. Never collected by the tests."""
