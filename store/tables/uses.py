"""Which jobs need a row: what an open one names cannot be deleted, and what is deleted cannot be named."""

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Text, cast, select
from sqlalchemy.orm import Session

from store.errors import Conflict, NotFound
from store.kit.strings import strings_of
from store.tables.data import Model, Pool, Target
from store.tables.jobs import Job
from store.tables.states import TERMINAL

HELD: dict[str, tuple[str, type[Target | Pool | Model | Job]]] = {
    "tgt": ("target", Target),
    "pool": ("pool", Pool),
    "mdl": ("model", Model),
    "sel": ("selection", Job),
    "trn": ("training", Job),
    "evl": ("evaluation", Job),
    "loop": ("loop", Job),
    "cmp": ("comparison", Job),
    "idx": ("indexing", Job),
}
"""Prefixes of ids to what messages call the row, and its table."""
ID = re.compile(rf"({'|'.join(HELD)})_[0-9a-z]{{26}}")


def hold(session: Session, tenant_id: str, request: Mapping[str, object]) -> None:
    """Keep everything that the request names until the transaction ends.

    Raises NotFound for one that is gone or another tenant's.
    """
    for row_id in sorted({text for text in strings_of(request) if ID.fullmatch(text)}):
        noun, table = HELD[row_id.partition("_")[0]]
        query = select(table.id).where(table.id == row_id, table.tenant_id == tenant_id)
        if session.scalar(query.with_for_update(read=True, key_share=True)) is None:
            raise NotFound(noun, row_id)


def take(session: Session, noun: str, tenant_id: str, row_id: str) -> Any:
    """The row, locked to be deleted; raises NotFound, or Conflict while an open job names it."""
    found, table = HELD.get(row_id.partition("_")[0], ("", Target))
    if found != noun:
        raise NotFound(noun, row_id)
    query = select(table).where(table.id == row_id, table.tenant_id == tenant_id).with_for_update()
    row = session.scalar(query)
    if row is None:
        raise NotFound(noun, row_id)
    names = cast(Job.request, Text).contains(row_id, autoescape=True)
    waiting = select(Job).where(Job.tenant_id == tenant_id, Job.status.not_in(TERMINAL), names)
    if job := session.scalar(waiting.limit(1)):
        raise Conflict(
            f"{job.kind} {job.id} needs {noun} {row_id}: wait until it has ended, or cancel it",
            code=f"{noun}_in_use",
        )
    return row
