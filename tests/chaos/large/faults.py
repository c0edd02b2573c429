"""What is done to a fleet of large pools beside the faults of tests.chaos.faults.

kill_in_features kill_in_sums kill_in_lists kill_in_transport    SIGKILL of a child that holds such a shard
answer_lost answer_damaged     the file that a shard of sums or lists left, before or after it is read
other_release                  a worker whose answers are of another kind, and have other bits
clock_ahead clock_behind       a worker's clock is an hour off
"""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random

from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from store.jobs.results import ListedResult
from store.tables.jobs import Shard
from store.tables.states import ShardState
from tests.chaos import faults
from tests.chaos.faults import Loss
from tests.chaos.fleet import WORKERS, Fleet

PHASES = ("features", "sums", "lists", "transport")
ASKED = ("sums", "lists")
FOUND_SECONDS = 8.0  # that a fault waits for what it is to hit
OTHER_SECONDS = (4.0, 8.0)  # that a worker is another one
CHANGES: dict[str, Mapping[str, str]] = {
    "other_release": {"CHAOS_KIND": "1 cuda"},
    "clock_ahead": {"CHAOS_CLOCK_HOURS": "1"},
    "clock_behind": {"CHAOS_CLOCK_HOURS": "-1"},
}
_changing = threading.Lock()


def _kill_in(phase: str, fleet: Fleet, rng: Random) -> list[Loss]:
    worker = faults.busy_worker(fleet, rng, FOUND_SECONDS, [phase])
    return faults.kill(fleet, fleet.child_pid(worker))


def _changed(name: str, fleet: Fleet, rng: Random) -> list[Loss]:
    with _changing:  # one after the other: the second would take the first one's variables for its own
        fleet.change_worker(rng.choice(WORKERS), CHANGES[name], rng.uniform(*OTHER_SECONDS))
    return []


def answer_lost(fleet: Fleet, rng: Random) -> list[Loss]:
    """The file is gone."""
    for path in _an_answer(fleet, rng):
        path.unlink(missing_ok=True)
    return []


def answer_damaged(fleet: Fleet, rng: Random) -> list[Loss]:
    """The file has other bytes."""
    for path in _an_answer(fleet, rng):
        with suppress(OSError):  # of a disk that is full meanwhile
            path.write_bytes(b"nothing")
    return []


def _an_answer(fleet: Fleet, rng: Random) -> list[Path]:
    """Of a shard that is done; none where none was found."""
    deadline = time.monotonic() + FOUND_SECONDS
    while time.monotonic() < deadline:
        with suppress(OperationalError), fleet.database.transaction() as session:
            done = (Shard.phase.in_(ASKED), Shard.state == ShardState.DONE, Shard.result != {})
            left = session.scalars(select(Shard.result).where(*done)).all()
            if left:
                stored = ListedResult.of(rng.choice(left)).file
                return [Path(fleet.artifacts.root) / stored.path]
        time.sleep(0.02)
    return []


KINDS: dict[str, Callable[[Fleet, Random], list[Loss]]] = {
    **{f"kill_in_{phase}": partial(_kill_in, phase) for phase in PHASES},
    "answer_lost": answer_lost,
    "answer_damaged": answer_damaged,
    **{name: partial(_changed, name) for name in CHANGES},
}
