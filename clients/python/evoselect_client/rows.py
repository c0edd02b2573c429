"""What became of rows that were sent, and rows as they are stored; the base of all resources."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from evoselect_client.steps import Listing, Same, Verb


class Resource(BaseModel):
    """Base: immutable, tolerant of new fields."""

    model_config = ConfigDict(
        extra="allow",
        frozen=True,
        protected_namespaces=(),
        ignored_types=(Verb, Same, Listing),
        defer_build=True,  # a model is built when it is first used, so that importing is short
    )


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
