"""What a training learns: the items of a selection, the records of a file, or all of a pool."""

import hashlib
import random
from dataclasses import dataclass

import pyarrow as pa

from store.data import pools, targets
from store.errors import Invalid
from store.jobs import lifecycle as jobs
from store.jobs.requests import Anchors, SelectionWork, TrainingWork
from store.records.record import Record, from_table, parse_record
from store.tables.states import JobKind
from workers.process.work import Work
from workers.selections.items import selected_items

LINEAGE_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("content_hash", pa.string(), nullable=False),
        pa.field("repeats", pa.int64(), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Records in order, and how often each is an example."""

    records: list[Record]
    repeats: list[int]

    def digest(self) -> str:
        """sha256 over contents and repeats in order: equal data have equal digests, whatever their ids."""
        whole = hashlib.sha256()
        for record, count in zip(self.records, self.repeats, strict=True):
            whole.update(f"{record.content_hash} {count}\n".encode())
        return whole.hexdigest()

    def table(self) -> pa.Table:
        """One row per record, for the lineage."""
        columns = {
            "id": [record.id for record in self.records],
            "content_hash": [record.content_hash for record in self.records],
            "repeats": self.repeats,
        }
        return pa.table(columns, schema=LINEAGE_SCHEMA)


def load(work: Work, asked: TrainingWork) -> TrainingData:
    """The data that the request names; raises NotFound for a foreign id."""
    if asked.selection_id is not None:
        items = selected_items(work, asked.selection_id)
        records, repeats = (
            [parse_record(item["record"]) for item in items],
            [item["repeats"] for item in items],
        )
        drawn = [] if asked.anchors is None else _anchors(work, asked.anchors, asked.seed)
        return TrainingData(
            records + [record for record, _ in drawn], repeats + [count for _, count in drawn]
        )
    tables = [work.context.artifacts.get_table(*place) for place in _places(work, asked)]
    records = [record for table in tables for record in from_table(table)]
    return TrainingData(records, [1] * len(records))


def _anchors(work: Work, anchors: Anchors, seed: int) -> list[tuple[Record, int]]:
    apart = {one.content_hash for target_id in anchors.apart_from for one in _examples(work, target_id)}
    return anchored(_examples(work, anchors.target_id), apart, anchors, seed)


def anchored(
    examples: list[Record], apart: set[str], anchors: Anchors, seed: int
) -> list[tuple[Record, int]]:
    """Rows of a target, none of the contents `apart`, and how often each comes: as equally as can be.

    Raises Invalid where all of them are apart.
    """
    every = [one for one in examples if one.content_hash not in apart]
    if not every:
        raise Invalid(
            f"target {anchors.target_id} has no example that is not measured on: leave anchor_share out, or "
            "keep a share of the target apart for evaluation",
            code="no_anchors",
        )
    random.Random(seed).shuffle(every)
    times, more = divmod(anchors.rows, len(every))
    counted = [(one, times + (at < more)) for at, one in enumerate(every)]
    return [(one, count) for one, count in counted if count]


def _examples(work: Work, target_id: str) -> list[Record]:
    with work.context.database.transaction() as session:
        target = targets.get(session, work.claim.tenant_id, target_id)
    return from_table(work.context.artifacts.get_table(target.artifact, target.sha256))


def settled(work: Work, asked: TrainingWork) -> TrainingWork:
    """The request, in which what it leaves open is as the selection was scored that is trained on.

    Its max_length too where it shortened rows. One of an earlier release was scored by its last turns.
    """
    spec = asked.spec
    found: dict[str, object] = {"turns": "all", "on_long": "drop"}
    if asked.selection_id is not None:
        with work.context.database.transaction() as session:
            job = jobs.get(session, work.claim.tenant_id, asked.selection_id, JobKind.SELECTION)
        scored = SelectionWork.of(job.request, job.id).features
        found["turns"] = scored.turns if "turns" in scored.model_fields_set else "last"
        found["on_long"] = scored.on_long
        if spec.on_long is None and scored.on_long != "drop":
            found["max_length"] = scored.max_length
    left = {name: value for name, value in found.items() if getattr(spec, name) is None}
    return asked.model_copy(update={"spec": spec.model_copy(update=left)})


def _places(work: Work, asked: TrainingWork) -> list[tuple[str, str]]:
    """(path, sha256) of the stored files."""
    tenant_id = work.claim.tenant_id
    with work.context.database.transaction() as session:
        if asked.examples_id is not None:
            examples = targets.get(session, tenant_id, asked.examples_id)
            return [(examples.artifact, examples.sha256)]
        pool = pools.get(session, tenant_id, str(asked.pool_id))
        sources = pools.sources(session, pool, asked.pool_version or 0)
        return [(source.artifact, source.sha256) for source in sources]
