"""A loop whose generator, verifier and workers are killed, each in its step, ends as any other."""

import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from evoselect_client.client import Client
from store.session import Database
from tests.conftest import Stack
from tests.integration.watching import database_of, kill_session

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.kills, pytest.mark.timeout(600)]

RUNNING = """
select 1 from shards s join loop_steps l on l.job_id = s.job_id
where l.loop_id = :loop and l.round = 1 and s.phase = :phase and s.state = 'running'
"""
ATTEMPTS = """
select s.phase, max(s.attempt) as attempt from shards s left join loop_steps l on l.job_id = s.job_id
where s.job_id = :loop or l.loop_id = :loop and l.round = 1 group by s.phase
"""


class Endpoint:
    """Generator and judge in a process of their own, on a port that stays the same."""

    def __init__(self, log: Path) -> None:
        self._log = log
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}/v1"
        self._start()

    def _start(self) -> None:
        script = str(Path(__file__).parent / "answering.py")
        self._process = subprocess.Popen([sys.executable, script, str(self._port), str(self._log)])

    def kill(self) -> None:
        """End it in the middle of an answer; another one takes its place."""
        self.stop()
        self._start()

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    def asked(self, kind: str) -> int:
        return self._log.read_text().split().count(kind) if self._log.exists() else 0


@contextmanager
def endpoint(folder: Path) -> Iterator[Endpoint]:
    made = Endpoint(folder / "requests")
    yield made
    made.stop()


def until(holds: Callable[[], object], seconds: float = 150.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def runs(database: Database, loop_id: str, phase: str) -> bool:
    with database.transaction() as session:
        return session.execute(text(RUNNING), {"loop": loop_id, "phase": phase}).first() is not None


def is_right(record: dict[str, Any]) -> bool:
    first, second = map(int, re.findall(r"\d+", record["prompt"]))
    return first + second == int(record["completion"])


def test_a_loop_goes_on_wherever_somebody_is_killed(stack: Stack, tmp_path: Path) -> None:
    sums = [{"prompt": f"{number} + 2 =", "completion": f" {number + 2}"} for number in range(40)]
    database = database_of(stack)
    with endpoint(tmp_path) as there, Client(stack.url, stack.api_key) as client:
        target = client.targets.create(sums, held_out={"ratio": 0.5})
        asked = {"url": there.url, "model": "m", "concurrency": 1}
        loop = client.loops.create(
            target_id=target.id,
            generator={"kind": "openai", "size": 12, "per_request": 2, **asked},
            verifier={"kind": "judge", "calibration": 4, **asked},
            k=4,
            rounds=1,
            training={"max_steps": 6, "batch_size": 1},
        )
        until(lambda: there.asked("generate") >= 1)
        kill_session(stack.worker_pid("ops"))
        there.kill()
        seen = there.asked("generate")
        until(lambda: there.asked("generate") >= seen + 2)
        kill_session(stack.worker_pid("generate"))
        until(lambda: there.asked("judge") >= 2)
        there.kill()
        seen = there.asked("judge")
        until(lambda: there.asked("judge") >= seen + 3)
        kill_session(stack.worker_pid("generate"))
        steps = {"features": "features", "transport": "select", "train": "train", "evaluate": "train"}
        for phase, queue in steps.items():
            until(lambda phase=phase: runs(database, loop.id, phase))  # type: ignore[misc]
            kill_session(stack.worker_pid(queue))
        done = loop.wait(timeout=300)
        assert done.error is None
        (only,) = done.rounds()
        items = client.selections.retrieve(str(only.arms["selected"].selection_id)).items()
        records = [item.record for item in items]
    assert (only.generated["candidates"], only.generated["verifier"]["scored"]) == (12, 12)
    assert len({record["prompt"] for record in records}) == 4
    assert all(map(is_right, records))
    assert only.generated["verifier"]["auc"] == 1.0
    with database.transaction() as session:
        rows = session.execute(text(ATTEMPTS), {"loop": loop.id}).all()
    database.dispose()
    attempts = {row.phase: row.attempt for row in rows}
    assert attempts["generate"] >= 3
    assert all(attempts[phase] >= 2 for phase in steps)
