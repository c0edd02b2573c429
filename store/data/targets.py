"""Targets: immutable sets of target-task examples."""

import random
from collections import Counter, defaultdict

from sqlalchemy.orm import Session

from store.accounts import quotas
from store.accounts.quotas import Room
from store.artifacts import Artifacts
from store.errors import Invalid
from store.kit.ids import new_id
from store.records.record import Record, to_table
from store.tables import owned, uses
from store.tables.base import Json
from store.tables.data import Target


def create(
    session: Session,
    artifacts: Artifacts,
    tenant_id: str,
    records: list[Record],
    *,
    room: Room,
    name: str | None = None,
    user_metadata: Json | None = None,
    held_out_target_id: str | None = None,
    recognised: Json | None = None,
) -> Target:
    """Store the records as one artifact and the target's row; raises Invalid without any, or OverQuota."""
    if not records:
        raise Invalid(
            "a target needs at least 1 record, got 0: send the examples of your task", code="no_records"
        )
    quotas.take(session, tenant_id, room, records=len(records))
    stored = artifacts.put_table(f"{tenant_id}/targets", to_table(records))
    quotas.take(session, tenant_id, room, size=stored.size)
    target = Target(
        id=new_id("tgt"),
        tenant_id=tenant_id,
        name=name,
        count=len(records),
        groups=dict(sorted(Counter(record.group for record in records if record.group).items())),
        held_out_target_id=held_out_target_id,
        recognised=recognised or {},
        size=stored.size,
        artifact=stored.path,
        sha256=stored.sha256,
        user_metadata=user_metadata or {},
    )
    session.add(target)
    session.flush()
    session.refresh(target)
    return target


def remove(session: Session, tenant_id: str, target_id: str) -> None:
    """Delete the row; its file is swept. Raises NotFound, or Conflict while an open job needs the target."""
    session.delete(uses.take(session, "target", tenant_id, target_id))


def split(records: list[Record], ratio: float, seed: int) -> tuple[list[Record], list[Record]]:
    """(examples, held out) in their order; about `ratio` of every group's contents are held out.

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
        [record for record in records if record.content_hash not in held],
        [record for record in records if record.content_hash in held],
    )
    if not all(sides):
        raise Invalid(
            f"held_out.ratio {ratio} leaves {len(sides[0])} examples and {len(sides[1])} held out of "
            f"{len(records)}: both need at least 1",
            code="nothing_held_out",
            pointer="/held_out/ratio",
        )
    return sides


def get(session: Session, tenant_id: str, target_id: str) -> Target:
    """The tenant's target; raises NotFound."""
    return owned.get(session, Target, "target", tenant_id, target_id)


def listing(session: Session, tenant_id: str, *, after: str | None, limit: int) -> list[Target]:
    """Newest first, at most limit + 1 rows."""
    return owned.newest_first(session, Target, tenant_id, after=after, limit=limit)
