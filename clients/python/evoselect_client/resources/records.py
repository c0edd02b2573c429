"""What became of rows that were sent, rows as they are stored, and those that are most like one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from evoselect_client.core.calls import get, segment
from evoselect_client.core.labelled import LabelledNouns
from evoselect_client.core.resource import Bound, Resource
from evoselect_client.core.steps import Emit, Listing, Mode, Page, Steps, Values, Verb
from evoselect_client.data.layouts import extra_query

BoundT = TypeVar("BoundT", bound=Bound[Any])


class RowExample(Resource):
    """One row as it came, and the record that it became; both as JSON, cut to 2,000 characters."""

    given: str
    record: str


class Recognised(Resource):
    """What rows turned out to be: accepted rows by shape, columns that travel as `extra`, a changed row."""

    shapes: dict[str, int] = {}
    extra: list[str] = []
    example: RowExample | None = None

    def __add__(self, other: Recognised) -> Recognised:
        names = [*self.shapes, *(name for name in other.shapes if name not in self.shapes)]
        return Recognised(
            shapes={name: self.shapes.get(name, 0) + other.shapes.get(name, 0) for name in names},
            extra=sorted({*self.extra, *other.extra}),
            example=self.example or other.example,
        )


class StoredRecord(Resource):
    """A record of a pool or target; `number` counts from 1, `original` is the row as it came."""

    number: int
    record: dict[str, Any]
    original: dict[str, Any] | None = None


class BatchError(Resource):
    """One refused line of a batch; lines count from 1."""

    line: int
    code: str
    detail: str


class Counts(Resource):
    """received = accepted + rejected; duplicates are accepted lines whose content the pool had already."""

    received: int = 0
    accepted: int = 0
    rejected: int = 0
    duplicates: int = 0

    def __add__(self, other: Counts) -> Counts:
        mine, theirs = self.model_dump(), other.model_dump()
        return Counts(**{name: mine[name] + theirs[name] for name in Counts.model_fields})


class Batch(Resource):
    """What one upload of candidates came to."""

    id: str
    pool_id: str
    version: int
    client_batch_id: str | None = None
    counts: Counts
    recognised: Recognised = Recognised()
    reasons: dict[str, int] = {}
    errors: list[BatchError] = []


class Upload(Resource):
    """What pools.add() came to, over all the batches that it sent."""

    pool_id: str
    version: int | None  # of the pool after the last batch; None when there was nothing to send
    batch_ids: list[str]
    counts: Counts
    reasons: dict[str, int] = {}  # refused lines by code
    errors: list[BatchError]  # lines count through the whole input
    recognised: Recognised = Recognised()


class RecordSets(LabelledNouns[BoundT, Mode]):
    """What targets and pools share: records to read, and an end."""

    @Listing
    def records(
        self,
        id: str,
        *,
        search: str | None = None,
        extra: Mapping[str, Any] | None = None,
        page_size: int = 500,
    ) -> Values[StoredRecord]:
        """The records in their order, fetched page by page while you iterate.

        With `search` those that hold the text, with `extra` those with these values in `extra`, such as
        {"source": "web"}.
        """
        after: int | None = 0
        while after is not None:  # a search may give pages without records before the last one
            asked = {"after": after, "limit": page_size, "search": search, **extra_query(extra)}
            page = yield from self.session.send(get(f"{self.path}/{segment(id)}/records", dict, **asked))
            after = page["next_after"]
            found = [StoredRecord.model_validate(value) for value in page["data"]]
            yield Emit(Page(found, after is not None, after))

    @Verb
    def delete(self, id: str) -> Steps[None]:
        """Delete it; ConflictError while a job that has not ended, or a loop, needs it."""
        yield from self._delete(f"{self.path}/{segment(id)}", bool)


class SimilarRecord(Resource):
    """A record and how near it is; `near_copy` is None where nobody looked for such."""

    number: int
    cosine: float
    near_copy: bool | None
    record: dict[str, Any]


class IndexUsed(Resource):
    """The index that an answer is from; `recall` is None where every record was looked at."""

    indexing_id: str
    version: int
    rows: int
    kind: str
    exact: bool
    recall: float | None


class SimilarRecords(Resource):
    """The nearest first; `missing` records came to the pool after the index."""

    data: list[SimilarRecord]
    of: StoredRecord
    index: IndexUsed
    missing: int
    open_indexing_id: str | None = None
