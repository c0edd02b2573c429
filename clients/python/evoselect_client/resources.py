"""The nouns that hold data: targets, pools, models."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from evoselect_client.calls import BYTES, Call, get, segment
from evoselect_client.errors import DamagedDownloadError, EvoSelectError
from evoselect_client.layouts import Layout, extra_query
from evoselect_client.models import Model, Pool, Target
from evoselect_client.nouns import Nouns
from evoselect_client.rows import StoredRecord, Upload
from evoselect_client.sending import send_all, with_records
from evoselect_client.sources import PART_BYTES, Records
from evoselect_client.steps import Emit, Listing, Mode, Steps, Values, Verb


class Targets(Nouns[Target, Mode]):
    """Sets of target-task examples; they do not change."""

    path, model = "/v1/targets", Target

    @Verb
    def create(
        self,
        records: Records | None = None,
        *,
        file_id: str | None = None,
        format: str | None = None,
        columns: Mapping[str, str] | None = None,
        held_out: dict[str, Any] | None = None,
        name: str | None = None,
        metadata: dict[str, str] | None = None,
    ) -> Steps[Target]:
        """Store target examples: a list of rows, the path of a file, or an uploaded file's id.

        What shape the rows have is recognised, or named by `format`; or `columns` says which column holds
        which field, as {"prompt": "instruction", "completion": "output"}. `recognised` of the answer says
        what they were.
        held_out {"ratio": ..., "seed": ...} keeps a share apart, in the target `held_out_target_id`.
        The same examples under the same name are found again (`found`); a file that the service has is not
        sent again.
        """
        body = {"file_id": file_id, **Layout(format, columns or {}).body(), "held_out": held_out}
        body |= {"name": name, "metadata": metadata}
        return (
            yield from with_records(
                self.session, records, lambda rows: self._post(self.path, {**body, **rows})
            )
        )

    @Listing
    def records(
        self,
        id: str,
        *,
        search: str | None = None,
        extra: Mapping[str, Any] | None = None,
        page_size: int = 500,
    ) -> Values[StoredRecord]:
        """The examples in their order.

        With `search` those that hold the text, with `extra` those with these values in `extra`, such as
        {"source": "web"}.
        """
        yield from stored_records(self.session, f"{self.path}/{segment(id)}", search, extra, page_size)

    @Verb
    def delete(self, id: str) -> Steps[None]:
        """Delete it; ConflictError while a job that has not ended needs it."""
        yield from self._delete(f"{self.path}/{segment(id)}", bool)


class Pools(Nouns[Pool[Mode], Mode]):
    """Sets of candidates that grow by batches."""

    path, model = "/v1/pools", Pool

    @Verb
    def create(self, *, name: str | None = None, metadata: dict[str, str] | None = None) -> Steps[Pool[Mode]]:
        """Make an empty pool."""
        return (yield from self._post(self.path, {"name": name, "metadata": metadata}))

    @Verb
    def add(
        self,
        pool_id: str,
        records: Records,
        *,
        on_invalid: str = "reject_batch",
        format: str | None = None,
        columns: Mapping[str, str] | None = None,
        upload_id: str | None = None,
        part_bytes: int = PART_BYTES,
        progress: bool | Callable[[int], None] = False,
    ) -> Steps[Upload]:
        """Append candidates: a path, a file, a DataFrame, a Table, a Dataset, or an iterable of records.

        The input is sent in parts of at most `part_bytes`, one in memory at a time; every part is one batch
        that the service stores wholly or not at all, and once, however often it has to be sent. A service
        that goes away is waited for, up to two minutes. To go on after this process was killed, call again
        with the same input and `part_bytes` and the same `upload_id`, a name of yours: what has arrived is
        not sent again.
        With on_invalid="reject_batch" the first part with a bad line raises InvalidRequestError (earlier
        parts stay); with "skip" bad lines are counted and listed. A file that is no JSON Lines (Parquet,
        Arrow, CSV, a JSON list, packed) is sent as an upload and added as one batch. `format` and `columns`
        as of Targets.create. `progress` is called with the number of records sent so far; True
        draws a line on stderr.
        """
        return (
            yield from send_all(
                self.session,
                pool_id,
                records,
                on_invalid=on_invalid,
                layout=Layout(format, columns or {}),
                upload_id=upload_id,
                part_bytes=part_bytes,
                progress=progress,
            )
        )

    @Listing
    def records(
        self,
        id: str,
        *,
        search: str | None = None,
        extra: Mapping[str, Any] | None = None,
        page_size: int = 500,
    ) -> Values[StoredRecord]:
        """What the pool holds, in the order of its batches; `search` and `extra` as of Targets.records."""
        yield from stored_records(self.session, f"{self.path}/{segment(id)}", search, extra, page_size)

    @Verb
    def delete(self, id: str) -> Steps[None]:
        """Delete it; ConflictError while a job that has not ended, or a loop, needs it."""
        yield from self._delete(f"{self.path}/{segment(id)}", bool)


def stored_records(
    session: Any, path: str, search: str | None, extra: Mapping[str, Any] | None, page_size: int
) -> Values[StoredRecord]:
    """The records below a pool or a target; a search may give pages without any before the last one."""
    after: int | None = 0
    while after is not None:
        asked = {"after": after, "limit": page_size, "search": search, **extra_query(extra)}
        page = yield from session.send(get(f"{path}/records", dict, **asked))
        for value in page["data"]:
            yield Emit(StoredRecord.model_validate(value))
        after = page["next_after"]


class Models(Nouns[Model, Mode]):
    """Base models that may be used, and trained adapters."""

    path, model = "/v1/models", Model

    @Verb
    def content(self, id: str, *, file: str | None = None) -> Steps[bytes]:
        """A file of an adapter, by default its weights as safetensors."""
        call = Call(
            "GET", f"{self.path}/{segment(id)}/content", bytes, {"file": file} if file else {}, accept=BYTES
        )
        return (yield from self.session.send(call))

    @Verb
    def save(self, id: str, folder: str | Path) -> Steps[Path]:
        """Write an adapter's files into a folder, which is made, as PEFT reads them; returns the folder.

        Files that are there already with the right content are not fetched again, others are replaced. Raises
        DamagedDownloadError where what came is not what the service named, EvoSelectError for a base model.
        """
        model = yield from self._get(f"{self.path}/{segment(id)}")
        if not model.files:
            raise EvoSelectError(f"{id} is a base model: only adapters that a training made can be saved")
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name, file in model.files.items():
            path = folder / Path(name).name
            if path.is_file() and _sha256(path.read_bytes()) == file.sha256:
                continue
            call = Call("GET", f"{self.path}/{segment(id)}/content", bytes, {"file": name}, accept=BYTES)
            content = yield from self.session.send(call)
            if _sha256(content) != file.sha256:
                raise DamagedDownloadError(f"{name} of {id} came damaged ({len(content)} bytes): call again")
            part = path.with_name(f".{path.name}.part")
            part.write_bytes(content)
            part.replace(path)
        return folder

    @Verb
    def delete(self, id: str) -> Steps[None]:
        """Delete an adapter; ConflictError while a job that has not ended, or another model, needs it."""
        yield from self._delete(f"{self.path}/{segment(id)}", bool)

    @Verb
    def lineage(self, id: str, *, after: int = 0, limit: int = 1000) -> Steps[dict[str, Any]]:
        """The trainings that led to an adapter and, after the first `after`, the records that they learnt."""
        call = get(f"{self.path}/{segment(id)}/lineage", dict, after=after, limit=limit)
        found: dict[str, Any] = yield from self.session.send(call)
        return found


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
