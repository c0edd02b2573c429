"""How candidates get into a pool: parts that are sent until they have arrived, each of them once."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

from evoselect_client.core.calls import NDJSON, OUTAGE_SECONDS, Call, get, post, segment
from evoselect_client.core.resource import Sent
from evoselect_client.core.steps import Steps, Work
from evoselect_client.core.watch.progress import Count, counter
from evoselect_client.data.layouts import Layout
from evoselect_client.data.saving import sha256_of
from evoselect_client.data.sources import (
    Part,
    Records,
    as_list,
    fetched,
    is_file,
    is_url,
    is_whole,
    no_rows,
    parts,
)
from evoselect_client.errors import ApiError
from evoselect_client.resources.files import with_file
from evoselect_client.resources.records import Batch, BatchError, Counts, Upload

T = TypeVar("T")
KNOWN_PAGE = 1000


def send_all(
    session: Any,
    pool_id: str,
    records: Records,
    *,
    on_invalid: str,
    layout: Layout,
    upload_id: str | None,
    part_bytes: int,
    progress: bool | Callable[[int], None],
) -> Steps[Upload]:
    """See Pools.add."""
    if is_url(records):

        def send(path: str) -> Steps[Upload]:
            return send_all(
                session,
                pool_id,
                path,
                on_invalid=on_invalid,
                layout=layout,
                upload_id=upload_id,
                part_bytes=part_bytes,
                progress=progress,
            )

        return (yield from _with_copy(str(records), send))
    show = counter(progress, "records")
    if is_whole(records):
        return (
            yield from _send_whole(
                session,
                pool_id,
                Path(os.fspath(cast(Any, records))),
                on_invalid=on_invalid,
                layout=layout,
                upload_id=upload_id,
                show=show,
            )
        )
    known = {} if upload_id is None else (yield from _known(session, pool_id))
    upload_id = upload_id or uuid.uuid4().hex
    upload = Upload(pool_id=pool_id, version=None, batch_ids=[], counts=Counts(), errors=[])
    source = parts(records, part_bytes)
    while (part := (yield Work(partial(next, source, None)))) is not None:
        digest = layout.mark((yield Work(part.sha256)))
        name = f"{upload_id}-{len(upload.batch_ids)}-{digest[:16]}"
        batch = known.get(name) or (
            yield from _send_part(session, pool_id, part, name=name, on_invalid=on_invalid, layout=layout)
        )
        upload = _joined(upload, batch, part.first_line)
        show(part.first_line + part.lines - 1)
        del part  # before the next one is read
    show(None)
    if not upload.batch_ids and is_file(records):
        raise no_rows(records)
    return upload


def with_records(
    session: Any, records: Records | None, use: Callable[[dict[str, Any]], Steps[T]]
) -> Steps[T]:
    """What `use` makes of the member of a body that holds records: inline, or a file that is uploaded."""
    if records is None:
        return (yield from use({}))
    if is_url(records):
        return (yield from _with_copy(str(records), lambda path: with_records(session, path, use)))
    if not is_whole(records):
        return (yield from use({"records": as_list(records)}))
    path = Path(os.fspath(cast(Any, records)))
    return (yield from with_file(session, path, lambda file_id: use({"file_id": file_id})))


def _with_copy(url: str, use: Callable[[str], Steps[T]]) -> Steps[T]:
    """What `use` makes of a local copy of a URL's file."""
    with tempfile.TemporaryDirectory(prefix="evoselect-") as folder:
        path = yield Work(partial(fetched, url, folder))
        return (yield from use(path))


def _known(session: Any, pool_id: str) -> Steps[dict[str, Batch]]:
    """What the pool holds already, by the name under which it was sent."""
    found: dict[str, Batch] = {}
    after = 0
    while True:
        path = f"/v1/pools/{segment(pool_id)}/batches"
        page = yield from session.send(get(path, Sent[Batch].model_validate, after=after, limit=KNOWN_PAGE))
        found |= {batch.client_batch_id: batch for batch in page.data}
        if not page.has_more:
            return found
        after = page.data[-1].version


def _send_part(
    session: Any, pool_id: str, part: Part, *, name: str, on_invalid: str, layout: Layout
) -> Steps[Batch]:
    call = Call(
        "POST",
        f"/v1/pools/{segment(pool_id)}/batches",
        Batch.model_validate,
        params={"client_batch_id": name, "on_invalid": on_invalid, **layout.query()},
        content=part.content,
        headers={"Content-Type": NDJSON},
        outage_seconds=OUTAGE_SECONDS,
    )
    try:
        batch: Batch = yield from session.send(call)
    except ApiError as error:
        for fault in error.errors:  # lines of a part become lines of the whole input
            if fault.get("line"):
                fault["line"] += part.first_line - 1
        raise
    return batch


def _send_whole(
    session: Any,
    pool_id: str,
    path: Path,
    *,
    on_invalid: str,
    layout: Layout,
    upload_id: str | None,
    show: Count,
) -> Steps[Upload]:
    name = None
    if upload_id is not None:
        name = f"{upload_id}-{layout.mark((yield Work(partial(sha256_of, path))))[:16]}"

    def add(file_id: str) -> Steps[Batch]:
        body = {
            "file_id": file_id,
            "client_batch_id": name,
            "on_invalid": on_invalid,
            **layout.body(),
        }
        call = post(f"/v1/pools/{segment(pool_id)}/batches", Batch.model_validate, body)
        return (yield from session.send(call))  # type: ignore[no-any-return]

    batch = yield from with_file(session, path, add)
    show(batch.counts.received)
    show(None)
    empty = Upload(pool_id=pool_id, version=None, batch_ids=[], counts=Counts(), errors=[])
    return _joined(empty, batch, 1)


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
        reasons=dict(Counter(upload.reasons) + Counter(batch.reasons)),
        errors=[*upload.errors, *moved],
        recognised=upload.recognised + batch.recognised,
    )
