"""What is old goes: ended jobs with their shards and events, and files that no row names."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from sqlalchemy import String, func, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from store.artifacts import Artifacts
from store.jobs.removal import remove_rows
from store.kit.strings import strings_of
from store.session import Database
from store.tables.every import METADATA
from store.tables.jobs import Job
from store.tables.states import TERMINAL

logger = logging.getLogger(__name__)
LIMIT = 1000  # jobs deleted per round
STREAM_ROWS = 1000


def purge(database: Database, retention_seconds: float) -> int:
    """Delete jobs that ended more than `retention_seconds` ago; returns how many.

    A job that other rows need, such as the training of a model, stays.
    """
    ends = [getattr(Job, f"{status}_at") for status in sorted(TERMINAL)]
    old = func.coalesce(*ends) < func.clock_timestamp() - timedelta(seconds=retention_seconds)
    with database.transaction() as session:
        found = session.scalars(select(Job.id).where(Job.status.in_(TERMINAL), old).limit(LIMIT)).all()
    return sum(_delete(database, job_id) for job_id in found)


def _delete(database: Database, job_id: str) -> bool:
    try:
        with database.transaction() as session:
            remove_rows(session, job_id)
    except IntegrityError:
        return False
    return True


def orphans(database: Database, artifacts: Artifacts, age_seconds: float) -> list[str]:
    """Paths of files that no row names and that are older than `age_seconds`.

    The files are listed before the rows are read: a file that gets its row meanwhile is never in the answer.
    A file that is written again, such as one that a new job shares with a deleted one, is young again.
    """
    before = datetime.now(UTC) - timedelta(seconds=age_seconds)
    old = [path for path, changed in artifacts.listing() if changed < before]
    if not old:
        return []
    with database.transaction() as session:
        named = set(_named(session))
    return [path for path in old if path not in named]


def remove_orphans(database: Database, artifacts: Artifacts, age_seconds: float) -> int:
    """Delete what `orphans` finds; returns how many files that were."""
    before = datetime.now(UTC) - timedelta(seconds=age_seconds)
    removed = sum(artifacts.remove_older(path, before) for path in orphans(database, artifacts, age_seconds))
    if removed:
        logger.info("removed %d files that no row names", removed)
    return removed


def _named(session: Session) -> Iterator[str]:
    """Every string of every row that may be a path: columns called artifact, and all JSON."""
    for table in METADATA.sorted_tables:
        wanted = [
            column
            for column in table.columns
            if isinstance(column.type, JSONB)
            or (isinstance(column.type, String) and column.name == "artifact")
        ]
        if wanted:
            rows = session.execute(select(*wanted).execution_options(yield_per=STREAM_ROWS))
            for row in rows:
                yield from strings_of(list(row))
