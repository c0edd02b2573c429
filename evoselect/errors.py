"""Errors of the library: misuse raises, numerical failure is a field of the result.

EvoSelectError
+-- InvalidInput      an argument is outside its range; the message names the value and the next step
"""


class EvoSelectError(Exception):
    """Base of every error that the library raises on purpose."""


class InvalidInput(EvoSelectError, ValueError):
    """An argument cannot be used; the message names the value seen and what to do."""
