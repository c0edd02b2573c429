"""The windows of rows that feature shards stored, read when they are wanted."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from evoselect.arrays import Ints
from evoselect.representations.shards import Features, Shard
from store.errors import ArtifactCorrupt, DamagedInput
from store.jobs.plans import FeaturePart
from store.jobs.results import Block, FeaturesResult
from store.tables import jobs as tables
from store.tables.states import ShardState
from workers.features import row_files
from workers.features.block import FeatureBlock
from workers.features.block_files import from_bytes, in_original_order, join, side_by_side
from workers.features.row_files import ShardRows
from workers.process.work import Work

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Run:
    """A feature shard: rows that follow each other, at one checkpoint."""

    shard_id: str
    part: FeaturePart
    found: FeaturesResult | None  # None where it failed and may be left out

    @classmethod
    def of(cls, shard: tables.Shard) -> "Run":
        """What a feature shard of the database was to do, and has done."""
        failed = shard.state == ShardState.FAILED
        part = FeaturePart.model_validate(shard.payload)
        return cls(shard.id, part, None if failed else FeaturesResult.of(shard.result))


@dataclass(frozen=True, slots=True)
class Window:
    """The blocks of a shard whose rows were put in order of length together."""

    shard_id: str
    blocks: list[Block]
    order: Ints  # row ``order[i]`` of the window was computed as the i-th


def rows_left(work: Work, run: Run, found: FeaturesResult) -> ShardRows:
    """What the shard left of its rows; raises ArtifactCorrupt where that is missing or damaged."""
    if found.rows is None:
        raise ArtifactCorrupt(
            f"shard {run.shard_id} is of an earlier release, which left no file of its rows"
        )
    return row_files.from_bytes(work.context.artifacts.get_bytes(found.rows.path, found.rows.sha256))


def windows_of(run: Run, found: FeaturesResult, rows: ShardRows) -> Iterator[Window]:
    """The blocks of a run by window; raises ArtifactCorrupt where they do not end where windows do."""
    left = list(found.blocks)
    for order in rows.windows():
        own: list[Block] = []
        while left and sum(block.rows for block in own) < len(order):
            own.append(left.pop(0))
        if sum(block.rows for block in own) != len(order):
            raise ArtifactCorrupt(f"features of shard {run.shard_id} are of other rows, or in another order")
        yield Window(run.shard_id, own, order)


def at_checkpoints(work: Work, windows: Sequence[Sequence[Window]]) -> list[Shard]:
    """The windows of each checkpoint, of the same rows, as shards that are read when they are wanted."""
    together = zip(*windows, strict=True)
    return [Shard(len(own[0].order), partial(_features, work, own)) for own in together]


def _features(work: Work, windows: Sequence[Window]) -> Features:
    """The features of a window of rows, at every checkpoint; raises DamagedInput."""
    found = []
    for window in windows:
        try:
            found.append(in_original_order(join(_read(work, window)), window.order))
        except ArtifactCorrupt as error:
            logger.warning("%s", error)
            raise DamagedInput([window.shard_id]) from error
    work.progress(0)
    return side_by_side(found)


def _read(work: Work, window: Window) -> list[FeatureBlock]:
    artifacts = work.context.artifacts
    return [from_bytes(artifacts.get_bytes(block.artifact, block.sha256)) for block in window.blocks]
