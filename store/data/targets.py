"""Targets: immutable sets of target-task examples. The same examples are stored once."""

import hashlib
import random
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from store.accounts import quotas
from store.accounts.quotas import StorageQuota
from store.artifacts import Artifacts, as_parquet
from store.data.pools import ORIGINAL
from store.errors import Invalid
from store.kit.ids import new_id
from store.records.record import Record, to_table
from store.tables import owned, uses
from store.tables.data import Target
from store.tables.owned import Window

Examples = tuple[list[Record], list[str | None]]
"""Records, and the JSON of the rows that they came as, None where the record says all of it."""


def kept(
    session: Session,
    artifacts: Artifacts,
    tenant_id: str,
    examples: Examples,
    *,
    quota: StorageQuota,
    apart: Examples | None = None,
    name: str | None = None,
    user_metadata: Mapping[str, str] | None = None,
    recognised: Mapping[str, object] | None = None,
) -> tuple[Target, bool]:
    """The target with these examples, and whether it is new; `apart` are kept in a target of their own.

    One with the same examples is found again unless it has another name or other metadata than asked for.
    Raises Invalid without any example, or OverQuota.
    """
    own, held = _encoded(examples), _encoded(apart) if apart else None
    sha256 = hashlib.sha256(own).hexdigest()
    held_sha256 = hashlib.sha256(held).hexdigest() if held else None
    if found := _find(
        session, tenant_id, sha256=sha256, held_sha256=held_sha256, name=name, user_metadata=user_metadata
    ):
        return found, False
    labels = {
        "name": name,
        "user_metadata": dict(user_metadata or {}),
        "recognised": dict(recognised or {}),
    }
    if apart and held:
        labels["held_out_target_id"] = _stored(
            session, artifacts, tenant_id, records=apart[0], data=held, quota=quota
        ).id
    return _stored(session, artifacts, tenant_id, records=examples[0], data=own, quota=quota, **labels), True


def _encoded(examples: Examples) -> bytes:
    records, originals = examples
    return as_parquet(to_table(records).append_column(ORIGINAL, pa.array(originals, pa.string())))


def _find(
    session: Session,
    tenant_id: str,
    *,
    sha256: str,
    held_sha256: str | None,
    name: str | None,
    user_metadata: Mapping[str, str] | None,
) -> Target | None:
    """The oldest such target, which nobody deletes until the transaction ends.

    Who looks for the same content at the same time waits until this transaction has stored it.
    """
    lock = func.hashtextextended(f"target {tenant_id} {sha256}", 0)
    session.execute(select(func.pg_advisory_xact_lock(lock)))
    same = select(Target).where(Target.tenant_id == tenant_id, Target.sha256 == sha256).order_by(Target.id)
    for target in session.scalars(same.with_for_update(read=True, key_share=True)):
        held = session.get(Target, target.held_out_target_id) if target.held_out_target_id else None
        split = target.held_out_target_id is not None
        if split != (held_sha256 is not None) or (split and (held is None or held.sha256 != held_sha256)):
            continue
        if name in (None, target.name) and user_metadata in (None, {}, target.user_metadata):
            return target
    return None


def _stored(
    session: Session,
    artifacts: Artifacts,
    tenant_id: str,
    *,
    records: list[Record],
    data: bytes,
    quota: StorageQuota,
    **columns: Any,
) -> Target:
    if not records:
        raise Invalid(
            "a target needs at least 1 record, got 0: send the examples of your task", code="no_records"
        )
    quotas.take(session, tenant_id, quota, records=len(records))
    stored = artifacts.put_bytes(f"{tenant_id}/targets", data, ".parquet")
    quotas.take(session, tenant_id, quota, size=stored.size)
    target = Target(
        id=new_id("tgt"),
        tenant_id=tenant_id,
        count=len(records),
        groups=dict(sorted(Counter(record.group for record in records if record.group).items())),
        size=stored.size,
        artifact=stored.path,
        sha256=stored.sha256,
        **columns,
    )
    session.add(target)
    session.flush()
    session.refresh(target)
    return target


def remove(session: Session, tenant_id: str, target_id: str) -> None:
    """Delete the row; its file is swept. Raises NotFound, or Conflict while an open job needs the target."""
    session.delete(uses.take(session, "target", tenant_id, target_id))


def split(records: list[Record], ratio: float, seed: int) -> tuple[list[int], list[int]]:
    """(examples, held out) as numbers of records; about `ratio` of every group's contents are held out.

    Equal contents stay on one side, so that nothing held out is seen. Raises Invalid when a side is empty.
    """
    groups: dict[str | None, list[str]] = defaultdict(list)
    for content, record in {record.content_hash: record for record in reversed(records)}.items():
        groups[record.group].append(content)
    draw = random.Random(seed)
    held: set[str] = set()
    for group in sorted(groups, key=lambda name: name or ""):
        contents = sorted(groups[group])
        held.update(draw.sample(contents, round(ratio * len(contents))))
    sides = (
        [number for number, record in enumerate(records) if record.content_hash not in held],
        [number for number, record in enumerate(records) if record.content_hash in held],
    )
    if not all(sides):
        raise Invalid(
            f"held_out.ratio {ratio} leaves {len(sides[0])} examples and {len(sides[1])} held out of "
            f"{len(records)}, of which equal ones stay together: both need at least 1, so send more "
            "examples, or hold none out",
            code="nothing_held_out",
            pointer="/held_out/ratio",
        )
    return sides


def get(session: Session, tenant_id: str, target_id: str) -> Target:
    """The tenant's target; raises NotFound."""
    return owned.get(session, Target, tenant_id, target_id, noun="target")


def listing(session: Session, tenant_id: str, *, window: Window) -> list[Target]:
    """Newest first unless the window says else, at most limit + 1 rows."""
    return owned.listed(session, Target, tenant_id, window=window)
