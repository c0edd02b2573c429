"""Status polls per second, and open event streams, on one API process.

The peer of the polls is GET /livez in the same run: the framework without key, database and job.
"""

import asyncio
import time
from typing import Any

import numpy as np
import psutil

from benchmarks.api.served import Served

CONNECTIONS = 8  # clients that poll at the same time, each as fast as it is answered
WARM_SECONDS = 2.0
JOBS = 40  # that are polled in turn


def measure(api: Served, *, seconds: float) -> dict[str, Any]:
    """Polls of queued selections with 9 shards each, as many as the process answers."""
    paths = [f"/v1/selections/{job_id}" for job_id in _queued_selections(api)]
    floor = asyncio.run(_poll(api, ["/livez"], seconds / 2))
    before = _cpu_seconds(api)
    polls = asyncio.run(_poll(api, paths, seconds))
    share = seconds / (seconds + WARM_SECONDS)  # the polls of the warming cost too, and are not counted
    return {
        "poll_cpu_ms": round(1000 * share * (_cpu_seconds(api) - before) / len(polls), 3),
        "polls_per_second": round(len(polls) / seconds, 1),
        "poll_p50_ms": round(float(np.percentile(polls, 50)), 2),
        "poll_p99_ms": round(float(np.percentile(polls, 99)), 2),
        "livez_per_second": round(len(floor) / (seconds / 2), 1),
    }


def _cpu_seconds(api: Served) -> float:
    """Processor time of the API so far: what a poll costs, however busy the machine is."""
    times = psutil.Process(api.process.pid).cpu_times()
    return float(times.user + times.system)


def _queued_selections(api: Served) -> list[str]:
    def question(number: int) -> dict[str, str]:
        return {"prompt": f"{number} + {number}?", "completion": str(2 * number)}

    target = api.made("/v1/targets", {"records": [question(n) for n in range(100)]})["id"]
    pool = api.made("/v1/pools", {})["id"]
    api.made(f"/v1/pools/{pool}/batches", {"records": [question(n) for n in range(8192)]})
    body = {"target_id": target, "pool_id": pool, "k": 400}
    return [api.made("/v1/selections", body)["id"] for _ in range(JOBS)]


async def _poll(api: Served, paths: list[str], seconds: float) -> list[float]:
    """Milliseconds of each answer, of all connections, after warming up."""
    host, port = api.url.removeprefix("http://").split(":")
    requests = [
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {api.api_key}\r\n\r\n".encode()
        for path in paths
    ]
    start = time.perf_counter() + WARM_SECONDS
    loops = (
        _client(host, int(port), requests[n::CONNECTIONS] or requests, start, start + seconds)
        for n in range(CONNECTIONS)
    )
    return [taken for each in await asyncio.gather(*loops) for taken in each]


async def _client(host: str, port: int, requests: list[bytes], start: float, end: float) -> list[float]:
    reader, writer = await asyncio.open_connection(host, port)
    taken: list[float] = []
    while (sent := time.perf_counter()) < end:
        writer.write(requests[len(taken) % len(requests)])
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"a poll was answered {head.decode()}")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        if sent >= start:
            taken.append(1000 * (time.perf_counter() - sent))
    writer.close()
    return taken
