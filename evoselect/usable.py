"""Which rows may be chosen: arguments are checked, and copies left out."""

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from evoselect.arrays import Ints
from evoselect.budget import Budget
from evoselect.errors import InvalidInput
from evoselect.features import check_matrix, check_unit_rows, copies_of, distinct_rows
from evoselect.spec.selection import SelectionSpec

MOST_TARGETS = 20_000


def check(
    candidates: Tensor,
    targets: Tensor,
    budget: Budget,
    *,
    per_candidate: Mapping[str, Sequence[object] | None],
    per_target: Mapping[str, Sequence[object] | None],
) -> None:
    """Raise InvalidInput for arguments of ``select`` that do not fit together.

    candidates (N, d), targets (M, d), k from 1 to N. The mappings hold what was given for each
    candidate and each target, by name.
    """
    check_matrix(candidates, "candidates")
    check_matrix(targets, "targets")
    n, m = candidates.shape[0], targets.shape[0]
    if candidates.shape[1] != targets.shape[1]:
        raise InvalidInput(
            f"candidates have {candidates.shape[1]} features and targets {targets.shape[1]}; "
            "compute both with one feature specification"
        )
    if m > MOST_TARGETS:
        raise InvalidInput(
            f"targets has {m} rows, more than {MOST_TARGETS}: the transport to so many takes hours; "
            "sample them, or cluster them and keep one of each cluster"
        )
    _check_budget(budget, n)
    for given, wanted in ((per_candidate, n), (per_target, m)):
        for name, values in given.items():
            if values is not None and len(values) != wanted:
                raise InvalidInput(f"{name} has {len(values)} entries for {wanted} rows; give one per row")
    check_unit_rows(candidates, "candidates")
    check_unit_rows(targets, "targets")


def _check_budget(budget: Budget, n: int) -> None:
    pinned, total = budget.pinned, budget.total
    if len(budget.prices) != n:
        raise InvalidInput(f"the budget has prices for {len(budget.prices)} rows of {n}: give one per row")
    if budget.counted and not 1 <= total <= n:
        raise InvalidInput(
            f"k = {total} is outside 1..{n}, the number of candidates: change k or add candidates"
        )
    if not budget.counted and not budget.prices.min() <= total <= budget.prices.sum():
        raise InvalidInput(
            f"a budget of {total} tokens is outside {budget.prices.min()}..{budget.prices.sum()}, "
            f"the shortest candidate's and those of all {n}: change it or add candidates"
        )
    if len(np.unique(pinned)) < len(pinned) or not ((pinned >= 0) & (pinned < n)).all():
        raise InvalidInput(f"pinned must be distinct rows from 0 to {n - 1}: name each candidate once")
    if budget.spent(pinned) > total:
        unit = "rows" if budget.counted else "tokens"
        raise InvalidInput(
            f"what is pinned takes {budget.spent(pinned)} {unit} of a budget of {total}: "
            "pin less, or ask for more"
        )
    if budget.bounds is not None:
        budget.bounds.check(budget.prices, total, pinned)


def check_settings(budget: Budget, spec: SelectionSpec) -> None:
    """Refuse settings that this budget makes impossible."""
    if not budget.counted and spec.repeat_budget is not None:
        raise InvalidInput(
            f"repeat_budget is {spec.repeat_budget}, and the budget counts tokens, which repeats would spend "
            "beyond it: leave repeat_budget out"
        )


def usable_rows(candidates: Tensor, budget: Budget) -> Ints:
    """candidates (N, d) -> (n,) rows that may be chosen, ascending: the first of bit-equal features, as long
    as distinct ones can spend the budget; what is pinned comes before its copies.

    With fewer distinct rows than that, copies have to fill the budget.
    """
    single, pinned = distinct_rows(candidates), budget.pinned
    if len(pinned):
        single = np.union1d(np.setdiff1d(single, copies_of(candidates, pinned)), pinned)
    return single if _suffices(budget, single) else np.arange(len(budget.prices), dtype=np.int64)


def _suffices(budget: Budget, rows: Ints) -> bool:
    """Whether ``rows`` can spend the budget, and of each group what it has at least."""
    if budget.bounds is None:
        return budget.spent(rows) >= budget.total
    bounds, held = budget.bounds, budget.bounds.spent(budget.prices, rows)
    return bool((held >= bounds.least).all() and np.minimum(held, bounds.most).sum() >= budget.total)
