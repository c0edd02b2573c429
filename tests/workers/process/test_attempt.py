"""What becomes of a shard whose result cannot be written: the job says why, no worker counts as lost."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from store.artifacts import Artifacts
from store.errors import Invalid
from store.session import Database
from store.settings import Settings
from tests.store.shard_jobs import make_job, must_take
from workers.context import Context
from workers.process.attempt import execute
from workers.process.heartbeat import Heartbeat
from workers.process.work import Outcome


def impossible(session: Session, *, missing: str) -> None:
    """Cannot be called with a session alone."""


def refused(session: Session) -> None:
    raise Invalid("the store is full: delete a pool", code="over_quota")


@pytest.mark.parametrize(
    ("save", "code", "said"),
    [(impossible, "internal_error", "TypeError"), (refused, "over_quota", "delete a pool")],
)
def test_a_result_that_cannot_be_written_fails_the_job_at_once(
    save: Callable[[Session], None],
    code: str,
    said: str,
    database: Database,
    tenant: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    context = Context(Settings(), database, Artifacts(f"file://{tmp_path}"))
    make_job(database, tenant, shards_wanted=1)
    with caplog.at_level(logging.ERROR):
        execute(
            context, must_take(database), lambda work: Outcome(save=save), Heartbeat(database, Settings())
        )
    with database.transaction() as session:
        status, error = session.execute(text("select status, error from jobs")).one()
        deaths = session.execute(text("select deaths from shards")).scalar_one()
    assert (status, error["code"], deaths) == ("failed", code, 0)
    assert said in error["detail"]
    assert (code == "internal_error") == ("Traceback" in caplog.text)
