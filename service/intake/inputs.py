"""Records that requests bring along: they become targets and pools."""

from typing import Any

from sqlalchemy.orm import Session

from service.edge.quotas import require_disk
from service.intake import batches
from service.intake.inline import Rows, parse_all
from service.intake.stored_files import prompts_of, read_records
from service.intake.writer import BatchWriter
from service.services import State
from store.accounts.quotas import StorageQuota
from store.data import pools, targets
from store.data.content_runs import Known
from store.records.layout import Layout


def given_records(
    state: State, tenant_id: str, *, inline: list[Any] | None, file_id: str | None, layout: Layout
) -> Rows:
    """Records of a body's /records or of the file that it names, none where it has neither."""
    if inline is not None:
        with prompts_of(state, tenant_id, layout) as prompts:
            return parse_all(inline, "/records", state.settings.max_inline_records, layout, prompts=prompts)
    if file_id is not None:
        return read_records(state, tenant_id, file_id, limit=state.settings.max_target_records, layout=layout)
    return Rows()


def stored_target(session: Session, state: State, tenant_id: str, rows: Rows) -> str:
    """The id of a target that holds the records, a new one where none does."""
    require_disk(state)
    target, _ = targets.kept(
        session,
        state.artifacts,
        tenant_id,
        (rows.records, rows.originals),
        quota=StorageQuota.of(state.settings),
    )
    return target.id


def stored_pool(session: Session, state: State, tenant_id: str, rows: Rows) -> str:
    """The id of a new pool with the records as its one batch."""
    require_disk(state)
    pool = pools.create(session, tenant_id)
    with BatchWriter(state.settings, "reject_batch", Known()) as writer:
        writer.add_records(rows.records, rows.originals)
        writer.finish()
        batches.commit(session, state, tenant_id, pool.id, writer=writer)
    return pool.id
