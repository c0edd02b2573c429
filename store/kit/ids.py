"""Prefixed ids that sort by time of creation, such as sel_01jd8x..."""

import os
import random
import secrets
import time

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford base 32: no i, l, o, u


_random = random.Random(secrets.randbits(256))  # ids are unique, not secret: no system call for each


def _seed_again() -> None:
    """A forked process must not go on with its parent's numbers."""
    _random.seed(secrets.randbits(256))


os.register_at_fork(after_in_child=_seed_again)


def _encode(value: int, length: int) -> str:
    digits = []
    for _ in range(length):
        value, digit = divmod(value, 32)
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))


def new_id(prefix: str) -> str:
    """prefix + 48 bits of milliseconds + 80 random bits, in base 32 (26 characters)."""
    return f"{prefix}_{_encode(time.time_ns() // 1_000_000, 10)}{_encode(_random.getrandbits(80), 16)}"
