"""Which rows may be chosen: arguments are checked, and copies left out."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from evoselect.arrays import Ints
from evoselect.budget import Budget
from evoselect.errors import InvalidInput
from evoselect.features import check_matrix, check_unit_rows
from evoselect.pools.pool import Pool
from evoselect.spec.selection import SelectionSpec

MOST_TARGETS = 20_000


def check(
    pool: Pool,
    targets: Tensor,
    budget: Budget,
    *,
    per_candidate: Mapping[str, Sequence[object] | None],
    per_target: Mapping[str, Sequence[object] | None],
) -> None:
    """Raise InvalidInput for arguments of ``select`` that do not fit together.

    pool (N, d), targets (M, d), k from 1 to N. The mappings hold what was given for each
    candidate and each target, by name.
    """
    check_matrix(targets, "targets")
    n, m = pool.shape[0], targets.shape[0]
    if pool.shape[1] != targets.shape[1]:
        raise InvalidInput(
            f"candidates have {pool.shape[1]} features and targets {targets.shape[1]}; "
            "compute both with one feature specification"
        )
    require_few_targets(m)
    _check_budget(budget, n)
    for given, wanted in ((per_candidate, n), (per_target, m)):
        for name, values in given.items():
            if values is not None and len(values) != wanted:
                raise InvalidInput(f"{name} has {len(values)} entries for {wanted} rows; give one per row")
    pool.check()
    check_unit_rows(targets, "targets")


def require_few_targets(m: int) -> None:
    """Raise InvalidInput for more targets than any selection takes."""
    if m > MOST_TARGETS:
        raise InvalidInput(
            f"targets has {m} rows, more than {MOST_TARGETS}: the transport to so many takes hours; "
            "sample them, or cluster them and keep one of each cluster"
        )


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


def usable_rows(pool: Pool, budget: Budget) -> Ints:
    """pool (N, d) -> (n,) rows that may be chosen, ascending: the first of bit-equal features.

    As long as distinct ones can spend the budget. What is pinned comes before its copies.

    With fewer distinct rows than that, copies have to fill the budget.
    """
    key, pinned = pool.keys(), budget.pinned
    single = distinct_rows(pool, key)
    if len(pinned):
        single = np.union1d(np.setdiff1d(single, copies_of(pool, key, pinned)), pinned)
    return single if _suffices(budget, single) else np.arange(len(budget.prices), dtype=np.int64)


def _suffices(budget: Budget, rows: Ints) -> bool:
    """Whether ``rows`` can spend the budget, and of each group what it has at least."""
    if budget.bounds is None:
        return budget.spent(rows) >= budget.total
    bounds, held = budget.bounds, budget.bounds.spent(budget.prices, rows)
    return bool((held >= bounds.least).all() and np.minimum(held, bounds.most).sum() >= budget.total)


def distinct_rows(pool: Pool, key: Ints) -> Ints:
    """pool (N, d), its key (N,) -> (u,) first row of every set of bit-equal rows, ascending.

    A few columns decide about most rows; a 64-bit hash of all columns decides about the rest.
    """
    copy = repeated(key)
    unsure = np.flatnonzero(copy)
    pairs = np.stack([key[unsure], pool.hashes(unsure)], axis=1)
    _, kept = np.unique(pairs, axis=0, return_index=True)
    copy[unsure[kept]] = False
    return np.flatnonzero(~copy)


def repeated(key: Ints) -> NDArray[np.bool_]:
    """(N,) which rows have a key (N,) that another has too."""
    ordered = np.sort(key)
    again = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if not len(again):
        return np.zeros(len(key), dtype=bool)
    place = np.minimum(np.searchsorted(again, key), len(again) - 1)
    return np.asarray(again[place] == key)


def copies_of(pool: Pool, key: Ints, rows: Ints) -> Ints:
    """Rows (c,) of pool (N, d), key (N,), bit-equal to one of ``rows`` (r,), and those, ascending."""
    alike = np.flatnonzero(np.isin(key, key[rows]))
    return np.asarray(alike[np.isin(pool.hashes(alike), pool.hashes(rows))])
