"""Asterisk and what is Asterisk underneath (FreePBX, Issabel, VitalPBX), by its manager interface."""
