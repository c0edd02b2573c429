"""Candidates in shards: each yields its own nearest per target, and the lists merge exactly (ours).

A shard of N_s rows gives M x L costs and row numbers, whatever N_s is; the union's L nearest are among the
shards' L nearest, so a merged shortlist equals that of the whole matrix and the solve stays M x L.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from evoselect.arrays import Floats, Ints
from evoselect.capacity.shortlist import Shortlist, from_edges
from evoselect.errors import InvalidInput
from evoselect.neighbours import nearest


@dataclass(frozen=True)
class ShardList:
    """The nearest candidates of every target within one shard."""

    cost: Floats  # (M, L_s) ascending
    index: Ints  # (M, L_s) row numbers in the whole pool
    rows: int  # in the shard


def shard_list(candidates: Tensor, targets: Tensor, width: int, offset: int) -> ShardList:
    """The ``width`` nearest rows of one shard (N_s, d) whose first row is row ``offset`` of the pool."""
    count = min(width, candidates.shape[0])
    similarity, index = nearest(candidates, targets, count)
    return ShardList(
        1.0 - similarity.numpy().astype(np.float64),
        index.numpy() + offset,
        candidates.shape[0],
    )


def merge(lists: Sequence[ShardList], width: int) -> Shortlist:
    """The shortlist of the whole pool with ``width`` candidates per target, ties by row number."""
    total = sum(part.rows for part in lists)
    short = [part for part in lists if part.cost.shape[1] < min(width, part.rows)]
    if short:
        raise InvalidInput(
            f"{len(short)} of {len(lists)} shards list fewer than width = {width}: list them again"
        )
    width = min(width, total)
    cost = np.concatenate([part.cost for part in lists], axis=1)
    index = np.concatenate([part.index for part in lists], axis=1)
    order = np.lexsort((index, cost), axis=1)[:, :width]
    cost, index = np.take_along_axis(cost, order, axis=1), np.take_along_axis(index, order, axis=1)
    radius = np.full(len(cost), np.inf) if width == total else cost[:, -1].copy()
    return from_edges(cost.ravel(), index.ravel(), np.full(len(cost), width), radius)
