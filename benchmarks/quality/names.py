"""Names that rows go by, for what runs and for what summarises."""

BASE = "base"
CONTROL = "random"
MATCHED = "random-tokens"
"""Draws rows at random that are as long as those that the default selects."""
ALL = "all"
OWN = "own"
"""Clean rows of the task's own set at random: who knows what is in the pool could do that."""
QUANTILES = ("fifth-1", "fifth-2", "fifth-3", "fifth-4", "fifth-5")
"""Rows at random of a fifth of the pool by nearness to the target, the nearest first."""
OURS = "default"
TARGETLESS = (BASE, CONTROL, ALL)
"""Their draws do not look at the target, so one training is judged on all tasks."""
UNRANKED = (BASE, OWN, ALL, *QUANTILES)


def draws_anew(method: str) -> bool:
    """Whether another seed is another draw, not only another training."""
    return method in (CONTROL, MATCHED, OWN, *QUANTILES)
