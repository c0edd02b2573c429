"""Status polls per second, and open event streams, on one API process.

The peer of the polls is GET /livez in the same run: the framework without key, database and job.
"""

import asyncio
import time
from typing import Any

import numpy as np

from benchmarks.api.served import Served

CONNECTIONS = 8  # clients that poll at the same time, each as fast as it is answered
WARM_SECONDS = 2.0


def measure(api: Served, *, seconds: float) -> dict[str, Any]:
    """Polls of one queued selection with 8 shards, as many as the process answers."""
    job_id = _queued_selection(api)
    floor = asyncio.run(_poll(api, "/livez", seconds / 2))
    polls = asyncio.run(_poll(api, f"/v1/selections/{job_id}", seconds))
    return {
        "polls_per_second": round(len(polls) / seconds, 1),
        "poll_p50_ms": round(float(np.percentile(polls, 50)), 2),
        "poll_p99_ms": round(float(np.percentile(polls, 99)), 2),
        "livez_per_second": round(len(floor) / (seconds / 2), 1),
    }


def _queued_selection(api: Served) -> str:
    def question(number: int) -> dict[str, str]:
        return {"prompt": f"{number} + {number}?", "completion": str(2 * number)}

    records = {"target": [question(n) for n in range(100)], "candidates": [question(n) for n in range(4000)]}
    job_id: str = api.made("/v1/selections", {**records, "k": 400})["id"]
    return job_id


async def _poll(api: Served, path: str, seconds: float) -> list[float]:
    """Milliseconds of each answer, of all connections, after warming up."""
    host, port = api.url.removeprefix("http://").split(":")
    request = (f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {api.api_key}\r\n\r\n").encode()
    start = time.perf_counter() + WARM_SECONDS
    loops = (_client(host, int(port), request, start, start + seconds) for _ in range(CONNECTIONS))
    return [taken for each in await asyncio.gather(*loops) for taken in each]


async def _client(host: str, port: int, request: bytes, start: float, end: float) -> list[float]:
    reader, writer = await asyncio.open_connection(host, port)
    taken: list[float] = []
    while (sent := time.perf_counter()) < end:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"a poll was answered {head.decode()}")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        if sent >= start:
            taken.append(1000 * (time.perf_counter() - sent))
    writer.close()
    return taken
