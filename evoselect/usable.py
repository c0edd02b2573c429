"""Which rows may be chosen: arguments are checked, and copies left out."""

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from evoselect.arrays import Ints
from evoselect.errors import InvalidInput
from evoselect.features import check_matrix, check_unit_rows, distinct_rows

MOST_TARGETS = 20_000


def check(
    candidates: Tensor,
    targets: Tensor,
    k: int,
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
    if not 1 <= k <= n:
        raise InvalidInput(f"k = {k} is outside 1..{n}, the number of candidates: change k or add candidates")
    for given, wanted in ((per_candidate, n), (per_target, m)):
        for name, values in given.items():
            if values is not None and len(values) != wanted:
                raise InvalidInput(f"{name} has {len(values)} entries for {wanted} rows; give one per row")
    check_unit_rows(candidates, "candidates")
    check_unit_rows(targets, "targets")


def usable_rows(candidates: Tensor, k: int) -> Ints:
    """candidates (N, d) -> (n,) rows that may be chosen, ascending: the first of bit-equal features.

    With fewer distinct rows than k, copies have to fill the budget: all rows.
    """
    single = distinct_rows(candidates)
    return single if len(single) >= k else np.arange(candidates.shape[0], dtype=np.int64)
