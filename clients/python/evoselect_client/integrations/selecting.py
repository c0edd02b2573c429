"""From records to a completed selection: what every pipeline does between its own first and last line."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evoselect_client.client import Client
from evoselect_client.data.saving import sha256_of
from evoselect_client.data.sources import Records, fetched, is_file, is_url, parts
from evoselect_client.errors import ApiError, BadInputError
from evoselect_client.models import Pool, Selection, Upload

CONTENT = "content_sha256"
"""Metadata of the pools made here: what they were filled with."""
NO_RESULT = frozenset(("failed", "cancelled", "expired"))


def select(
    client: Client,
    target: Records | str,
    candidates: Records | str,
    *,
    identity: str | None = None,
    timeout: float | None = None,
    **options: Any,
) -> Selection:
    """Send both, start a selection and wait for it; either may be the id of one that is stored.

    `identity` and `options` as of `start`. Raises JobFailedError and WaitTimeoutError.
    """
    return start(client, target, candidates, identity=identity, **options).wait(timeout=timeout)


def start(
    client: Client,
    target: Records | str,
    candidates: Records | str,
    *,
    identity: str | None = None,
    **options: Any,
) -> Selection:
    """As `select`, without waiting. Data that the service has already are not sent again.

    `identity` names the task that asks: with the same one, the same data and the same `options` (those of
    `client.selections.create`) the same job is found, for a day at least. One that ended without a result is
    begun anew.
    """
    target_id = target if is_id(target, "tgt_") else client.targets.create(target).id
    request: dict[str, Any] = {"target_id": target_id, **options}
    if is_id(candidates, "pool_"):
        request["pool_id"] = candidates
    else:
        pool, upload = stored(client, candidates, name=options.get("name"))
        request |= {"pool_id": pool.id, "pool_version": upload.version}
    return _once(client, identity, request)


def _once(client: Client, identity: str | None, request: dict[str, Any]) -> Selection:
    """The job of this identity and request: the last of those that followed one that had no result."""
    if identity is None:
        return client.selections.create(**request)
    key = _digest(identity, request)
    while True:
        job = client.with_options(idempotency_key=key).selections.create(**request)
        if job.status not in NO_RESULT:
            return job
        key = _digest(key, job.id)


def stored(client: Client, candidates: Records, *, name: str | None = None) -> tuple[Pool, Upload]:
    """The pool that holds these candidates, and the version that does: an earlier one, or a new one.

    An upload that was cut off goes on. What can be read once only, as a generator, becomes a new pool.
    """
    if is_url(candidates):
        with tempfile.TemporaryDirectory(prefix="evoselect-") as folder:
            return stored(client, fetched(str(candidates), folder), name=name)
    digest = _content(candidates)
    if digest is None:
        return pool_of(client, candidates, name=name)
    known = next(client.pools.list(metadata={CONTENT: digest}, page_size=1), None)
    if known is not None:
        return known, known.add(candidates, upload_id=digest)
    return pool_of(client, candidates, name=name, metadata={CONTENT: digest}, upload_id=digest)


def pool_of(
    client: Client,
    candidates: Records,
    *,
    name: str | None = None,
    metadata: dict[str, str] | None = None,
    **reading: Any,
) -> tuple[Pool, Upload]:
    """A new pool with these candidates, and what became of them; `reading` is that of `client.pools.add`.

    Where not one was stored no empty pool is left behind, and the error goes on.
    """
    pool = client.pools.create(name=name, metadata=metadata)
    try:
        return pool, pool.add(candidates, **reading)
    except (ApiError, BadInputError):
        if client.pools.retrieve(pool.id).count == 0:
            client.pools.delete(pool.id)
        raise


def is_id(value: Any, prefix: str) -> bool:
    """Whether this names a stored target or pool, rather than a file."""
    return isinstance(value, str) and value.startswith(prefix) and not os.path.exists(value)


def summary(selection: Selection) -> dict[str, float]:
    """The numbers of a result, nested ones with dotted names: what trackers and catalogues take."""
    found: dict[str, float] = {}

    def add(prefix: str, value: Any) -> None:
        if isinstance(value, dict):
            for name, inner in value.items():
                add(f"{prefix}.{name}" if prefix else str(name), inner)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            found[prefix] = float(value)

    add("", selection.output())
    return found


def _content(candidates: Any) -> str | None:
    """The hash of a file's bytes, or of rows as lines; None for what is gone once it was read."""
    if isinstance(candidates, Iterator) or hasattr(candidates, "read"):
        return None
    if is_file(candidates):
        return sha256_of(Path(candidates))
    digest = hashlib.sha256()
    for part in parts(candidates):
        for piece in part.content:
            digest.update(piece)
    return digest.hexdigest()


def _digest(*values: Any) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
