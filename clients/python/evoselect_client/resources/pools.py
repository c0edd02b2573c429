"""Pools: sets of candidates that grow by batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from evoselect_client.core.calls import get, segment
from evoselect_client.core.labelled import Labelled
from evoselect_client.core.nouns import PAGE_SIZE, pages
from evoselect_client.core.response import WithRaw
from evoselect_client.core.steps import AsyncRaw, Listing, Mode, Raw, Steps, Values, Verb
from evoselect_client.data.layouts import Layout
from evoselect_client.data.sources import PART_BYTES, Records
from evoselect_client.resources.record_upload import send_all
from evoselect_client.resources.records import Batch, RecordSets, SimilarRecords, Upload

NEAREST = 10  # records, where nobody says how many


class Pool(Labelled[Mode]):
    """Candidates; `version` grows with every batch."""

    name: str | None = None
    version: int
    count: int
    metadata: dict[str, Any] = {}
    created_at: datetime

    @Verb
    def add(
        self,
        records: Records,
        *,
        on_invalid: str = "reject_batch",
        format: str | None = None,
        columns: Mapping[str, str] | None = None,
        template: str | None = None,
        upload_id: str | None = None,
        part_bytes: int = PART_BYTES,
        progress: bool | Callable[[int], None] = False,
    ) -> Steps[Upload]:
        """Append candidates; see Pools.add."""
        return (
            yield from send_all(
                self.session,
                self.id,
                records,
                on_invalid=on_invalid,
                layout=Layout(format, columns or {}, template),
                upload_id=upload_id,
                part_bytes=part_bytes,
                progress=progress,
            )
        )

    @Verb
    def similar(
        self, record_id: str | None = None, *, text: str | None = None, limit: int = NEAREST
    ) -> Steps[SimilarRecords]:
        """The records that are most like one; see Pools.similar."""
        found: SimilarRecords = yield from self._noun.similar.steps(
            self.id, record_id, text=text, limit=limit
        )
        return found


class Pools(RecordSets[Pool[Mode], Mode]):
    """Sets of candidates that grow by batches."""

    path, model = "/v1/pools", Pool
    with_raw_response: WithRaw[Pools[Raw], Pools[AsyncRaw]] = WithRaw()

    @Verb
    def create(self, *, name: str | None = None, metadata: dict[str, str] | None = None) -> Steps[Pool[Mode]]:
        """Make an empty pool."""
        return (yield from self._post(self.path, {"name": name, "metadata": metadata}))

    @Verb
    def similar(
        self, id: str, record_id: str | None = None, *, text: str | None = None, limit: int = NEAREST
    ) -> Steps[SimilarRecords]:
        """The `limit` records of the pool whose features are nearest to those of a record, the nearest first.

        `record_id` is an id or a content hash. ConflictError says what to do where the pool has no index yet
        (see Indexings.create), where the record came after it, where it has no features, and for a `text`,
        which has none before it is a record of the pool.
        """
        path = f"{self.path}/{segment(id)}/similar"
        call = get(path, SimilarRecords.model_validate, record_id=record_id, text=text, limit=limit)
        return (yield from self.session.send(call))

    @Listing
    def batches(self, id: str, *, after: int = 0) -> Values[Batch]:
        """What became of each batch, in the order of the pool's versions, those above `after`."""
        path = f"{self.path}/{segment(id)}/batches"
        yield from pages(
            self.session, path, Batch.model_validate, page_size=PAGE_SIZE, after=after, by=("version",)
        )

    @Verb
    def add(
        self,
        pool_id: str,
        records: Records,
        *,
        on_invalid: str = "reject_batch",
        format: str | None = None,
        columns: Mapping[str, str] | None = None,
        template: str | None = None,
        upload_id: str | None = None,
        part_bytes: int = PART_BYTES,
        progress: bool | Callable[[int], None] = False,
    ) -> Steps[Upload]:
        """Append candidates: a path, a file, a DataFrame, a Table, a Dataset, or an iterable of records.

        The input is sent in parts of at most `part_bytes`, one in memory at a time; every part is one batch
        that the service stores wholly or not at all, and once, however often it has to be sent. A service
        that goes away is waited for, up to two minutes. To go on after this process was killed, call again
        with the same input, reading and `part_bytes` and the same `upload_id`, a name of yours: what has
        arrived is not sent again.
        With on_invalid="reject_batch" the first part with a bad line raises InvalidRequestError (earlier
        parts stay); with "skip" bad lines are counted and listed. A file that is no JSON Lines (Parquet,
        Arrow, CSV, a JSON list, packed) is sent as an upload and added as one batch. `format`, `columns`
        and `template` as of Targets.create. `progress` is called with the number of records sent so far; True
        draws a line on stderr.
        """
        return (
            yield from send_all(
                self.session,
                pool_id,
                records,
                on_invalid=on_invalid,
                layout=Layout(format, columns or {}, template),
                upload_id=upload_id,
                part_bytes=part_bytes,
                progress=progress,
            )
        )
