"""The children of one celery parent: what a dead one held, the next one need not wait for.

A lease exists because a silent worker may be alive. Of a child of our own parent the process table knows it:
the next child takes its shards back at once, where other workers have to wait for the lease.
"""

import os
import secrets
import socket

from sqlalchemy import select
from sqlalchemy.orm import Session

from store.tables.jobs import Shard
from store.tables.states import ShardState

VARIABLE = "EVOSELECT_FAMILY"  # set by the parent, read by the children it spawns


def found_family() -> None:
    """In a parent: give its children their common name, which no parent of any machine had before."""
    os.environ[VARIABLE] = secrets.token_hex(4)


def own_name() -> str:
    """What this process is called in the rows that it holds."""
    return name_of(os.getpid())


def name_of(pid: int) -> str:
    """What a child of this family is called."""
    return f"{_family()}:{pid}"


def is_local(name: str) -> bool:
    """Whether that is the name of a process of this machine."""
    return name.startswith(f"{socket.gethostname()}:")


def dead(session: Session) -> list[str]:
    """The names of siblings that hold a shard and are no more."""
    family = f"{_family()}:"
    query = select(Shard.worker).where(Shard.state == ShardState.RUNNING, Shard.worker.startswith(family))
    names = [name for name in session.scalars(query.distinct()) if name]
    return [name for name in names if not _lives(int(name.removeprefix(family)))]


def _family() -> str:
    return f"{socket.gethostname()}:{os.environ.get(VARIABLE, os.getpid())}"


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
