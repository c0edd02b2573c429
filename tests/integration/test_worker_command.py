"""`evoselect worker` as operators run it: real workers, a real PostgreSQL, a real Valkey."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from sqlalchemy import text

from evoselect_cli import exits
from store.settings import Settings, as_environment
from tests.live import Api, Json, eventually, serve
from tests.workers.proxy import ALIAS, NATIONS, register, write_proxy

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
COMMAND = [sys.executable, "-c", "from evoselect_cli.main import app; app()", "worker"]
SHORT = {
    "lease_seconds": 3.0,
    "heartbeat_seconds": 0.3,
    "sweep_seconds": 0.5,
    "poll_seconds": 0.5,
    "shutdown_seconds": 2.0,
    "disk_reserve_share": 0.0,
}
WORDS = ["what", "is", "the", "capital", "of", "please", "answer", "in", "one", "word", "it", "called"]
FAKE_TORCH = (
    "class cuda:\n    is_available = staticmethod(lambda: True)\n    device_count = staticmethod(lambda: 1)\n"
)


@dataclass
class Commanded:
    """A running command and what it has printed."""

    process: "subprocess.Popen[bytes]"
    log: Path

    def said(self, *parts: str) -> list[str]:
        """The lines with all these parts."""
        return [line for line in self.log.read_text().splitlines() if all(part in line for part in parts)]

    def parents(self) -> list[psutil.Process]:
        """The workers that it started: celery's parents."""
        children = psutil.Process(self.process.pid).children()
        return [one for one in children if "celery" in one.cmdline()]

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Its status after a signal."""
        self.process.send_signal(number)
        return self.process.wait(60)


@contextmanager
def commanded(home: Path, environment: dict[str, str], *arguments: str) -> Iterator[Commanded]:
    """The command until the block ends; nothing of it is left then."""
    log = home / f"worker-{time.monotonic_ns()}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*COMMAND, *arguments], env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield Commanded(process, log)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(60)


def environment_of(settings: Settings, valkey: str, **more: str) -> dict[str, str]:
    chosen = settings.model_copy(update={**SHORT, "redis_url": valkey})
    return {**os.environ, **as_environment(chosen), **more}


def alive(log: Path, count: int) -> bool:
    return log.read_text().count("ready.") >= count  # celery says it where a worker consumes


def still_there(processes: Sequence[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Those that run so long after; one that has ended waits for the machine's first process to notice."""
    left = psutil.wait_procs(processes, timeout=seconds)[1]
    return [one for one in left if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def test_a_worker_that_is_killed_comes_back_and_a_stop_leaves_nothing(
    database_url: str, valkey: str, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path, database_url=database_url, artifacts_url=f"file://{tmp_path}")
    environment = environment_of(settings, valkey, EVOSELECT_KEY_PEPPER="")
    with commanded(tmp_path, environment, "--queue", "generate", "--processes", "2") as command:
        eventually(lambda: alive(command.log, 2))
        first, second = command.parents()
        names = {line.split()[1].partition("@")[0] for line in command.said("started ")}
        assert names == {"generate-1", "generate-2"}
        below = first.children(recursive=True)
        first.kill()
        eventually(lambda: alive(command.log, 3))
        assert command.said("was ended by SIGKILL; starting it again")
        assert command.said("runs again (process ")
        assert still_there(below, 5) == []
        assert second in command.parents()
        everything = psutil.Process(command.process.pid).children(recursive=True)
        assert command.end(signal.SIGINT) == 0
        assert still_there(everything, 1) == []
        assert len(command.said("has ended")) == 2


def test_workers_end_where_their_command_is_killed(database_url: str, valkey: str, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, database_url=database_url, artifacts_url=f"file://{tmp_path}")
    with commanded(tmp_path, environment_of(settings, valkey), "--queue", "generate") as command:
        eventually(lambda: alive(command.log, 1))
        everything = psutil.Process(command.process.pid).children(recursive=True)
        command.process.kill()
        command.process.wait()
        assert still_there(everything, 20) == []
        assert command.said("is gone: this worker ends")


def test_each_gpu_has_a_worker_of_its_own(database_url: str, valkey: str, tmp_path: Path) -> None:
    (tmp_path / "stand-in").mkdir()  # a torch that finds a GPU; workers of this queue load none
    (tmp_path / "stand-in" / "torch.py").write_text(FAKE_TORCH)
    settings = Settings(home=tmp_path, database_url=database_url, artifacts_url=f"file://{tmp_path}")
    path = f"{tmp_path / 'stand-in'}:{os.environ.get('PYTHONPATH', '')}"
    shown = {"PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": "3,MIG-c6d4f1ef"}
    environment = environment_of(settings, valkey, **shown)
    with commanded(tmp_path, environment, "--queue", "generate", "--per-gpu") as command:
        eventually(lambda: alive(command.log, 2))
        seen = sorted(one.environ()["CUDA_VISIBLE_DEVICES"] for one in command.parents())
        assert seen == ["3", "MIG-c6d4f1ef"]
        assert command.said("started generate-3@")
        assert command.said("started generate-MIG-c6d4f1ef@")
        assert command.end() == 0


@pytest.mark.parametrize(
    ("arguments", "variables", "code", "words"),
    [
        (["--queue", "feature"], {}, exits.USAGE, "no queue 'feature': take features, select, train,"),
        (["--queue", "features", "--per-gpu", "--processes", "2"], {}, exits.USAGE, "leave out --processes"),
        (
            ["--queue", "features"],
            {"EVOSELECT_DATABASE_URL": ""},
            exits.NOT_STARTED,
            "DATABASE_URL is not",
        ),
        (["--queue", "features"], {"EVOSELECT_REDIS_URL": ""}, exits.NOT_STARTED, "REDIS_URL is not set"),
        (["--queue", "ops"], {}, exits.NOT_STARTED, "KEY_PEPPER is not set"),
        (
            ["--queue", "features", "--per-gpu"],
            {"CUDA_VISIBLE_DEVICES": ""},
            exits.NOT_STARTED,
            "no GPU is visible here (CUDA_VISIBLE_DEVICES is ''): start workers without one by --processes N",
        ),
    ],
)
def test_what_cannot_be_is_told_before_anything_starts(
    arguments: list[str], variables: dict[str, str], code: int, words: str
) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("EVOSELECT_")}
    named = {
        "EVOSELECT_DATABASE_URL": "postgresql+psycopg://127.0.0.1:1/none",
        "EVOSELECT_REDIS_URL": "redis://127.0.0.1:1",
        "EVOSELECT_ARTIFACTS_URL": "file:///nowhere",
    }
    done = subprocess.run(
        [*COMMAND, *arguments],
        env={**clean, **named, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr
    assert "started" not in done.stderr


@pytest.mark.long
@pytest.mark.kills
@pytest.mark.timeout(600)
def test_shards_survive_a_stop_in_their_middle_and_a_worker_that_is_killed(
    database_url: str, valkey: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(write_proxy(tmp_path / "tiny"), monkeypatch)
    models = Path(os.environ["EVOSELECT_MODELS"])
    sizes = {"shard_rows": 4096, "block_rows": 64, "models": models}
    with serve(database_url, tmp_path, **SHORT, **sizes) as api:
        environment = environment_of(api.settings, valkey, EVOSELECT_KEY_PEPPER="")
        arguments = ("--queue", "features", "--queue", "select", "--processes", "2")
        job = api.made("/v1/selections", asked(4096))
        with commanded(tmp_path, environment, *arguments) as command:
            eventually(lambda: inside_a_shard(api, job["id"]), seconds=200)
            assert command.end() == 0, command.log.read_text()[-2000:]
        assert shards_in(api, job["id"], "running") == 0
        assert shards_in(api, job["id"], "ready") >= 1  # given back, not left to its lease
        with commanded(tmp_path, environment, *arguments) as command:
            eventually(lambda: inside_a_shard(api, job["id"]), seconds=200)
            holder = holder_of(api, job["id"])
            psutil.Process(holder).parent().kill()  # type: ignore[union-attr]
            eventually(lambda: status_of(api, job["id"]) == "completed", seconds=300)
            assert command.said("was ended by SIGKILL; starting it again")
            assert command.end() == 0
        found = api.get(f"/v1/selections/{job['id']}")
        assert found["result"]["features"]["batch_checks"][0]["attention"]


def asked(rows: int) -> Json:
    """Rows that differ in words of the tiny vocabulary: those that the bits of their number name."""
    pairs = [pair.split() for pair in NATIONS]
    made = []
    for number in range(rows):
        nation, capital = pairs[number % len(pairs)]
        more = " ".join(word for bit, word in enumerate(WORDS) if number >> bit & 1)
        made.append({"prompt": f"what is the capital of {nation} {more}", "completion": capital})
    return {"target": made[:8], "candidates": made[8:], "k": 8, "model": ALIAS, "features": {"dim": 1024}}


def status_of(api: Api, job_id: str) -> str:
    found = api.get(f"/v1/selections/{job_id}")
    assert found["status"] != "failed", found["error"]
    return str(found["status"])


def inside_a_shard(api: Api, job_id: str) -> bool:
    inside = "state = 'running' and rows_done between 64 and 3000"
    query = f"select count(*) from shards where job_id = :id and {inside}"
    with api.database.transaction() as session:
        return bool(session.scalar(text(query), {"id": job_id}))


def shards_in(api: Api, job_id: str, state: str) -> int:
    query = "select count(*) from shards where job_id = :id and state = :state"
    with api.database.transaction() as session:
        return session.scalar(text(query), {"id": job_id, "state": state}) or 0


def holder_of(api: Api, job_id: str) -> int:
    query = "select worker from shards where job_id = :id and state = 'running'"
    with api.database.transaction() as session:
        return int(str(session.scalar(text(query), {"id": job_id})).rpartition(":")[2])
