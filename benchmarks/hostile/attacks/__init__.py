"""Attacks by name; each module has a table of its own.

An attack is a function of a Stage that goes on until the stage is over, and returns how often each answer
came. Its loops are bounded: it is to show what one caller can do, not to be a load test.
"""

from benchmarks.hostile.attacks import bodies, endless, hooks, jobs, strangers, streams
from benchmarks.hostile.attacks.stage import Attack

ATTACKS: dict[str, Attack] = {
    **strangers.ATTACKS,
    **bodies.ATTACKS,
    **jobs.ATTACKS,
    **hooks.ATTACKS,
    **endless.ATTACKS,
    **streams.ATTACKS,
}
