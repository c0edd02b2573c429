"""A fleet of network namespaces, two of whose workers fail: python -m benchmarks.fleet.namespaces [--json]

Needs root and `ip`. Database, broker, object store, API, ops, select and four feature workers each have a
namespace with an address and a data directory; nothing listens on a loopback. A selection by features of the
demo's model goes through sums and lists of many shards (a pool above a megabyte is large here) over
HTTP. One feature worker is killed while it computes; another one's cable is pulled until its lease has run
out, and plugged in again: what it then says of its shard has to be refused. Ids and weights have to be those
of one process that holds the pool, under another tenant, who has none of the features yet. Exit code 1
otherwise.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from benchmarks.demo.data import build
from benchmarks.fleet import machines, networks
from benchmarks.fleet.machines import WORKERS, Machines
from benchmarks.machine import describe
from evoselect_client.client import Client
from evoselect_client.models import Selection
from store.tables.jobs import Outbox, Shard
from store.tables.states import ShardState
from store.upkeep import retention, sweeper

ROWS, TARGETS, K = 128, 8, 16
HELD_BYTES = 2**20
REFUSED = "its result is dropped"
LIMIT_SECONDS = 600.0
LOOK_SECONDS = 0.1
AFTER_LISTING = -2.0  # seconds: object stores tell whole ones
Json = dict[str, Any]


class NotReached(RuntimeError):
    """Something that the run waits for did not happen."""


def main() -> None:
    """Run, print, and end with the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--logs", type=Path, help="copy what every machine said to this folder")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        report = measure(arguments.logs)
    except networks.CannotBuild as error:
        raise SystemExit(f"error: {error}") from error
    report["left_of_the_network"] = networks.left()
    print(json.dumps(report) if arguments.json else "\n".join(f"{k}: {v}" for k, v in report.items()))
    raise SystemExit(int(not good(report)))


def good(report: Json) -> bool:
    """Whether all went as it should."""
    bad = ("reached_by_loopback", "impossible", "orphans", "unsent", "left_of_the_network")
    return (
        report["identical"]
        and report["certified"]
        and bool(report["merged_shards"])  # else the pool was held by the worker
        and report["refused"] > 0
        and not any(report[name] for name in bad)
    )


def measure(logs: Path | None = None) -> Json:
    """The report of one run."""
    started = time.perf_counter()
    with (
        tempfile.TemporaryDirectory(prefix="evoselect-fleet-") as folder,
        networks.network(machines.NAMES) as network,
        machines.machines(Path(folder), network, HELD_BYTES) as made,
    ):
        try:
            found = _run(made)
        finally:
            if logs is not None:
                _keep(made, logs)
        found |= {"seconds": round(time.perf_counter() - started, 1), "machine": describe()}
        return found


def _keep(made: Machines, logs: Path) -> None:
    logs.mkdir(parents=True, exist_ok=True)
    for name in machines.NAMES:
        with suppress(OSError):
            (logs / f"{name}.log").write_text(made.log(name))


def _run(made: Machines) -> Json:
    found: Json = {"rows": ROWS, "workers": len(WORKERS)}
    found["reached_by_loopback"] = machines.reached_by_loopback(made)
    start = time.perf_counter()
    with Client(made.url, made.key("fleet")) as client:
        job = _submit(client)
        found |= _faults(made, job.id)
        job = job.wait(timeout=LIMIT_SECONDS)
        ours, output = _chosen(job), job.output()
    found["selection_seconds"] = round(time.perf_counter() - start, 1)
    found["refused"] = _refused(made, found["cut"])
    for name in [name for name in made.running if name in (*WORKERS, "select")]:
        made.stop(name)
    found |= _told(made, job.id, output)
    with Client(made.url, made.key("alone")) as client:
        alone = _submit(client)
        _work_alone(made)
        theirs = _chosen(alone.wait(timeout=LIMIT_SECONDS))
    return found | {"selected": len(ours), "identical": ours == theirs} | _left(made)


def _submit(client: Client) -> Selection:
    data = build()
    goal = client.targets.create(data.target[:TARGETS])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pool.jsonl"
        path.write_text("".join(json.dumps(record) + "\n" for record in data.pool[:ROWS]))
        pool = client.pools.create()
        pool.add(path)
    return client.selections.create(target_id=goal.id, pool_id=pool.id, k=K, seed=0)


def _chosen(job: Selection) -> list[tuple[str, float | None]]:
    """Ids and weights, in order."""
    return [(item.id, item.weight) for item in job.items()]


def _faults(made: Machines, job_id: str) -> Json:
    """One worker dies while it computes, another one is cut off until its lease has run out."""
    killed, _, _ = _busy(made, job_id, [])
    made.kill(killed)
    cut, shard, token = _busy(made, job_id, [killed])
    made.network.machines[cut].cut()
    _until(lambda: _is_lost(made, shard, token), f"the lease of {cut} on {shard} did not run out")
    made.network.machines[cut].mend()
    return {"killed": killed, "cut": cut}


def _busy(made: Machines, job_id: str, but: list[str]) -> tuple[str, str, int]:
    """A feature worker that computes, none of ``but``, its shard and its token."""
    found: list[tuple[str, str, int]] = []

    def look() -> bool:
        with made.database.transaction() as session:
            own = (Shard.job_id == job_id, Shard.phase == "features", Shard.state == ShardState.RUNNING)
            rows = session.scalars(select(Shard).where(*own, Shard.rows_done > 0)).all()
        for row in rows:
            name = made.holder(row.worker)
            if name is not None and name not in but:
                found.append((name, row.id, row.token))
        return bool(found)

    _until(look, "no feature worker was seen at work")
    return found[0]


def _is_lost(made: Machines, shard_id: str, token: int) -> bool:
    """Whether the fence is down before who held the shard by that token."""
    with made.database.transaction() as session:
        return session.get_one(Shard, shard_id).token > token


def _refused(made: Machines, cut: str) -> int:
    """How many late answers of the machine were refused, as soon as there is one."""
    _until(lambda: REFUSED in made.log(cut), f"{cut} came back, and none of its answers was refused")
    return made.log(cut).count(REFUSED)


def _until(happened: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS / 2
    while not happened():
        if time.monotonic() > deadline:
            raise NotReached(f"{otherwise} within {LIMIT_SECONDS / 2:.0f} s")
        time.sleep(LOOK_SECONDS)


def _told(made: Machines, job_id: str, output: Any) -> Json:
    """What rows and result say of the job."""
    with made.database.transaction() as session:
        rows = session.scalars(select(Shard).where(Shard.job_id == job_id)).all()
        again = sorted((row.phase, row.index, row.attempt) for row in rows if row.attempt > 1)
    counted = {phase: sum(row.phase == phase for row in rows) for phase in ("features", "sums", "lists")}
    return {
        "shards": counted,
        "retried_shards": [f"{phase} {index}: attempt {attempt}" for phase, index, attempt in again],
        "merged_shards": output["features"].get("shards"),
        "certified": output["diagnostics"]["certified"],
    }


def _work_alone(made: Machines) -> None:
    """One process of this machine holds the pool, and does all of it."""
    script = "from benchmarks.fleet.namespaces import work_alone; work_alone()"
    variables = machines.environment_of(made, "alone")
    command = [sys.executable, "-c", script]
    subprocess.run(command, env={**os.environ, **variables}, check=True, timeout=LIMIT_SECONDS)


def work_alone() -> None:
    """Until nothing waits, in the process that was started for it."""
    from workers.context import context
    from workers.process import siblings
    from workers.process.workplace import Workplace

    siblings.found_family()
    place = Workplace(context(), ["features", "select"])
    while place.drain():
        pass


def _left(made: Machines) -> Json:
    """What the runs left that they should not have."""
    database, artifacts = made.database, made.artifacts
    with database.transaction() as session:
        impossible = sweeper.impossible(session)
        unsent = session.scalar(select(func.count()).select_from(Outbox)) or 0
    removed = retention.remove_orphans(database, artifacts, AFTER_LISTING)
    orphans = retention.orphans(database, artifacts, AFTER_LISTING)
    return {"impossible": impossible, "unsent": unsent, "files_swept": removed, "orphans": orphans}


if __name__ == "__main__":
    main()
