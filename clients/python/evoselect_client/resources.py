"""The nouns of the API, each with its verbs: client.targets.create(...), client.pools.add(...)."""

import uuid
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import quote

from evoselect_client.calls import get, post, post_lines
from evoselect_client.errors import ApiError
from evoselect_client.models import (
    Batch,
    BatchError,
    Bound,
    Candidate,
    Comparison,
    Counts,
    Evaluation,
    Event,
    Item,
    Job,
    Model,
    Page,
    Pool,
    Selection,
    Target,
    Training,
    Upload,
)
from evoselect_client.sources import Records, as_list, chunks

if TYPE_CHECKING:
    from evoselect_client.client import Client

BoundT = TypeVar("BoundT", bound=Bound)
JobT = TypeVar("JobT", bound=Job)
PAGE_SIZE = 100


class Nouns(Generic[BoundT]):
    """What every noun can do: retrieve one, list all."""

    path: str
    model: type[BoundT]

    def __init__(self, client: "Client") -> None:
        self._client = client

    def retrieve(self, id: str) -> BoundT:
        """The resource with that id; NotFoundError when this key has none."""
        return self._client.send(get(f"{self.path}/{id}", self._decode))

    def list(self, *, page_size: int = PAGE_SIZE) -> Iterator[BoundT]:
        """All of them, newest first, fetched page by page while you iterate."""
        return _pages(self._client, self.path, self._decode, page_size)

    def _decode(self, value: Any) -> BoundT:
        return self.model.model_validate(value).bind(self)

    def _create(self, body: dict[str, Any]) -> BoundT:
        return self._client.send(post(self.path, self._decode, body))


class Targets(Nouns[Target]):
    """Sets of target-task examples; they do not change."""

    path, model = "/v1/targets", Target

    def create(
        self,
        records: Records | None = None,
        *,
        file_id: str | None = None,
        held_out: dict[str, Any] | None = None,
        name: str | None = None,
        metadata: dict[str, str] | None = None,
    ) -> Target:
        """Store target examples: a list of records, the path of a JSON Lines file, or an uploaded file's id.

        held_out {"ratio": ..., "seed": ...} keeps a share apart, in the target `held_out_target_id`.
        """
        given = None if records is None else as_list(records)
        body = {"records": given, "file_id": file_id, "held_out": held_out}
        return self._create({**body, "name": name, "metadata": metadata})


class Pools(Nouns[Pool]):
    """Sets of candidates that grow by batches."""

    path, model = "/v1/pools", Pool

    def create(self, *, name: str | None = None, metadata: dict[str, str] | None = None) -> Pool:
        """Make an empty pool."""
        return self._create({"name": name, "metadata": metadata})

    def add(
        self,
        pool_id: str,
        records: Records,
        *,
        on_invalid: str = "reject_batch",
        progress: Callable[[int], None] | None = None,
    ) -> Upload:
        """Append candidates: the path of a JSON Lines file, or any iterable of records.

        The input is sent in chunks with constant memory; every chunk is one batch that the service stores
        wholly or not at all, and once, however often it has to be sent. With on_invalid="reject_batch" the
        first chunk with a bad line raises InvalidRequestError (earlier chunks stay); with "skip" bad lines
        are counted and listed.
        `progress` is called with the number of lines sent so far.
        """
        upload_id = uuid.uuid4().hex
        upload = Upload(pool_id=pool_id, version=None, batch_ids=[], counts=Counts(), errors=[])
        for number, chunk in enumerate(chunks(records)):
            call = post_lines(
                f"{self.path}/{pool_id}/batches",
                Batch.model_validate,
                chunk.content,
                client_batch_id=f"{upload_id}-{number}",
                on_invalid=on_invalid,
            )
            try:
                batch = self._client.send(call)
            except ApiError as error:
                _shift_lines(error, chunk.first_line)
                raise
            upload = _joined(upload, batch, chunk.first_line)
            if progress:
                progress(chunk.first_line + chunk.lines - 1)
        return upload


class Jobs(Nouns[JobT]):
    """What selections, trainings and evaluations share."""

    def cancel(self, id: str) -> JobT:
        """Ask the job to stop; ConflictError when it has ended already."""
        return self._client.send(post(f"{self.path}/{id}/cancel", self._decode, {}))

    def retry(self, id: str) -> JobT:
        """The same request as a new job; ConflictError unless the old one ended without a result."""
        return self._client.send(post(f"{self.path}/{id}/retry", self._decode, {}))

    def events(self, id: str, *, after: int = 0) -> Iterator[Event]:
        """The job's transitions so far, in order, those with a number above `after`."""
        while True:
            call = get(f"{self.path}/{id}/events", Page[Event].model_validate, after=after)
            page = self._client.send(call)
            yield from page.data
            if not page.has_more:
                return
            after = page.data[-1].sequence

    def poll(self, id: str, seconds: float) -> JobT:
        """The job's state, as soon as it has ended or after some seconds."""
        call = get(f"{self.path}/{id}", self._decode, wait=max(0, round(seconds)))
        return self._client.send(call)


class Selections(Jobs[Selection]):
    """Jobs that pick candidates for a target."""

    path, model = "/v1/selections", Selection

    def create(
        self,
        *,
        target_id: str | None = None,
        target: Records | None = None,
        pool_id: str | None = None,
        candidates: Records | None = None,
        pool_version: int | None = None,
        k: int | None = None,
        ratio: float | None = None,
        method: str | None = None,
        spec: dict[str, Any] | None = None,
        features: dict[str, Any] | None = None,
        feature_files: dict[str, str] | None = None,
        model: str | None = None,
        seed: int | None = None,
        exclude_selection_ids: list[str] | None = None,
        name: str | None = None,
        metadata: dict[str, str] | None = None,
    ) -> Selection:
        """Start a selection of `k` candidates, or of the share `ratio` of the pool.

        Give target_id or target (inline, or a path), and pool_id or candidates. What is left out takes the
        service's recommended value.
        """
        body = {
            "target_id": target_id,
            "target": None if target is None else as_list(target),
            "pool_id": pool_id,
            "candidates": None if candidates is None else as_list(candidates),
            "pool_version": pool_version,
            "k": k,
            "ratio": ratio,
            "method": method,
            "spec": spec,
            "features": features,
            "feature_files": feature_files,
            "model": model,
            "seed": seed,
            "exclude_selection_ids": exclude_selection_ids,
            "name": name,
            "metadata": metadata,
        }
        return self._create(body)

    def items(self, id: str, *, page_size: int = 500) -> Iterator[Item]:
        """The selected candidates in order, fetched page by page while you iterate."""
        return _pages(self._client, f"{self.path}/{id}/items", Item.model_validate, page_size)

    def compare(self, id: str, other_id: str) -> Comparison:
        """What two completed selections share, and how coverage changes from the first to the second."""
        return self._client.send(get(f"{self.path}/{id}/compare/{other_id}", Comparison.model_validate))

    def candidate(self, id: str, candidate_id: str) -> Candidate:
        """Why a candidate, by its id or content hash, was selected or was not."""
        path = f"{self.path}/{id}/candidates/{quote(candidate_id, safe='')}"
        return self._client.send(get(path, Candidate.model_validate))


class Trainings(Jobs[Training]):
    """Jobs that train a LoRA adapter on a selection."""

    path, model = "/v1/trainings", Training

    def create(
        self,
        *,
        selection_id: str,
        base_model: str | None = None,
        spec: dict[str, Any] | None = None,
        seed: int | None = None,
        name: str | None = None,
        metadata: dict[str, str] | None = None,
    ) -> Training:
        """Start a training on a completed selection."""
        body = {"selection_id": selection_id, "base_model": base_model, "spec": spec, "seed": seed}
        return self._create({**body, "name": name, "metadata": metadata})


class Evaluations(Jobs[Evaluation]):
    """Jobs that measure a model on held-out examples."""

    path, model = "/v1/evaluations", Evaluation

    def create(
        self,
        *,
        model: str,
        target_id: str | None = None,
        records: Records | None = None,
        spec: dict[str, Any] | None = None,
        name: str | None = None,
        metadata: dict[str, str] | None = None,
    ) -> Evaluation:
        """Start an evaluation of a base model's alias or a trained model's id."""
        body = {
            "model": model,
            "target_id": target_id,
            "records": None if records is None else as_list(records),
            "spec": spec,
        }
        return self._create({**body, "name": name, "metadata": metadata})


class Models(Nouns[Model]):
    """Base models that may be used, and trained adapters."""

    path, model = "/v1/models", Model


def _pages(client: "Client", path: str, decode: Callable[[Any], Any], page_size: int) -> Iterator[Any]:
    after: Any = None
    while True:
        page = client.send(get(path, Page[Any].model_validate, after=after, limit=page_size))
        yield from map(decode, page.data)
        if not page.has_more:
            return
        after = page.data[-1]["rank"] if "rank" in page.data[-1] else page.data[-1]["id"]


def _shift_lines(error: ApiError, first_line: int) -> None:
    """Lines of a chunk become lines of the whole input."""
    for fault in error.errors:
        if fault.get("line"):
            fault["line"] += first_line - 1


def _joined(upload: Upload, batch: Batch, first_line: int) -> Upload:
    moved = [
        BatchError(line=fault.line + first_line - 1, code=fault.code, detail=fault.detail)
        for fault in batch.errors
    ]
    return Upload(
        pool_id=batch.pool_id,
        version=batch.version,
        batch_ids=[*upload.batch_ids, batch.id],
        counts=upload.counts + batch.counts,
        errors=[*upload.errors, *moved],
    )
