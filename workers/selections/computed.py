"""The computed features of one side of a selection, in the windows of rows that feature shards stored."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from store.errors import ArtifactCorrupt, DamagedInput, Invalid
from store.jobs import shards
from store.jobs.results import FeaturesResult
from store.kit.json import Json
from store.records.record import Record
from store.records.stored import Records
from workers.features import batching
from workers.features.block_files import check_same_sketch
from workers.features.file_rows import ranges
from workers.features.fingerprint import block_key
from workers.features.known import Known, at_every_checkpoint
from workers.features.row_files import ShardRows
from workers.features.statuses import Statuses
from workers.features.windows import Run, Window, at_checkpoints, rows_left, windows_of
from workers.lists import files
from workers.lists.problem import Stretch
from workers.process.work import Work
from workers.selections.side import Role, Side

logger = logging.getLogger(__name__)


def load_computed(work: Work, role: Role, scratch: Path) -> Side:
    """One role's records and what is known of them; raises DamagedInput with the shards to be run again.

    Features are read a window at a time, when they are wanted.
    """
    with work.context.database.transaction() as session:
        runs = [Run.of(shard) for shard in shards.of_phase(session, work.claim.job_id, "features")]
    runs = [run for run in runs if run.part.role == role]
    checkpoints = sorted({run.part.checkpoint for run in runs})
    sources = dict.fromkeys((run.part.artifact, run.part.sha256) for run in runs)
    paths = {path: work.context.artifacts.local_file(path, sha256, scratch) for path, sha256 in sources}
    every = Records.stored(paths.values())
    sides = [_of_one(work, [run for run in runs if run.part.checkpoint == at], every) for at in checkpoints]
    if damaged := [shard_id for side in sides for shard_id in side.damaged]:
        raise DamagedInput(damaged)
    known = at_every_checkpoint([_whole(side.known) for side in sides])
    found = at_checkpoints(work, [side.windows for side in sides])
    preflight: Json = {}
    for run in runs:
        preflight |= run.found.outlook if run.found else {}
    preflight["batch_checks"] = batching.by_device([run.found.check for run in runs if run.found])
    stretches = [_stretch(own) for own in zip(*(side.runs for side in sides), strict=True)]
    return Side(every, known, found, preflight, list(sources), stretches)


def _stretch(runs: Sequence[Run]) -> Stretch:
    """The same rows at every checkpoint."""
    part = runs[0].part
    stored = [[block.sha256 for block in run.found.blocks] if run.found else [] for run in runs]
    ids = [run.shard_id for run in runs]
    return Stretch(part.stop - part.start, files.digest({"blocks": stored}), ids)


@dataclass(slots=True)
class _AtCheckpoint:
    runs: Sequence[Run]
    known: list[Known | int] = field(default_factory=list)
    """A number stands for so many rows of a shard that was left out."""
    windows: list[Window] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)


def _of_one(work: Work, runs: Sequence[Run], every: Records) -> _AtCheckpoint:
    """Runs that follow each other over ``every`` record."""
    side, start = _AtCheckpoint(runs), 0
    for run in runs:
        count = run.part.stop - run.part.start
        own, start = every[start : start + count], start + count
        try:
            if run.found is None:
                side.known.append(count)
                cuts = ranges(count, work.context.settings.window_rows)
                side.windows += [Window(run.shard_id, [], np.arange(stop - start)) for start, stop in cuts]
            else:
                rows = rows_left(work, run, run.found)
                require_rows(work.claim.tenant_id, run.found, rows, list(own))
                side.known.append(rows.known)
                side.windows += windows_of(run, run.found, rows)
        except ArtifactCorrupt as error:
            logger.warning("%s", error)
            side.damaged.append(run.shard_id)
        work.progress(0)
    return side


def _whole(parts: Sequence[Known | int]) -> Known:
    """Of all rows of a side at one checkpoint."""
    held = [part for part in parts if isinstance(part, Known)]
    if not held:
        raise Invalid("every shard of the candidates failed, see the job's events", code="no_features")
    check_same_sketch(known.sketch for known in held)
    every = [_absent(part) if isinstance(part, int) else part for part in parts]
    return Known(
        np.concatenate([known.tokens for known in every]),
        Statuses.joined(known.status for known in every),
        held[0].sketch,
        sum(known.shortened for known in every),
    )


def _absent(rows: int) -> Known:
    status = Statuses(np.zeros(rows, dtype=np.uint8), ["shard_failed"])
    return Known(np.zeros(rows, dtype=np.int32), status, "")


def require_rows(tenant: str, found: FeaturesResult, rows: ShardRows, own: Sequence[Record]) -> None:
    """Blocks name their rows by their keys: those of another release or other records have others.

    Raises ArtifactCorrupt.
    """
    done = 0
    for entry in found.blocks:
        some = [own[row] for row in rows.order[done : done + entry.rows]]
        done += entry.rows
        if block_key(rows.known.sketch, some, tenant) != entry.key:
            raise ArtifactCorrupt(f"features {entry.artifact} are of other rows, or in another order")
