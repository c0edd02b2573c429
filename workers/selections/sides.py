"""The two sides of a selection, target and pool: records and features, row by row."""

import logging
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from store.data import files, pools, targets
from store.data.sources import Source
from store.errors import ArtifactCorrupt, DamagedInput, Invalid
from store.jobs import shards
from store.jobs.plans import FeaturePart
from store.jobs.requests import SelectionWork
from store.jobs.results import Block, FeaturesResult
from store.kit.json import Json
from store.records import record as records
from store.records.record import Record
from store.tables.states import ShardState
from workers.features.block import FeatureBlock
from workers.features.block_files import absent, from_bytes, in_original_order, join, mapped, side_by_side
from workers.features.fingerprint import block_key
from workers.features.ordering import by_length
from workers.features.provided import Sent, provided_block
from workers.process.work import Work

logger = logging.getLogger(__name__)

Role = Literal["target", "pool"]


@dataclass(frozen=True, slots=True)
class Side:
    """Records of one role and their features, row by row."""

    records: list[Record]
    block: FeatureBlock
    preflight: Json = field(default_factory=dict)
    """What the first shard found out for all of them; see workers.features.preflight."""
    files: list[tuple[str, str]] = field(default_factory=list)
    """Path and sha256 of each stored file that the records are from, once."""

    def values(self, rows: list[int]) -> Tensor:
        """(len(rows), blocks, block_dim) features of some rows, ascending; not copied where those are all."""
        return _some(self.block.values, rows)

    def hidden(self, rows: list[int]) -> Tensor | None:
        """(len(rows), hidden) states of some rows, where the features have them."""
        return None if self.block.hidden is None else _some(self.block.hidden, rows)


def _some(values: Any, rows: list[int]) -> Tensor:
    return torch.from_numpy(values if len(rows) == len(values) else values[rows])


def load(work: Work, asked: SelectionWork, role: Role, scratch: Path) -> Side:
    """One role of what the request names; the features lie in files in the folder ``scratch``."""
    if asked.features.kind == "provided":
        return load_provided(work, asked, role, scratch)
    return load_computed(work, role, scratch)


def load_computed(work: Work, role: Role, scratch: Path) -> Side:
    """One role's records and features; raises DamagedInput with the shards to be run again.

    The features lie in files in the folder ``scratch`` and are mapped: one shard's at a time need memory.
    """
    with work.context.database.transaction() as session:
        every = shards.of_phase(session, work.claim.job_id, "features")
    parsed = [(shard, FeaturePart.model_validate(shard.payload)) for shard in every]
    parts = [(shard, part) for shard, part in parsed if part.role == role]
    rows: list[Record] = []
    blocks: dict[int, list[FeatureBlock | int]] = {part.checkpoint: [] for _, part in parts}
    damaged: list[str] = []
    preflight: Json = {}
    for shard, part in parts:
        table = work.context.artifacts.get_table(part.artifact, part.sha256, records.SCHEMA.names)
        own = records.from_table(table.slice(part.start, part.stop - part.start))
        rows += own if part.checkpoint == 0 else []
        if shard.state == ShardState.FAILED:
            blocks[part.checkpoint].append(len(own))
            continue
        found = FeaturesResult.of(shard.result)
        try:
            read = [_read_block(work, block) for block in found.blocks]
            order = by_length(own, work.context.settings.window_rows)
            require_rows(work.claim.tenant_id, found.blocks, read, [own[row] for row in order])
            blocks[part.checkpoint].append(mapped(in_original_order(join(read), order), scratch))
        except ArtifactCorrupt as error:
            logger.warning("%s", error)
            damaged.append(shard.id)
        preflight |= found.outlook
        work.progress(0)
    if damaged:
        raise DamagedInput(damaged)
    whole = side_by_side([_with_gaps(of_one, scratch) for of_one in blocks.values()], scratch)
    files = dict.fromkeys((part.artifact, part.sha256) for _, part in parts)
    return Side(rows, whole, preflight, list(files))


def _with_gaps(parts: list[FeatureBlock | int], scratch: Path) -> FeatureBlock:
    """Blocks in order, where a number stands for so many rows of a shard that was left out."""
    like = next((part for part in parts if isinstance(part, FeatureBlock)), None)
    if like is None:
        raise Invalid("every shard of the candidates failed, see the job's events", code="no_features")
    return join([absent(like, part) if isinstance(part, int) else part for part in parts], scratch)


def _read_block(work: Work, block: Block) -> FeatureBlock:
    return from_bytes(work.context.artifacts.get_bytes(block.artifact, block.sha256))


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


def load_provided(work: Work, asked: SelectionWork, role: Role, scratch: Path) -> Side:
    """One role's records and the matrix that came for them; raises Invalid where they do not fit."""
    tenant, given = work.claim.tenant_id, asked.feature_files
    assert given is not None
    with work.context.database.transaction() as session:
        file = files.get(session, tenant, given.target if role == "target" else given.pool)
        if role == "target":
            row = targets.get(session, tenant, asked.target_id)
            sources = [Source("target", row.artifact, row.sha256, row.count)]
            received = [row.count]
        else:
            pool = pools.get(session, tenant, asked.pool_id)
            sources = pools.sources(session, pool, asked.pool_version)
            received = [row.received for row in pools.batches(session, pool.id, asked.pool_version)]
    columns = [*records.SCHEMA.names, "position"]
    tables = [work.context.artifacts.get_table(source.artifact, source.sha256, columns) for source in sources]
    rows = [record for table in tables for record in records.from_table(table)]
    path = work.context.artifacts.local_file(file.artifact, file.sha256, scratch)
    sent = _sent(tables, received) if role == "pool" else None
    block = provided_block(path, file.name or "", len(rows), sent)
    return Side(rows, block, files=[(source.artifact, source.sha256) for source in sources])


def _sent(tables: list[Any], received: list[int]) -> Sent | None:
    """Where the stored records were among those sent; None for older batches."""
    stored: list[int] = []
    for table, first in zip(tables, accumulate(received, initial=0), strict=False):
        if "position" not in table.column_names:
            return None
        stored += [first + position for position in table.column("position").to_pylist()]
    return Sent(sum(received), stored)
