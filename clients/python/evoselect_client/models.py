"""The resources as the service returns them. Fields that a newer service adds are kept, not refused."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, Union

from pydantic import PrivateAttr

from evoselect_client.errors import JobFailedError
from evoselect_client.layouts import Layout
from evoselect_client.rows import Recognised, Resource, Upload
from evoselect_client.sources import PART_BYTES
from evoselect_client.steps import Listing, Mode, Same, Steps, Values, Verb

if TYPE_CHECKING:
    from evoselect_client.session import Session
    from evoselect_client.sources import Records

TERMINAL = frozenset(("completed", "failed", "cancelled", "expired"))
T = TypeVar("T")
BoundT = TypeVar("BoundT", bound="Bound[Any]")
Progress = Union[bool, Callable[["Job[Any]"], None]]  # noqa: UP007 - 3.10 cannot join a forward reference
# True draws a line on stderr; a function gets every state


class Bound(Resource, Generic[Mode]):
    """A resource that can call the service again, in the manner of the client it came from."""

    id: str
    object: str
    _noun: Any = PrivateAttr()  # the Nouns of resources.py that this came from

    def bind(self: BoundT, noun: Any) -> BoundT:
        """Remember where this came from."""
        self._noun = noun
        return self

    @property
    def session(self) -> Session[Mode]:
        """The service that it came from."""
        session: Session[Mode] = self._noun.session
        return session


class File(Bound[Any]):
    """Uploaded bytes, such as a feature matrix."""

    name: str | None = None
    size: int
    sha256: str
    found: bool = False
    """Of an upload: the service had the bytes already, and nothing was sent."""
    created_at: datetime


class FilePart(Resource):
    """A part that has arrived."""

    number: int
    size: int
    sha256: str


class FileUpload(Bound[Any]):
    """A file that comes in parts; `file_id` once it is completed."""

    name: str | None = None
    status: str
    file_id: str | None = None
    parts: list[FilePart] = []
    expires_at: datetime


class Target(Bound[Any]):
    """Examples of the target task."""

    name: str | None = None
    count: int
    groups: dict[str, int] = {}
    held_out_target_id: str | None = None
    recognised: Recognised = Recognised()
    metadata: dict[str, Any] = {}
    found: bool = False
    """Of `create`: the service had these examples already, and nothing was stored."""
    created_at: datetime


class Pool(Bound[Mode]):
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
        upload_id: str | None = None,
        part_bytes: int = PART_BYTES,
        progress: bool | Callable[[int], None] = False,
    ) -> Steps[Upload]:
        """Append candidates; see Pools.add."""
        from evoselect_client.sending import send_all

        return (
            yield from send_all(
                self.session,
                self.id,
                records,
                on_invalid=on_invalid,
                layout=Layout(format, columns or {}),
                upload_id=upload_id,
                part_bytes=part_bytes,
                progress=progress,
            )
        )


class PhaseProgress(Resource):
    """Rows done and in all of one phase, and its seconds so far."""

    done: int
    total: int
    seconds: float


class JobProgress(Resource):
    """Rows over all phases known so far."""

    rows_done: int = 0
    rows_total: int = 0
    phases: dict[str, PhaseProgress] = {}


class JobError(Resource):
    """Why a job failed."""

    code: str
    detail: str


class Event(Resource):
    """One transition of a job; numbers have no gap."""

    sequence: int
    type: str
    data: dict[str, Any] = {}
    created_at: datetime


class Job(Bound[Mode]):
    """A piece of work on the service: poll it, wait for it, cancel it."""

    status: str
    done: bool
    phase: str | None = None
    progress: JobProgress = JobProgress()
    eta_seconds: float | None = None
    name: str | None = None
    request: dict[str, Any] = {}
    result: dict[str, Any] | None = None
    error: JobError | None = None
    metadata: dict[str, Any] = {}
    created_at: datetime
    queued_at: datetime | None = None
    running_at: datetime | None = None
    completed_at: datetime | None = None
    failed_at: datetime | None = None
    cancelled_at: datetime | None = None
    expired_at: datetime | None = None

    @Same
    def poll(self, seconds: float) -> Steps[Any]:
        """The job's state, as soon as it has ended or after some seconds."""
        return (yield from self._noun.look(self.id, seconds))

    @Same
    def refresh(self) -> Steps[Any]:
        """The job's present state."""
        return (yield from self._noun.look(self.id, 0))

    @Same
    def wait(self, *, progress: Progress = False, timeout: float | None = None) -> Steps[Any]:
        """Wait until the job has ended; returns it completed.

        `timeout` is in seconds, None waits for as long as it takes. Raises WaitTimeoutError, or
        JobFailedError when the job ended without a result. Outlives outages of up to two minutes.
        """
        from evoselect_client.waiting import wait

        return (yield from wait(self, self._noun, progress=progress, timeout=timeout))

    @Same
    def cancel(self) -> Steps[Any]:
        """Ask the job to stop; ConflictError when it has ended already."""
        return (yield from self._noun.act(self.id, "cancel"))

    @Same
    def retry(self) -> Steps[Any]:
        """A new job with the same request; ConflictError unless this one ended without a result."""
        return (yield from self._noun.act(self.id, "retry"))

    @Listing
    def events(self, *, after: int = 0) -> Values[Event]:
        """What happened to the job so far, from the event after that number on."""
        yield from self._noun.transitions(self.id, after)

    def output(self) -> dict[str, Any]:
        """The result of a completed job; raises JobFailedError for any other."""
        if self.result is None:
            raise JobFailedError(self)
        return self.result


class Item(Resource):
    """One selected candidate, with the reasons for it; ranks count from 1."""

    rank: int
    id: str
    content_hash: str
    weight: float
    record: dict[str, Any]


class Selection(Job[Mode]):
    """Which candidates are worth training on."""

    @Listing
    def items(self, *, extra: Mapping[str, Any] | None = None, page_size: int = 500) -> Values[Item]:
        """The selected candidates in order, fetched page by page while you iterate.

        With `extra` those alone whose record has these values in `extra`: {"source": "web"}.
        """
        yield from self._noun.picked(self.id, page_size, extra)

    @Listing
    def rows(self, *, reasons: bool = False, page_size: int = 500) -> Values[str]:
        """The selected rows as they came, each as one line of JSON, in rank order.

        With `reasons` each gets a last member `_evoselect`: rank, score, weight, repeats, why.
        """
        yield from self._noun.originals(self.id, reasons, page_size)

    @Verb
    def save(self, path: str | os.PathLike[str], *, reasons: bool = False) -> Steps[Path]:
        """Write the selected rows as they came into a file, in rank order; returns its path.

        A name that ends with .parquet gives Parquet with the schema that the rows had: ApiError (no_table)
        where not the whole pool came as tables with the same columns. Any other name gives lines.
        `reasons` as of `rows`.
        """
        from evoselect_client.saving import save_rows

        return (yield from save_rows(self._noun, self.id, Path(path), reasons))

    @Verb
    def to_dataset(self, dataset: Any) -> Steps[Any]:
        """The selected rows of a `datasets.Dataset`, in rank order, whatever shape they have.

        Raises ValueError when a selected row is not among them: the dataset is not the one that was sent, or
        was changed since.
        """
        from evoselect_client.matching import selected_rows

        return (yield from selected_rows(self._noun.originals(self.id, False, 500), dataset))

    @Verb
    def report(self) -> Steps[str]:
        """The report as one HTML page that needs nothing else."""
        page: str = yield from self._noun.page(self.id)
        return page


class Comparison(Resource):
    """Two selections side by side; `coverage` is None where they have different targets."""

    overlap: dict[str, Any]
    rank_correlation: float | None
    coverage: dict[str, Any] | None
    transport: dict[str, float | None]


class Candidate(Resource):
    """Why a candidate is in or out: `status` is selected, not_selected or not_usable."""

    id: str
    content_hash: str
    repeated: bool
    status: str
    reason: str
    item: dict[str, Any] | None = None
    nearest_target: dict[str, Any] | None = None
    last_selected: dict[str, Any] | None = None


class Training(Job[Mode]):
    """A LoRA adapter in the making."""

    @property
    def model_id(self) -> str:
        """The id of the trained model; raises JobFailedError when there is none."""
        return str(self.output()["model_id"])


class Evaluation(Job[Mode]):
    """A model measured on held-out examples."""


class ModelFile(Resource):
    """One file of an adapter."""

    sha256: str
    size: int
    """In bytes."""


class Model(Bound[Any]):
    """A base model that may be used, or an adapter that a training made."""

    base_model: str | None = None
    training_id: str | None = None
    lineage: dict[str, Any] = {}
    files: dict[str, ModelFile] = {}
    created_at: datetime | None = None


class Page(Resource, Generic[T]):
    """One page of a listing."""

    data: list[T]
    has_more: bool
