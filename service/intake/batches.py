"""A finished BatchWriter becomes the next version of its pool; the pool's index of contents grows by it."""

from collections.abc import Iterable, Sequence

from sqlalchemy import event
from sqlalchemy.orm import Session

from service.edge.quotas import size_of
from service.http.media import NDJSON
from service.intake.writer import BatchWriter
from service.services import State
from store.accounts import quotas
from store.accounts.quotas import StorageQuota
from store.artifacts import StoredFile
from store.data import content_runs as pool_keys
from store.data import files, pools
from store.data.content_runs import Index, Known, Run, StoredRun
from store.data.incoming import put
from store.data.pools import Faults
from store.errors import Conflict
from store.kit.ids import new_id
from store.records.table_rows import digest_of
from store.tables.data import Batch, Pool

TRIES = 5  # to open an index that a batch at the same time replaces


def commit(
    session: Session,
    state: State,
    tenant_id: str,
    pool_id: str,
    *,
    writer: BatchWriter,
    client_batch_id: str | None = None,
) -> Batch:
    """Store the files and the rows; the same client_batch_id returns the first batch.

    The pool is locked, so that what another batch stored meanwhile is not stored again.
    """
    pool = pools.lock(session, tenant_id, pool_id)
    if client_batch_id and (earlier := pools.find_batch(session, pool_id, client_batch_id)):
        return earlier
    seen = writer.kept.known
    if seen is None or pool.version != seen.version:
        writer.kept.drop_known(_load(state, pool))
    quota, records = StorageQuota.of(state.settings), writer.counts().stored
    size = pools.batch_size(writer.kept.stored_file.size, records)
    size += size_of(writer.rows.file) if writer.rows else 0
    quotas.require(session, tenant_id, quota, records=records, size=size)  # before its bytes are stored
    stored = put(state.artifacts, f"{tenant_id}/pools", writer.kept.stored_file, ".parquet")
    batch_id = new_id("bat")
    return pools.append(
        session,
        pool,
        batch_id,
        stored,
        counts=writer.counts(),
        quota=quota,
        client_batch_id=client_batch_id,
        faults=_faults(session, state, tenant_id, batch_id, writer=writer),
        repeated=_repeated(state, tenant_id, writer),
        source=_source(state, tenant_id, writer),
        recognised=writer.recognised.as_json(),
        keys=_grown(session, state, pool, writer.kept.keys()),
    )


def known(state: State, tenant_id: str, pool_id: str, earlier: Sequence[str] = ()) -> Known:
    """What the pool holds at this moment, and what the earlier pools do; raises NotFound."""
    others = [run for other in earlier for run in known(state, tenant_id, other).runs]
    for _ in range(TRIES):
        with state.database.transaction() as session:
            pool = pools.get(session, tenant_id, pool_id)
        try:
            return Known(pool.version, [*_load(state, pool), *others])
        except FileNotFoundError:  # merged away since the row was read
            continue
    raise Conflict(f"pool {pool_id} grows too fast to be read: send the batch again", code="pool_busy")


def _load(state: State, pool: Pool) -> list[Run]:
    runs = Index.model_validate(pool.keys).runs
    return [pool_keys.from_buffer(state.artifacts.numbers(run.path)) for run in runs]


def _faults(session: Session, state: State, tenant_id: str, batch_id: str, *, writer: BatchWriter) -> Faults:
    if not writer.faults:
        return Faults()
    place = files.fresh_place(tenant_id)
    lines = state.artifacts.put_stream(place.folder, writer.error_lines, ".jsonl")
    name = f"{batch_id}-errors.jsonl"
    quota = StorageQuota.of(state.settings)
    file = files.create(session, tenant_id, place, lines, quota=quota, name=name, media_type=NDJSON)
    return Faults(lines=writer.faults, file_id=file.id, reasons=dict(writer.reasons))


def _repeated(state: State, tenant_id: str, writer: BatchWriter) -> StoredFile | None:
    if not writer.kept.repeated.rows:
        return None
    stored = put(state.artifacts, f"{tenant_id}/repeated", writer.kept.repeated_file, ".parquet")
    return stored.reference(rows=writer.kept.repeated.rows, size=stored.size)


def _source(state: State, tenant_id: str, writer: BatchWriter) -> dict[str, str | int] | None:
    if writer.rows is None:
        return None
    stored = state.artifacts.put_stream(f"{tenant_id}/rows", writer.rows.file, ".arrow")
    return {**stored.reference(size=stored.size).stored(), "schema": digest_of(writer.rows.schema)}


def _grown(session: Session, state: State, pool: Pool, added: Iterable[Run]) -> Index:
    """The index with further runs; smaller ones are merged into them and then deleted."""
    runs = list(Index.model_validate(pool.keys).runs)
    for run in added:
        runs = _with_run(session, state, pool, runs=runs, run=run)
    return Index(runs=tuple(runs))


def _with_run(
    session: Session, state: State, pool: Pool, *, runs: list[StoredRun], run: Run
) -> list[StoredRun]:
    while runs and pool_keys.mergeable(runs[-1].rows, len(run.low)):
        *runs, replaced = runs
        run = pool_keys.merged(pool_keys.from_buffer(state.artifacts.numbers(replaced.path)), run)
        _after_commit(session, state, replaced.path)
    stored = state.artifacts.put_bytes(f"{pool.tenant_id}/pool_keys/{pool.id}", run.to_bytes(), ".keys")
    return [*runs, StoredRun(path=stored.path, rows=len(run.low))]


def _after_commit(session: Session, state: State, path: str) -> None:
    event.listen(session, "after_commit", lambda _: state.artifacts.remove(path), once=True)
