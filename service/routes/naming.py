"""What requests name or bring along: models by name, records that become targets and pools."""

from sqlalchemy.orm import Session

from service.state import State
from store import adapters, pools, targets
from store.errors import Invalid, NotFound
from store.records import Record, to_table


def known_model(session: Session, state: State, tenant_id: str, name: str, pointer: str) -> str:
    """The name, when it is an alias of the allow-list or the tenant's own adapter; raises Invalid."""
    if name in state.models:
        return name
    try:
        return adapters.get(session, tenant_id, name).id
    except NotFound:
        known = ", ".join(sorted(state.models))
        detail = f"There is no model {name!r:.80}: use {known}, or the id of a model that you trained."
        raise Invalid(detail, code="unknown_model", pointer=pointer) from None


def stored_target(session: Session, state: State, tenant_id: str, records: list[Record] | None) -> str:
    """The id of a new target that holds the records."""
    return targets.create(session, state.artifacts, tenant_id, records or []).id


def stored_pool(session: Session, state: State, tenant_id: str, records: list[Record] | None) -> str:
    """The id of a new pool with the records as its one batch."""
    rows = records or []
    pool = pools.create(session, tenant_id)
    artifact = state.artifacts.put_table(f"{tenant_id}/pools", to_table(rows))
    distinct = len({record.content_hash for record in rows})
    counts = pools.Counts(len(rows), len(rows), 0, len(rows) - distinct)
    pools.append(session, tenant_id, pool.id, artifact, counts)
    return pool.id
