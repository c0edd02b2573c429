"""How many candidates method `capacity` lists for a target at first, and how many edges that makes (ours).

Arithmetic alone: who accepts a request can say what is too much before any feature is read.
"""

MIN_WIDTH = 64  # candidates per target to start with
WIDTH_PER_SHARE = 8  # and this many times the k / M that a target takes on average
DENSE_ENTRIES = 2**14  # of (N, M) up to which every candidate is listed for every target
MOST_PRICED_TARGETS = 8_192  # above, the programme of the sample takes too long: the nearest are listed


def first_width(n_candidates: int, n_targets: int, k: int) -> int:
    """L = max(64, 8 k / M), at most N."""
    return min(n_candidates, max(MIN_WIDTH, -(-WIDTH_PER_SHARE * k // n_targets)))


def priced(n: int, m: int) -> bool:
    """Whether n candidates and m targets are listed by price."""
    return m <= MOST_PRICED_TARGETS and n * m > DENSE_ENTRIES


def list_width(n: int, m: int, k: int) -> int:
    """How many each target lists first where that is not by price."""
    return n if n * m <= DENSE_ENTRIES else first_width(n, m, k)


def least_edges(n: int, m: int, k: int) -> int:
    """How many edges are listed at least, whatever the features of n candidates and m targets are."""
    return min(n, k) if priced(n, m) else m * list_width(n, m, k)
