"""Practice counterparts for the demo and the tests: a Nutshell and a phone system on loopback.

They import no code that they test (layer 0 at most), so an error in the product cannot hide behind the
same error here.
"""
