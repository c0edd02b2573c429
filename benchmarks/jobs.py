"""What the machinery around the work costs, and how fast it recovers.

python -m benchmarks.jobs [--parts empty computing busy recovery cancel] [--json]     seven minutes in all

Real servers and worker processes (tests.chaos.fleet); bodies that are empty, busy or slow.
shards_per_second       empty shards, from the commit of the job to its completion, two workers
overhead_ratio          100 shards of busy work by one worker / the same bodies in a loop before and after it,
                        minus 1
recovery_seconds_p99    from kill -9 of a worker's child or parent to the next claim of its shard, short
                        leases; the other worker is busy with shards of 2 s: the wait for it is counted
waits_again_seconds_p99 from the kill until the shard is taken from the dead: lease and sweep
cancel_seconds          from the request to the cancelled job, the longest of four, heartbeat at its default
accepted_without_broker whether a POST is answered 202 while the broker is down, and completes once it is back
polling_p99_ms          1,000 jobs polled 200 times a second beside 2,000 empty shards
computing_polling_p99_ms    the same while one job computes, which keeps one core busy
Of polls, beside what the client sees, the milliseconds that the API's own log names (answered_p99_ms), and
what a poll costs the client's and the API's process (client_cpu_ms, api_cpu_ms): they share the cores.
"""

import argparse
import asyncio
import json
import random
import signal
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import httpx
import orjson
import psutil

from benchmarks.machine import describe
from embedded import processes
from store.artifacts import Artifacts
from store.data.sources import Source
from store.jobs import lifecycle as jobs
from store.jobs import plans
from store.jobs.plans import ShardPlan
from store.records.record import parse_record, to_table
from store.settings import Settings
from store.tables.jobs import Job
from store.tables.states import TERMINAL, JobKind, JobStatus
from tests.chaos import faults
from tests.chaos.faults import Loss
from tests.chaos.fleet import Fleet, Tenant, fleet
from tests.chaos.phases import features
from tests.chaos.runs import recoveries

EMPTY_SHARDS = 2_000
BUSY_SHARDS = 100
ROUNDS = 500  # megabytes hashed per shard of busy work: half a second to a second
BUSY = {"CHAOS_ROUNDS": str(ROUNDS), "CHAOS_STEP_SECONDS": "0"}
DEFAULTS = {
    name: getattr(Settings(), name)
    for name in ("heartbeat_seconds", "lease_seconds", "sweep_seconds", "relay_seconds", "poll_seconds")
}
KILLS = 12
CANCELS = 4
POLLED_JOBS = 1_000
POLLS_PER_SECOND = 200
POLL_SECONDS = 10.0
UNLIMITED = 10**6  # the tenant's rate is not what is measured
END_SECONDS = 200.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=list(PARTS))
    arguments = parser.parse_args()
    report: dict[str, Any] = {"machine": describe()}
    for part in arguments.parts:
        report |= PARTS[part]()
    print(json.dumps(report) if arguments.json else "\n".join(f"{key}: {report[key]}" for key in report))


@contextmanager
def started(**options: Any) -> Iterator[Fleet]:
    """A fleet in a directory of its own."""
    with (
        tempfile.TemporaryDirectory(prefix="evoselect-bench-") as home,
        fleet(Path(home), proxied=False, requests_per_second=UNLIMITED, **options) as made,
    ):
        yield made


def submit(made: Fleet, shard_plans: list[ShardPlan]) -> str:
    """A job with these shards, stored as the API stores it."""
    with made.database.transaction() as session:
        tenant_id = made.tenants[0].id
        return jobs.create(
            session, tenant_id=tenant_id, kind=JobKind.SELECTION, request={}, plans=shard_plans
        ).id


def seconds_of(made: Fleet, job_id: str) -> float:
    """From the job's creation to its end by the database's clock; waits for the end."""
    deadline = time.monotonic() + END_SECONDS
    while time.monotonic() < deadline:
        with made.database.transaction() as session:
            job = session.get_one(Job, job_id)
            if job.status in TERMINAL:
                ended = job.completed_at or job.cancelled_at
                if ended is None:
                    raise RuntimeError(f"{job_id} ended as {job.status}: {job.error}")
                return (ended - job.created_at).total_seconds()
        time.sleep(0.05)
    raise TimeoutError(f"{job_id} has not ended after {END_SECONDS:.0f} s")


def empty() -> dict[str, Any]:
    """Throughput of the machinery, polling beside it, and life without a broker."""
    with started(variables={"CHAOS_BODIES": "empty"}, **DEFAULTS) as made:
        warm = [ShardPlan("features", index, 1) for index in range(50)]
        seconds_of(made, submit(made, warm))
        many = [ShardPlan("features", index, 1) for index in range(EMPTY_SHARDS)]
        rate = EMPTY_SHARDS / seconds_of(made, submit(made, many))
        accepted = without_broker(made)
        ids = [submit(made, warm[:1]) for _ in range(POLLED_JOBS)]
        submit(made, many)
        return {
            "shards_per_second": round(rate, 1),
            "accepted_without_broker": accepted,
            **polling(made, ids),
        }


def computing() -> dict[str, Any]:
    """Polling beside one job that computes; the jobs that are polled wait for it."""
    with started(workers=("worker-a",), variables=BUSY, **DEFAULTS) as made:
        job_id = submit(made, busy_shards(made))
        ids = [submit(made, [ShardPlan("features", 0, 1)]) for _ in range(POLLED_JOBS)]
        found = polling(made, ids)
        with made.database.transaction() as session:
            if session.get_one(Job, job_id).status != JobStatus.RUNNING:
                raise RuntimeError(f"{job_id} did not compute all the while")
        return {f"computing_{name}": value for name, value in found.items()}


def polling(made: Fleet, ids: list[str]) -> dict[str, Any]:
    """How long the polls of these jobs took, and what they cost."""
    asyncio.run(poll(made, ids, 1.0))  # connections, prepared statements
    api, log = psutil.Process(made.running["api"].process.pid), made.home / "api.log"
    told, own, before = log.stat().st_size, time.process_time(), sum(api.cpu_times()[:2])
    latencies = sorted(asyncio.run(poll(made, ids, POLL_SECONDS)))
    client, server = time.process_time() - own, sum(api.cpu_times()[:2]) - before
    answered = sorted(answer_ms(log, told))
    return {
        "polls": len(latencies),
        "polling_p50_ms": round(1e3 * statistics.median(latencies), 1),
        "polling_p99_ms": round(1e3 * latencies[int(0.99 * len(latencies))], 1),
        "answered_p99_ms": round(answered[int(0.99 * len(answered))], 1),
        "client_cpu_ms": round(1e3 * client / len(latencies), 2),
        "api_cpu_ms": round(1e3 * server / len(latencies), 2),
    }


def answer_ms(log: Path, start: int) -> list[float]:
    """How long each request took by the API's log, from a byte of it on."""
    lines = [orjson.loads(line) for line in log.read_bytes()[start:].splitlines() if line.startswith(b"{")]
    return [line["ms"] for line in lines if line["event"] == "request"]


def without_broker(made: Fleet) -> bool:
    """Whether a job is accepted while the broker is down, and done after it is back."""
    down = made.running["valkey"]
    made.running["valkey"].process.send_signal(signal.SIGTERM)
    down.process.wait()
    record = {"prompt": "1 + 1?", "completion": "2"}
    body = {"target": [record], "candidates": [{**record, "prompt": "2 + 2?"}], "k": 1}
    answer = httpx.post(f"{made.url}/v1/selections", json=body, headers=_bearer(made.tenants[0]), timeout=20)
    made.running["valkey"] = processes.start(down.child)
    if answer.status_code != httpx.codes.ACCEPTED:
        return False
    seconds_of(made, answer.json()["id"])
    return True


async def poll(made: Fleet, ids: list[str], seconds: float) -> list[float]:
    """Seconds from when each GET was due to its answer; one is due every 5 ms, whatever earlier ones do.

    By aiohttp: httpx took 5 ms of processor time a poll beside the computing job, and measured itself.
    """
    rng, latencies = random.Random(0), []
    connections = aiohttp.TCPConnector(limit=100, keepalive_timeout=2.0)  # below uvicorn's 5 s
    async with aiohttp.ClientSession(headers=_bearer(made.tenants[0]), connector=connections) as client:

        async def one(due: float) -> None:
            async with client.get(f"{made.url}/v1/selections/{rng.choice(ids)}") as answer:
                answer.raise_for_status()
                await answer.read()
            latencies.append(time.perf_counter() - due)

        begun, tasks = time.perf_counter(), []
        for number in range(int(POLLS_PER_SECOND * seconds)):
            due = begun + number / POLLS_PER_SECOND
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.append(asyncio.create_task(one(due)))
        await asyncio.gather(*tasks)
    return latencies


def _bearer(tenant: Tenant) -> dict[str, str]:
    return {"Authorization": f"Bearer {tenant.key}"}


def busy() -> dict[str, Any]:
    """The same 100 pieces of work through the machinery and in a loop."""
    with started(workers=("worker-a",), variables=BUSY, **DEFAULTS) as made:
        shard_plans = busy_shards(made)
        seconds_of(made, submit(made, shard_plans[:2]))
        loops = [in_a_loop(made.artifacts, shard_plans)]
        through = seconds_of(made, submit(made, shard_plans))
        loops.append(in_a_loop(made.artifacts, shard_plans))
        alone = statistics.mean(loops)  # of before and after: machines drift by more than is measured
    return {
        "busy_shards": BUSY_SHARDS,
        "seconds_of_loops": [round(loop, 2) for loop in loops],
        "seconds_per_busy_shard": round(alone / BUSY_SHARDS, 3),
        "overhead_ratio": round(through / alone - 1, 4),
        "overhead_ms_per_shard": round(1e3 * (through - alone) / BUSY_SHARDS, 2),
    }


def busy_shards(made: Fleet) -> list[ShardPlan]:
    """BUSY_SHARDS of one record each, which is stored."""
    rows = [parse_record({"prompt": f"{n}?", "completion": f"{n}"}) for n in range(BUSY_SHARDS)]
    stored = made.artifacts.put_table(f"{made.tenants[0].id}/pools", to_table(rows))
    return plans.feature_shards([Source("pool", stored.path, stored.sha256, len(rows))], 1)


def in_a_loop(artifacts: Artifacts, parts: list[ShardPlan]) -> float:
    """Seconds that the same bodies take without claims, heartbeats and commits."""
    begun = time.perf_counter()
    for part in parts:
        features.digests(artifacts, part.payload, lambda done: None, 0.0, ROUNDS)
    return time.perf_counter() - begun


def recovery() -> dict[str, Any]:
    """Kill the child or the parent of a worker that works, again and again."""
    losses: list[Loss] = []
    with started(variables={"CHAOS_STEP_SECONDS": "0.2"}) as made:
        rows = [parse_record({"prompt": f"{n}?", "completion": f"{n}"}) for n in range(4_000)]
        stored = made.artifacts.put_table(f"{made.tenants[0].id}/pools", to_table(rows))
        submit(made, plans.feature_shards([Source("pool", stored.path, stored.sha256, len(rows))], 10))
        rng = Random(0)
        for kill in (faults.kill_child, faults.kill_parent) * (KILLS // 2):
            losses += kill(made, rng)
            time.sleep(5.0)
        lost, claimed = (sorted(recoveries(made, losses, event)) for event in ("shard.lost", "shard.claimed"))
    return {
        "kills": len(losses),
        "recoveries": len(claimed),
        "waits_again_seconds_p99": round(lost[int(0.99 * len(lost))], 2),
        "recovery_seconds_p50": round(statistics.median(claimed), 2),
        "recovery_seconds_p99": round(claimed[int(0.99 * len(claimed))], 2),
        "recovery_bound_at_defaults": Settings().lease_seconds + Settings().sweep_seconds,
    }


def cancel() -> dict[str, Any]:
    """Cancel a job whose only shard has long to go, heartbeat at its default."""
    with started(
        variables={"CHAOS_STEP_SECONDS": "0.05"},
        heartbeat_seconds=Settings().heartbeat_seconds,
        lease_seconds=60.0,
    ) as made:
        record = {"prompt": "?", "completion": "!"}
        body = {
            "target": [record],
            "candidates": [{**record, "prompt": f"{n}?"} for n in range(2_000)],
            "k": 1,
        }
        headers, rng, seconds = _bearer(made.tenants[0]), Random(0), []
        for _ in range(CANCELS):
            job = httpx.post(f"{made.url}/v1/selections", json=body, headers=headers, timeout=20).json()
            faults.busy_worker(made, rng)
            time.sleep(1.0 + 4.0 * rng.random())
            begun = time.perf_counter()
            httpx.post(f"{made.url}/v1/selections/{job['id']}/cancel", headers=headers).raise_for_status()
            seconds_of(made, job["id"])
            seconds.append(time.perf_counter() - begun)
        return {"cancels": CANCELS, "cancel_seconds": round(max(seconds), 2)}


PARTS = {"empty": empty, "computing": computing, "busy": busy, "recovery": recovery, "cancel": cancel}


if __name__ == "__main__":
    main()
