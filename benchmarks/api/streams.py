"""Event streams that one API process holds open, and whether each gets the event that ends its job."""

import asyncio
import time
from typing import Any

import httpx

from benchmarks.api.served import Served

STREAMS = 500
AT_ONCE = 50  # connections that are being opened at the same time
END_SECONDS = 30.0  # for all streams to hear of the end


def measure(api: Served) -> dict[str, Any]:
    """Open STREAMS streams of one job, let it end, and count those that got every event in order."""
    records = {"target": [{"prompt": "1 + 1?", "completion": "2"}]}
    records["candidates"] = [{"prompt": "2 + 2?", "completion": "4"}]
    job_id = api.made("/v1/selections", {**records, "k": 1})["id"]
    return asyncio.run(_follow(api, job_id))


async def _follow(api: Served, job_id: str) -> dict[str, Any]:
    host, port = api.url.removeprefix("http://").split(":")
    request = (
        f"GET /v1/selections/{job_id}/events HTTP/1.1\r\nHost: {host}\r\n"
        f"Authorization: Bearer {api.api_key}\r\nAccept: text/event-stream\r\n\r\n"
    ).encode()
    slots, first = asyncio.Semaphore(AT_ONCE), asyncio.Event()
    opened = 0

    async def stream() -> list[bytes]:
        nonlocal opened
        async with slots:
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(request)
            await reader.readuntil(b"event: job.queued")
        opened += 1
        if opened == STREAMS:
            first.set()
        rest = await reader.read()  # until the service ends the stream
        writer.close()
        return [line for line in rest.splitlines() if line.startswith(b"event: ")]

    following = [asyncio.create_task(stream()) for _ in range(STREAMS)]
    await asyncio.wait_for(first.wait(), 60)
    start = time.perf_counter()
    await asyncio.to_thread(_cancel, api, job_id)
    done, late = await asyncio.wait(following, timeout=END_SECONDS)
    whole = [b"event: job.cancelling", b"event: job.cancelled"]
    return {
        "sse_streams": sum(task.result() == whole for task in done),
        "sse_streams_late": len(late),
        "sse_seconds_to_last_end": round(time.perf_counter() - start, 2),
    }


def _cancel(api: Served, job_id: str) -> None:
    answer = httpx.post(f"{api.url}/v1/selections/{job_id}/cancel", json={}, headers=api.headers, timeout=60)
    answer.raise_for_status()
