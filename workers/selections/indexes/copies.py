"""Which records of a pool nearly repeat each other, as an index keeps it."""

import numpy as np

from evoselect.copies.find import Search
from evoselect.spec.copies import THRESHOLD
from store.artifacts import StoredFile
from store.jobs.results import Alike
from store.records import record as records
from store.records.record import plain_text
from store.records.stored import Records
from workers.process.work import Work
from workers.selections.indexes.sources import Rows

MOST = 50_000  # records up to which they are looked for: a few seconds


def found(work: Work, rows: Rows) -> tuple[StoredFile, Alike] | None:
    """The file with the cluster of each record, and how many there are; None in a larger pool."""
    if rows.count > MOST:
        return None
    artifacts, names = work.context.artifacts, records.SCHEMA.names
    tables = [artifacts.get_table(source.artifact, source.sha256, names) for source in rows.sources]
    texts = [plain_text(record) for record in Records.of(tables)]
    clusters, _ = Search.of(texts, lambda: work.progress(0)).find([], THRESHOLD)
    of_row = np.full(rows.count, -1, dtype="<i4")
    for number, members in enumerate(clusters):
        of_row[members] = number
    stored = artifacts.put_bytes(f"{work.claim.tenant_id}/indexes", of_row.tobytes(), ".copies")
    alike = Alike(clusters=len(clusters), rows=int((of_row >= 0).sum()))
    return stored.reference(size=stored.size), alike
