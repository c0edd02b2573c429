"""What answers about data look like: the schemas of the OpenAPI document, filled by views.py beside it."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

from service.http.answers import Fault


class File(BaseModel):
    """A file without its bytes."""

    id: str
    object: Literal["file"]
    name: str | None
    media_type: str | None
    size: int
    sha256: str
    created_at: datetime


class UploadPart(BaseModel):
    """A part without its bytes."""

    object: Literal["upload.part"]
    number: int
    size: int
    sha256: str


class Upload(BaseModel):
    """A file that comes in parts."""

    id: str
    object: Literal["upload"]
    name: str | None
    status: Literal["pending", "completed", "cancelled", "expired"]
    file_id: str | None
    parts: list[UploadPart]
    created_at: datetime
    expires_at: datetime


class RowExample(BaseModel):
    """One row as it came, and the record that it became; both as JSON, cut to 2,000 characters."""

    given: str
    record: str


class Recognised(BaseModel):
    """What the rows were: accepted rows by shape, columns that travel as `extra`, the first changed row."""

    shapes: dict[str, int]
    extra: list[str]
    example: RowExample | None


class Target(BaseModel):
    """A target without its records; `found` where a POST stored nothing because it was there already."""

    id: str
    object: Literal["target"]
    name: str | None
    metadata: dict[str, str]
    count: int
    groups: dict[str, int]
    held_out_target_id: str | None
    recognised: Recognised
    found: bool
    created_at: datetime


class Pool(BaseModel):
    """A pool without its candidates."""

    id: str
    object: Literal["pool"]
    name: str | None
    metadata: dict[str, str]
    version: int
    count: int
    created_at: datetime


class StoredRecord(BaseModel):
    """One record and where it stands, from 1; `original` is the row as it came, where that was kept."""

    object: Literal["record"]
    number: int
    record: dict[str, Any]
    original: dict[str, Any] | None


class RecordPage(BaseModel):
    """Records in their order; pass `next_after` as `after` for what follows, null where nothing does."""

    object: Literal["list"]
    data: list[StoredRecord]
    has_more: bool
    next_after: int | None


class Counts(BaseModel):
    """What became of the records: received = accepted + rejected; accepted - duplicates were stored."""

    received: int
    accepted: int
    rejected: int
    duplicates: int


class Batch(BaseModel):
    """What became of a batch; `reasons` counts refused lines by code, `errors` are the first of them.

    The file has all.
    """

    id: str
    object: Literal["pool.batch"]
    pool_id: str
    version: int
    client_batch_id: str | None
    counts: Counts
    recognised: Recognised
    reasons: dict[str, int]
    errors: list[Fault]
    error_file_id: str | None
    created_at: datetime
