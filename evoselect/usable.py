"""Which candidates may be chosen: checked arguments, without copies, consumed contents and leaked targets."""

import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from evoselect.arrays import Ints
from evoselect.errors import InvalidInput
from evoselect.features import check_matrix, check_unit_rows, distinct_rows
from evoselect.task import Checkpoint

MOST_TARGETS = 20_000


@dataclass(frozen=True)
class Usable:
    """Rows that may be chosen, ascending, and how many fell out for what reason."""

    rows: Ints
    counts: dict[str, int]

    def take(self, matrix: Tensor) -> Tensor:
        """The usable rows of an (N, ...) matrix."""
        return matrix[torch.from_numpy(self.rows).to(matrix.device)]


def check(
    candidates: Tensor,
    targets: Tensor,
    k: int,
    per_candidate: Mapping[str, Sequence[object] | None],
    per_target: Mapping[str, Sequence[object] | None],
) -> None:
    """Refuse arguments that do not fit together; see ``select``. The mappings hold what was given for each
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


def check_checkpoints(checkpoints: Sequence[Checkpoint], n: int, m: int) -> None:
    """Refuse further features that are not of the same ``n`` candidates and ``m`` targets, or no weight."""
    for place, checkpoint in enumerate(checkpoints):
        name = f"checkpoints[{place}]"
        check(checkpoint.candidates, checkpoint.targets, 1, {}, {})
        shape = (checkpoint.candidates.shape[0], checkpoint.targets.shape[0])
        if shape != (n, m):
            raise InvalidInput(
                f"{name} has {shape[0]} candidates and {shape[1]} targets, not {n} and {m}: "
                "give the features of the same rows in the same order"
            )
        if not 0.0 < checkpoint.weight < math.inf:
            raise InvalidInput(
                f"{name} has weight {checkpoint.weight}; weights are finite and above 0: leave it out instead"
            )


def usable_rows(
    candidates: Tensor,
    k: int,
    content_ids: Sequence[str] | None,
    target_content_ids: Sequence[str] | None,
    exclude: AbstractSet[str],
) -> Usable:
    """First row of every content that is neither excluded nor a target's; k of them must be left."""
    if content_ids is None and (exclude or target_content_ids is not None):
        raise InvalidInput(
            "exclude and target_content_ids compare contents: pass content_ids for the candidates too"
        )
    n = candidates.shape[0]
    rows = np.arange(n, dtype=np.int64)
    counts = {
        "duplicates_collapsed": 0,
        "excluded": 0,
        "leaked_targets_dropped": 0,
        "equal_features_collapsed": 0,
    }
    if content_ids is not None:
        first: dict[str, int] = {}
        for row, content in enumerate(content_ids):
            first.setdefault(content, row)
        counts["duplicates_collapsed"] = n - len(first)
        leaked = first.keys() & set(target_content_ids or ())
        consumed = (first.keys() & exclude) - leaked
        counts["leaked_targets_dropped"], counts["excluded"] = len(leaked), len(consumed)
        dropped = leaked | consumed
        rows = np.array([row for content, row in first.items() if content not in dropped], dtype=np.int64)
    if k > len(rows):
        raise InvalidInput(
            f"k = {k} exceeds the {len(rows)} usable candidates of {n} ("
            f"{counts['duplicates_collapsed']} exact duplicates collapsed, {counts['excluded']} excluded, "
            f"{counts['leaked_targets_dropped']} equal to a target): lower k or add candidates"
        )
    pool = candidates if len(rows) == n else candidates[torch.from_numpy(rows).to(candidates.device)]
    single = distinct_rows(pool)
    if len(single) >= k:  # with fewer distinct rows, copies have to fill the budget
        counts["equal_features_collapsed"] = len(rows) - len(single)
        rows = rows[single]
    return Usable(rows, counts)
