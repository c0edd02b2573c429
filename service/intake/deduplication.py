"""Checked records on their way into a batch's files: a content once, the others as what they repeat."""

from collections.abc import Iterator

import pyarrow as pa

from service.intake.spools import TableSpool
from store.artifacts import Artifacts
from store.data.content_runs import Known, Run
from store.data.incoming import incoming
from store.data.pools import BATCH_SCHEMA, REPEATED_SCHEMA
from store.data.seen_contents import Seen
from store.records.columns import Places, content_keys


class Deduplicator:
    """Takes tables of BATCH_SCHEMA without the position; `known` is what the batch's pool holds already.

    Without `known` nothing counts as a repetition. What is kept is on its way into the `artifacts`.
    """

    def __init__(self, known: Known | None, artifacts: Artifacts) -> None:
        self.known = known
        self._artifacts = artifacts
        self._begin()
        self._seen = Seen(known.runs if known else [])

    def add(self, table: pa.Table, positions: Places) -> None:
        """Store rows whose content is new; of the others remember where they were and what they repeat."""
        self._store(table.append_column(BATCH_SCHEMA.field("position"), pa.array(positions, pa.int64())))

    def finish(self) -> None:
        """Both files are complete."""
        self.stored.finish()
        self.repeated.finish()

    def keys(self) -> Iterator[Run]:
        """The keys of all stored records."""
        return self._seen.own()

    def drop_known(self, runs: list[Run]) -> None:
        """Leave out what others stored meanwhile; after finish."""
        if not any(run.holds(own.low, own.high).any() for own in self._seen.own() for run in runs):
            return
        self._seen.close()
        before, earlier = self.stored, self.repeated
        self._begin()
        self._seen = Seen(runs)
        for table in earlier.tables():
            self.repeated.add(table)
        for table in before.tables():
            self._store(table)
        before.close()
        earlier.close()
        self.finish()

    def close(self) -> None:
        """Drop everything."""
        self._seen.close()
        self.stored.close()
        self.repeated.close()

    def _begin(self) -> None:
        """Empty files."""
        self.stored_file, self.repeated_file = incoming(self._artifacts), incoming(self._artifacts)
        self.stored = TableSpool(BATCH_SCHEMA, self.stored_file)
        self.repeated = TableSpool(REPEATED_SCHEMA, self.repeated_file)

    def _store(self, table: pa.Table) -> None:
        if self.known is None:  # not for a pool: repetitions stay
            self.stored.add(table)
            return
        fresh = self._seen.add(content_keys(table))
        if fresh.all():
            self.stored.add(table)
            return
        self.stored.add(table.filter(pa.array(fresh)))
        self.repeated.add(table.filter(pa.array(~fresh)).select(REPEATED_SCHEMA.names))
