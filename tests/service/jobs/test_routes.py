"""Jobs over real HTTP: pages with filters, tags, long polls, events as a list and as a stream."""

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import orjson
import pytest

from service.jobs import events as streams
from service.jobs.events import PING_SECONDS
from service.services import open_state
from store.jobs import lifecycle as jobs
from store.tables.states import JobStatus
from tests.live import Api, question

SSE = {"Accept": "text/event-stream"}


def make_job(api: Api, **more: Any) -> str:
    body = {"target": [question(9)], "candidates": [question(1), question(2)], "k": 1, **more}
    job_id: str = api.made("/v1/selections", body)["id"]
    return job_id


def move(api: Api, job_id: str, *statuses: JobStatus) -> None:
    """A worker's part, by the store's own function."""
    for status in statuses:
        with api.database.transaction() as session:
            jobs.transition(session, jobs.lock(session, job_id), status)


def stream(api: Api, job_id: str, **headers: str) -> list[dict[str, Any]]:
    """The events of a stream that ends."""
    options = {"headers": {"Authorization": f"Bearer {api.api_key}", **SSE, **headers}, "timeout": 30.0}
    with httpx.stream("GET", f"{api.url}/v1/selections/{job_id}/events", **options) as answer:  # type: ignore[arg-type]
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        return list(_parsed(answer.iter_lines()))


def _parsed(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    fields: dict[str, Any] = {}
    for line in lines:
        if line.startswith(":"):
            continue
        if not line and fields:
            yield {**fields, "data": orjson.loads(fields["data"])}
            fields = {}
        elif line:
            name, _, value = line.partition(": ")
            fields[name] = value


def test_a_page_is_filtered_by_status_and_name(other: Api) -> None:
    waiting = make_job(other, name="a")
    running, done = make_job(other, name="b"), make_job(other)
    move(other, running, JobStatus.RUNNING)
    other.made(f"/v1/selections/{done}/cancel", {})
    ids = {
        query: [job["id"] for job in other.get(f"/v1/selections?{query}")["data"]]
        for query in ("", "status=queued", "status=running&status=cancelled", "name=a", "name=c")
    }
    assert list(ids.values()) == [[done, running, waiting], [waiting], [done, running], [waiting], []]


def test_a_known_tag_is_answered_without_a_body(api: Api) -> None:
    job_id = make_job(api)
    first = api.call("GET", f"/v1/selections/{job_id}")
    tag = first.headers["etag"]
    for known in (tag, f'W/{tag}, "x"', "*"):
        again = api.call("GET", f"/v1/selections/{job_id}", headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    move(api, job_id, JobStatus.RUNNING)
    changed = api.call("GET", f"/v1/selections/{job_id}", headers={"If-None-Match": tag})
    assert (changed.status_code, changed.json()["status"]) == (200, "running")


def test_a_long_poll_sees_the_end_soon_and_gives_up_in_time(api: Api) -> None:
    job_id = make_job(api)
    start = time.monotonic()
    assert not api.get(f"/v1/selections/{job_id}?wait=0.5")["done"]
    assert 0.5 <= time.monotonic() - start < 5
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(api.get, f"/v1/selections/{job_id}?wait=20")
        move(api, job_id, JobStatus.RUNNING)  # an event that is not the end does not end the wait
        time.sleep(0.5)
        assert not waiting.done()
        move(api, job_id, JobStatus.CANCELLING, JobStatus.CANCELLED)
        assert waiting.result(timeout=5)["status"] == "cancelled"


def test_a_stream_replays_follows_and_ends(api: Api) -> None:
    job_id = make_job(api)
    with ThreadPoolExecutor(1) as threads:
        streamed = threads.submit(stream, api, job_id)
        time.sleep(0.3)
        move(api, job_id, JobStatus.RUNNING, JobStatus.CANCELLING, JobStatus.CANCELLED)
        events = streamed.result(timeout=10)
    assert [event["event"] for event in events] == [
        "job.queued",
        "job.running",
        "job.cancelling",
        "job.cancelled",
    ]
    assert [event["id"] for event in events] == ["1", "2", "3", "4"]
    assert [event["data"] for event in events] == api.get(f"/v1/selections/{job_id}/events")["data"]


def test_a_client_that_comes_back_misses_nothing(api: Api) -> None:
    job_id = make_job(api)
    move(api, job_id, JobStatus.RUNNING, JobStatus.CANCELLING, JobStatus.CANCELLED)
    events = stream(api, job_id, **{"Last-Event-ID": "2"})
    assert [event["id"] for event in events] == ["3", "4"]
    headers = {**SSE, "Last-Event-ID": "4"}
    ended = api.call("GET", f"/v1/selections/{job_id}/events", headers=headers)
    assert ended.status_code == 204  # tells an EventSource not to connect again


@pytest.mark.parametrize("last", ["x", "-1", "²", "9" * 19, "9" * 30, "9" * 5000])
def test_a_bad_last_event_id_is_refused(api: Api, last: str) -> None:
    headers = {**SSE, "Last-Event-ID": last.encode()}
    answer = api.call("GET", f"/v1/selections/{make_job(api)}/events", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_a_quiet_stream_pings_in_time(api: Api) -> None:
    assert PING_SECONDS <= 15
    job_id, state = make_job(api), open_state(api.settings)

    async def read_two() -> list[bytes]:
        follower = streams.events(state, api.tenant_id, job_id, 0, ping_seconds=0.2)
        return [await anext(follower), await anext(follower)]

    event, ping = asyncio.run(read_two())
    assert event.startswith(b"event: job.queued")
    assert ping == b": ping\n\n"


def test_many_looks_at_once_see_their_own_job(api: Api, other: Api) -> None:
    owned = [(tenant, make_job(tenant, name=f"n{n}")) for n in range(4) for tenant in (api, other)]
    barrier = threading.Barrier(32)

    def look(number: int) -> None:
        tenant, job_id = owned[number % len(owned)]
        barrier.wait()
        assert tenant.get(f"/v1/selections/{job_id}")["id"] == job_id
        stranger = other if tenant is api else api
        assert stranger.call("GET", f"/v1/selections/{job_id}").status_code == 404

    with ThreadPoolExecutor(32) as threads:
        list(threads.map(look, range(32)))
