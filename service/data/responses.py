"""What answers about data look like: the schemas of the OpenAPI document, filled by views.py beside it."""

from datetime import datetime
from typing import Literal

from evoselect.spec.features import FeatureSpec
from service.http.record_schema import Record
from service.http.responses import Fault, OpenResponseModel, ResponseModel
from service.jobs.responses import Job


class File(ResponseModel):
    """A file without its bytes."""

    id: str
    """Id, beginning with `file_`."""
    object: Literal["file"]
    """Always `file`."""
    name: str | None
    """The name that it was sent with."""
    media_type: str | None
    """The Content-Type that it was sent with, without parameters; null for files that came in parts."""
    size: int
    """Bytes, any Content-Encoding taken off."""
    sha256: str
    """SHA-256 of the bytes, in hexadecimal."""
    created_at: datetime
    """When it was stored."""


class UploadPart(ResponseModel):
    """A part without its bytes."""

    object: Literal["upload.part"]
    """Always `upload.part`."""
    number: int
    """Its place in the file, from 1."""
    size: int
    """Bytes."""
    sha256: str
    """SHA-256 of its bytes, in hexadecimal."""


class Upload(ResponseModel):
    """A file that comes in parts."""

    id: str
    """Id, beginning with `upl_`."""
    object: Literal["upload"]
    """Always `upload`."""
    name: str | None
    """The name that the file will have."""
    status: Literal["pending", "completed", "cancelled", "expired"]
    """Pending takes parts; the others are ends."""
    file_id: str | None
    """The file that the parts were joined into; null unless completed."""
    parts: list[UploadPart]
    """What has arrived, by number; empty after the end."""
    created_at: datetime
    """When it was started."""
    expires_at: datetime
    """When it ends with its parts, unless it is completed before."""


class RowExample(ResponseModel):
    """One row as it came, and the record that it became."""

    given: str
    """The row as JSON, cut to 2,000 characters."""
    record: str
    """The record as JSON, cut to 2,000 characters."""


class Recognised(ResponseModel):
    """What rows that need not be records were taken for."""

    shapes: dict[str, int]
    """Accepted rows by shape, such as `alpaca`."""
    extra: list[str]
    """Columns that no field takes; they travel in `extra`."""
    example: RowExample | None
    """The first row that was changed to become a record; null where none was."""


class Target(ResponseModel):
    """A target without its records."""

    id: str
    """Id, beginning with `tgt_`."""
    object: Literal["target"]
    """Always `target`."""
    name: str | None
    """A name of yours."""
    metadata: dict[str, str]
    """Pairs of yours, at most 16."""
    count: int
    """How many examples it has."""
    groups: dict[str, int]
    """Examples by `group`; empty where no example has one."""
    held_out_target_id: str | None
    """The target with the examples that were kept apart; null where none were."""
    recognised: Recognised
    """What its rows were taken for."""
    found: bool
    """Of an answer to POST: the same examples were there already, and nothing was stored."""
    created_at: datetime
    """When it was stored."""


class Pool(ResponseModel):
    """A pool without its candidates."""

    id: str
    """Id, beginning with `pool_`."""
    object: Literal["pool"]
    """Always `pool`."""
    name: str | None
    """A name of yours."""
    metadata: dict[str, str]
    """Pairs of yours, at most 16."""
    version: int
    """How many batches it has; a selection stays at the version that it was started with."""
    count: int
    """How many candidates it has, each content once."""
    created_at: datetime
    """When it was made."""


class OriginalRow(OpenResponseModel):
    """A row as it came, with the columns that it had."""


class StoredRecord(ResponseModel):
    """One record and where it stands."""

    object: Literal["record"]
    """Always `record`."""
    number: int
    """Its place, from 1."""
    record: Record
    """The record."""
    original: OriginalRow | None
    """The row as it came; null where the record says all of it."""


class RecordPage(ResponseModel):
    """Records in their order."""

    object: Literal["list"]
    """Always `list`."""
    data: list[StoredRecord]
    """At most `limit` of them; a search may give few, or none, before its last page."""
    has_more: bool
    """Whether more follow."""
    next_after: int | None
    """What to send as `after` for the next page; null where nothing follows."""


class Counts(ResponseModel):
    """What became of the records of a batch."""

    received: int
    """Records sent: accepted + rejected."""
    accepted: int
    """Records without a fault; accepted - duplicates were stored."""
    rejected: int
    """Records with a fault."""
    duplicates: int
    """Accepted records that repeat one of the pool or of the batch."""


class Batch(ResponseModel):
    """What became of a batch."""

    id: str
    """Id, beginning with `bat_`."""
    object: Literal["pool.batch"]
    """Always `pool.batch`."""
    pool_id: str
    """The pool that it was appended to."""
    version: int
    """The version of the pool that it made, from 1."""
    client_batch_id: str | None
    """Your name for it: the same one again answers with this batch."""
    counts: Counts
    """How many records were accepted."""
    recognised: Recognised
    """What its rows were taken for."""
    reasons: dict[str, int]
    """Refused lines by code."""
    errors: list[Fault]
    """The first 100 refused lines."""
    error_file_id: str | None
    """The file with all refused lines; null where there are none."""
    created_at: datetime
    """When it was stored."""


class IndexRequest(ResponseModel):
    """What an indexing was asked to do."""

    pool_id: str
    """The pool."""
    pool_version: int
    """The version of the pool that it reads."""
    model: str
    """Alias or id of the proxy model."""
    features: FeatureSpec
    """What the features are."""
    feature_file: str | None = None
    """The file with features that were sent; null where a model computes them."""


class Alike(ResponseModel):
    """Records of the pool that nearly repeat each other."""

    clusters: int
    """Groups of them."""
    rows: int
    """Records in these groups."""


class IndexingResult(ResponseModel):
    """What an indexing came to."""

    version: int
    """The version of the pool that the index has."""
    rows: int
    """Records of that version."""
    usable: int
    """Those of them that have features."""
    added: int
    """Records whose features were read; the others are of the index before."""
    left_out: dict[str, int]
    """Records without features by reason."""
    kind: str
    """What is compared: `hidden`, `gradient` or `provided`."""
    width: int
    """Numbers of a record."""
    cells: int
    """Groups that the records lie in; 1 where a search looks at every one."""
    probes: int
    """Groups that a search looks into."""
    recall: float | None
    """Measured share of the ten nearest records that a search finds; null where it looks at every one."""
    near_copies: Alike | None
    """Null where nobody looked: in pools of more than 50,000 records."""
    size: int
    """Bytes of the index."""


class Indexing(Job):
    """A job that makes the records of a pool findable by their features."""

    object: Literal["indexing"]
    """Always `indexing`."""
    request: IndexRequest
    """What it was asked to do."""
    result: IndexingResult | None
    """What it came to; null until it is completed."""


class SimilarRecord(ResponseModel):
    """A record of the pool and how near it is."""

    object: Literal["similar"]
    """Always `similar`."""
    number: int
    """Its place in the pool, from 1."""
    cosine: float
    """Of its features and those of what was asked for, -1 to 1."""
    near_copy: bool | None
    """Whether the two nearly repeat each other, word by word; null where nobody looked."""
    record: Record
    """The record."""


class IndexUsed(ResponseModel):
    """The index that an answer is from."""

    indexing_id: str
    """The job that made it."""
    version: int
    """The version of the pool that it has."""
    rows: int
    """Records of that version."""
    kind: str
    """What is compared: `hidden`, `gradient` or `provided`."""
    exact: bool
    """Whether every record was looked at; else those of the nearest cells."""
    recall: float | None
    """Measured share of the ten nearest records that a search finds; null where it is exact."""


class SimilarRecords(ResponseModel):
    """The records of a pool that are most like one, the nearest first."""

    object: Literal["list"]
    """Always `list`."""
    data: list[SimilarRecord]
    """At most `limit` of them."""
    of: StoredRecord
    """What was asked for."""
    index: IndexUsed
    """The index that the answer is from."""
    missing: int
    """Records that came to the pool after the index: none of them is in the answer."""
    open_indexing_id: str | None
    """The job that makes a newer index; null where none does."""
