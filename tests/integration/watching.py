"""What the database and the process table say of a running service."""

import os
import signal
from typing import Any

import psutil
from sqlalchemy import text

from store.session import Database
from tests.conftest import Stack


def blocks_of(stack: Stack, job_id: str) -> list[dict[str, Any]]:
    """The blocks of a job's committed feature shards."""
    query = text("select result from shards where job_id = :id and phase = 'features' and result is not null")
    with database_of(stack).transaction() as session:
        results = session.scalars(query, {"id": job_id}).all()
    return [block for result in results for block in result["blocks"]]


def workers_of(stack: Stack, job_id: str | None) -> set[str]:
    """The processes that took a job's feature shards, or those of all jobs of this run that are left."""
    query = text(
        "select distinct worker from shards where phase = 'features' and job_id = coalesce(:id, job_id)"
    )
    with database_of(stack).transaction() as session:
        return set(session.scalars(query, {"id": job_id}))


def kill_session(leader: int) -> int:
    members = [pid for pid in psutil.pids() if _session(pid) == leader]
    for pid in members:
        os.kill(pid, signal.SIGKILL)
    return len(members)


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


def database_of(stack: Stack) -> Database:
    return Database(stack.supervisor.environment["EVOSELECT_DATABASE_URL"])
