"""What a training learns: the items of a selection, the records of a file, or all of a pool."""

import hashlib
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from store.data import pools, targets
from store.records.record import Record, from_table, parse_record
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


def load(work: Work) -> TrainingData:
    """The data that the request names; raises NotFound for a foreign id."""
    request = work.claim.request
    if request.get("selection_id"):
        items = selected_items(work, request["selection_id"])
        return TrainingData(
            [parse_record(item["record"]) for item in items], [item["repeats"] for item in items]
        )
    tables = [work.context.artifacts.get_table(*place) for place in _places(work, request)]
    records = [record for table in tables for record in from_table(table)]
    return TrainingData(records, [1] * len(records))


def _places(work: Work, request: dict[str, Any]) -> list[tuple[str, str]]:
    """(path, sha256) of the stored files."""
    tenant_id = work.claim.tenant_id
    with work.context.database.transaction() as session:
        if request.get("examples_id"):
            examples = targets.get(session, tenant_id, request["examples_id"])
            return [(examples.artifact, examples.sha256)]
        pool = pools.get(session, tenant_id, request["pool_id"])
        sources = pools.sources(session, pool, request["pool_version"])
        return [(source.artifact, source.sha256) for source in sources]
