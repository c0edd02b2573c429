"""Names that rows go by, for what runs and for what summarises."""

BASE = "base"
CONTROL = "random"
OURS = "capacity"
EARLIER = "capacity+lambda0.1"  # its default while loops were measured
SHARED = "diversity"
"""Draws the same for every task, so one training is judged on all."""

LOOPS = {"loop-current": "capacity+top", "loop-fixed": EARLIER, "loop-random": "random"}
"""Arms of loops, and the one-shot method that each one's first round selects by."""
OUR_ARM, RANDOM_ARM = "loop-current", "loop-random"
FIRST, SECOND, AGAIN = "/1", "/2", "/2-again"
PARTS = (FIRST, SECOND, AGAIN)
"""What follows the arm's name in a row: after the first round, after the second, after a second that was
offered the whole pool again.
"""


def is_loop(method: str) -> bool:
    """Whether a row is of a part of a loop."""
    return method.split("/")[0] in LOOPS


def draws_anew(method: str) -> bool:
    """Whether another seed is another draw, not only another training."""
    return method == CONTROL or method.startswith(RANDOM_ARM)
