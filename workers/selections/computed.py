"""The computed features of one side of a selection, in the windows of rows that feature shards stored."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa

from evoselect.representations.shards import Features, Shard
from store.errors import ArtifactCorrupt, DamagedInput, Invalid
from store.jobs import shards
from store.jobs.plans import FeaturePart
from store.jobs.results import Block, FeaturesResult
from store.kit.json import Json
from store.records import record as records
from store.records.record import Record
from store.records.stored import Records
from store.tables import jobs as tables
from store.tables.states import ShardState
from workers.features.block import FeatureBlock
from workers.features.block_files import check_same_sketch, from_bytes, in_original_order, join, side_by_side
from workers.features.fingerprint import block_key
from workers.features.known import Known, at_every_checkpoint
from workers.features.ordering import by_length
from workers.process.work import Work
from workers.selections.side import Role, Side

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
    order: list[int]  # row ``order[i]`` of the window was computed as the i-th


def load_computed(work: Work, role: Role) -> Side:
    """One role's records and features; raises DamagedInput with the shards to be run again.

    Every block is read once here, for what is known of its rows; its features are read again, a window at a
    time, when they are wanted.
    """
    with work.context.database.transaction() as session:
        runs = [Run.of(shard) for shard in shards.of_phase(session, work.claim.job_id, "features")]
    runs = [run for run in runs if run.part.role == role]
    checkpoints = sorted({run.part.checkpoint for run in runs})
    sides = [_of_one(work, [run for run in runs if run.part.checkpoint == at]) for at in checkpoints]
    if damaged := [shard_id for side in sides for shard_id in side.damaged]:
        raise DamagedInput(damaged)
    known = at_every_checkpoint([_whole(side.known) for side in sides])
    windows = zip(*(side.windows for side in sides), strict=True)
    found = [Shard(len(own[0].order), partial(_features, work, own)) for own in windows]
    preflight: Json = {}
    for run in runs:
        preflight |= run.found.outlook if run.found else {}
    files = dict.fromkeys((run.part.artifact, run.part.sha256) for run in runs)
    return Side(Records.of(sides[0].tables), known, found, preflight, list(files))


@dataclass(slots=True)
class _AtCheckpoint:
    tables: list[pa.Table]
    known: list[Known | int]  # a number stands for so many rows of a shard that was left out
    windows: list[Window]
    damaged: list[str]


def _of_one(work: Work, runs: Sequence[Run]) -> _AtCheckpoint:
    side, size = _AtCheckpoint([], [], [], []), work.context.settings.window_rows
    for run, table in _with_records(work, runs):
        own = records.from_table(table)
        side.tables.append(table)
        order = [by_length(own[at : at + size], size) for at in range(0, len(own), size)]
        try:
            windows = list(_windows(run, order))
            if run.found is None:
                side.known.append(len(own))
            else:
                ordered = [own[at * size + row] for at, part in enumerate(order) for row in part]
                side.known += _known(work, windows, ordered)
            side.windows += windows
        except ArtifactCorrupt as error:
            logger.warning("%s", error)
            side.damaged.append(run.shard_id)
        work.progress(0)
    return side


def _with_records(work: Work, runs: Sequence[Run]) -> Iterator[tuple[Run, pa.Table]]:
    """Each run with its records; a file that several runs follow each other in is read once."""
    read: tuple[str, pa.Table] | None = None
    for run in runs:
        part = run.part
        if read is None or read[0] != part.artifact:
            names = records.SCHEMA.names
            read = part.artifact, work.context.artifacts.get_table(part.artifact, part.sha256, names)
        yield run, read[1].slice(part.start, part.stop - part.start)


def _windows(run: Run, orders: Sequence[list[int]]) -> Iterator[Window]:
    """The blocks of a run by window; raises ArtifactCorrupt where they do not end where windows do."""
    left = [] if run.found is None else list(run.found.blocks)
    for order in orders:
        own: list[Block] = []
        while left and sum(block.rows for block in own) < len(order):
            own.append(left.pop(0))
        if run.found is not None and sum(block.rows for block in own) != len(order):
            raise ArtifactCorrupt(f"features of shard {run.shard_id} are of other rows, or in another order")
        yield Window(run.shard_id, own, order)


def _known(work: Work, windows: Sequence[Window], ordered: Sequence[Record]) -> list[Known]:
    """What the blocks say of the rows of a run, which were computed in the order ``ordered``."""
    found, done = [], 0
    for window in windows:
        blocks = _read(work, window)
        rows = ordered[done : done + len(window.order)]
        require_rows(work.claim.tenant_id, window.blocks, blocks, list(rows))
        block = in_original_order(join(blocks), window.order)
        found.append(Known(block.tokens, block.status, block.sketch, block.shortened))
        done += len(window.order)
    return found


def _whole(parts: Sequence[Known | int]) -> Known:
    """Of all rows of a side at one checkpoint."""
    held = [part for part in parts if isinstance(part, Known)]
    if not held:
        raise Invalid("every shard of the candidates failed, see the job's events", code="no_features")
    check_same_sketch(known.sketch for known in held)
    every = [_absent(part) if isinstance(part, int) else part for part in parts]
    return Known(
        np.concatenate([known.tokens for known in every]),
        [status for known in every for status in known.status],
        held[0].sketch,
        sum(known.shortened for known in every),
    )


def _absent(rows: int) -> Known:
    return Known(np.zeros(rows, dtype=np.int32), ["shard_failed"] * rows, "")


def _features(work: Work, windows: Sequence[Window]) -> Features:
    """The features of a window of rows, at every checkpoint; raises DamagedInput.

    They were read before: what fails now was damaged or lost since.
    """
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


def require_rows(tenant: str, stored: list[Block], blocks: list[FeatureBlock], ordered: list[Record]) -> None:
    """Blocks name their rows by their keys: an earlier release or another window had another order.

    Raises ArtifactCorrupt.
    """
    done = 0
    for entry, block in zip(stored, blocks, strict=True):
        rows = ordered[done : done + entry.rows]
        done += entry.rows
        if block_key(block.sketch, rows, tenant) != entry.key:
            raise ArtifactCorrupt(f"features {entry.artifact} are of other rows, or in another order")
