"""What went through the funnel, as its files and the feature shards of a job name it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from evoselect.arrays import Ints
from store.artifacts import StoredFile
from store.jobs.plans import FeaturePart
from store.tables.jobs import Shard
from workers.lists import files
from workers.process.work import Work


@dataclass(frozen=True, slots=True)
class Through:
    """Rows of a pool, ascending, and why: near a target, drawn, or both; pinned where neither."""

    rows: Ints  # (n,)
    near: npt.NDArray[np.bool_]  # (n,)
    drawn: npt.NDArray[np.bool_]  # (n,)

    def places(self, rows: Ints) -> Ints:
        """Where some of the pool's rows, all of which went through, stand among these."""
        return np.searchsorted(self.rows, rows)


def put(work: Work, went: Through) -> StoredFile:
    """Keep them for when the phase starts anew."""
    rows, near, drawn = (torch.from_numpy(column) for column in (went.rows, went.near, went.drawn))
    return files.put(work, {"rows": rows, "near": near.byte(), "drawn": drawn.byte()})


def get(work: Work, held: Sequence[Shard]) -> Through | None:
    """What the feature shards of a job name; None where none was asked for what went through.

    Raises ArtifactCorrupt.
    """
    parts = (FeaturePart.model_validate(shard.payload) for shard in held)
    stored = next((part.funnel for part in parts if part.funnel is not None), None)
    if stored is None:
        return None
    named = files.get(work, stored)
    near, drawn = (named[name].bool().numpy() for name in ("near", "drawn"))
    return Through(named["rows"].numpy(), near, drawn)
