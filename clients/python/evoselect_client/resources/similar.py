"""The records of a pool that are most like one."""

from __future__ import annotations

from typing import Any

from evoselect_client.core.resource import Resource
from evoselect_client.resources.records import StoredRecord


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
