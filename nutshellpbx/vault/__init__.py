"""Secrets at rest: sealed for one purpose, one row, one owner and the origins that they may be sent to.

Verbs: `nutshellpbx.vault.safe`. Keys: `nutshellpbx.vault.keys`.
"""
