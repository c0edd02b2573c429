"""What an index is made of: the features that its pool's rows have, and the index that is there already."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evoselect.representations.shards import Features, Shard
from evoselect.spec.features import FeatureSpec
from store.data import pool_indexes, pools
from store.data.pool_indexes import IndexFiles
from store.data.sources import Source
from store.jobs import plans, shards
from store.jobs.requests import IndexingWork
from workers.features.known import Known, of_rows
from workers.process.work import Work
from workers.selections.computed import load_computed
from workers.selections.sides import provided_pool


@dataclass(frozen=True)
class Rows:
    """The rows of a pool, of which the first ones may lie in an index already."""

    sources: list[Source]
    base: IndexFiles | None
    known: Known | None
    """Of the rows behind those of the base; None where there is none."""
    shards: Sequence[Shard]
    """Their features, those that are compared alone."""

    @property
    def count(self) -> int:
        """Of the pool."""
        return sum(source.rows for source in self.sources)

    @property
    def first(self) -> int:
        """Rows that the base has."""
        return 0 if self.base is None else self.base.rows

    def usable(self, start: int, stop: int) -> list[int]:
        """Those with features among the pool's rows `start` to `stop`, counted from `first`."""
        if self.known is None:
            return []
        own = self.known.status[start - self.first : stop - self.first]
        return [*map(int, own.rows("ok") + (start - self.first))]

    def shards_of(self, rows: Sequence[int]) -> list[Shard]:
        """The features of rows, ascending, counted from `first`."""
        return of_rows(self.shards, rows)


def load(work: Work, asked: IndexingWork, scratch: Path) -> Rows:
    """What there is; raises Wanted where features of all rows have to be there first."""
    with work.context.database.transaction() as session:
        pool = pools.get(session, work.claim.tenant_id, asked.pool_id)
        sources = pools.sources(session, pool, asked.pool_version)
        row = pool_indexes.find(session, asked.pool_id)
        computed = shards.of_phase(session, work.claim.job_id, "features")
    rows = sum(source.rows for source in sources)
    if asked.feature_file is not None:
        side = provided_pool(work, asked, asked.feature_file, scratch)
        return Rows(sources, None, side.known, side.shards)
    own = load_computed(work, "pool", scratch) if computed else None
    if own is not None and len(own.records) == rows:
        return Rows(sources, None, own.known, [_compared(shard) for shard in own.shards])
    settings = pool_indexes.settings_of(asked.model, asked.features)
    if row and pool_indexes.goes_on(row, settings, version=asked.pool_version, rows=rows):
        base = IndexFiles.model_validate(row.files)
        whole = all(work.context.artifacts.has(file.path) for file in base.every_file())
        if whole and own is None and base.rows == rows:
            return Rows(sources, base, None, ())
        if whole and own and base.rows + len(own.records) == rows and own.known.sketch == base.sketch:
            return Rows(sources, base, own.known, [_compared(shard) for shard in own.shards])
    checkpoints = len(asked.features.checkpoints) or 1
    raise plans.Wanted(plans.feature_shards(sources, work.context.settings.shard_rows, checkpoints))


def spec_of(features: FeatureSpec, usable: int) -> FeatureSpec:
    """How the rows of an index are conditioned: a single one has nothing to be centred by."""
    beside = features.kind == "combined"
    kind = features.hidden_conditioning if beside else features.conditioning
    changed = {"conditioning": kind if usable > 1 else "none"} | ({"checkpoints": ()} if beside else {})
    return features.model_copy(update=changed)


def evenly(rows: Sequence[int], count: int) -> list[int]:
    """At most ``count`` of the rows, evenly spaced."""
    return [
        rows[place] for place in np.unique(np.linspace(0, len(rows) - 1, count).astype(np.int64)).tolist()
    ]


def _compared(shard: Shard) -> Shard:
    """Hidden states where they stand beside gradients: what a text is about, not what it would teach."""

    def read() -> Features:
        features = shard.read()
        return features if features.hidden is None else Features(features.hidden[:, None])

    return Shard(shard.rows, read)
