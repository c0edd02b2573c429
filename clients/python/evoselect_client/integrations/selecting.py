"""From records to a completed selection: what every pipeline does between its own first and last line."""

from __future__ import annotations

from typing import Any

from evoselect_client.client import Client
from evoselect_client.data.sources import Records
from evoselect_client.errors import ApiError, BadInputError
from evoselect_client.models import Pool, Selection, Upload


def select(
    client: Client,
    target: Records | str,
    candidates: Records,
    *,
    k: int | None = None,
    ratio: float | None = None,
    timeout: float | None = None,
    **options: Any,
) -> Selection:
    """Send both, start a selection and wait for it; `target` may be the id of one that is stored.

    `options` are those of `client.selections.create`. Raises JobFailedError and WaitTimeoutError.
    """
    selection = start(client, target, candidates, k=k, ratio=ratio, **options)
    return selection.wait(timeout=timeout)


def start(client: Client, target: Records | str, candidates: Records, **options: Any) -> Selection:
    """As `select`, without waiting."""
    stored = isinstance(target, str) and target.startswith("tgt_")
    target_id = str(target) if stored else client.targets.create(target).id
    pool, _ = pool_of(client, candidates, name=options.get("name"))
    return client.selections.create(target_id=target_id, pool_id=pool.id, **options)


def pool_of(
    client: Client, candidates: Records, *, name: str | None = None, **reading: Any
) -> tuple[Pool, Upload]:
    """A new pool with these candidates, and what became of them; `reading` is that of `client.pools.add`.

    Where not one was stored no empty pool is left behind, and the error goes on.
    """
    pool = client.pools.create(name=name)
    try:
        return pool, pool.add(candidates, **reading)
    except (ApiError, BadInputError):
        if client.pools.retrieve(pool.id).count == 0:
            client.pools.delete(pool.id)
        raise


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
