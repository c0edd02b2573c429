"""Which way wait() takes where a proxy lets the better ones not through."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from evoselect_client import Client, JobFailedError
from evoselect_client.models import Selection

JOB = {"id": "sel_1", "object": "selection", "done": False, "created_at": "2026-01-01T00:00:00Z"}
Handler = Callable[[httpx.Request], httpx.Response]


class Service:
    """Answers like the service behind a proxy; the job is completed after some looks."""

    def __init__(self, *, looks: int, stream: Handler, long_poll: Handler | None = None) -> None:
        self._looks, self._stream, self._long_poll = looks, stream, long_poll
        self.seen: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/events"):
            self.seen.append("stream")
            return self._stream(request)
        held = int(request.url.params.get("wait", 0))
        self.seen.append("long poll" if held else "poll")
        if held and self._long_poll:
            return self._long_poll(request)
        self._looks -= 1
        return httpx.Response(200, json={**JOB, "status": "running" if self._looks else "completed"})

    def waited(self, **options: Any) -> Selection:
        with Client("http://service", "evs_x", http=httpx.MockTransport(self)) as client:
            job = client.selections._decode({**JOB, "status": "queued"})
            return job.wait(**options)


def silence(request: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("nothing came")


def page(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, text="<html>", headers={"content-type": "text/html"})


def events(request: httpx.Request) -> httpx.Response:
    text = ": ping\n\nid: 3\nevent: job.completed\ndata: {}\n\n"
    return httpx.Response(200, text=text, headers={"content-type": "text/event-stream"})


def test_the_stream_is_enough() -> None:
    service = Service(looks=1, stream=events)
    assert service.waited().status == "completed"
    assert service.seen == ["stream", "poll"]


@pytest.mark.parametrize("proxy", [silence, page, lambda request: httpx.Response(406)])
def test_a_blocked_stream_gives_way_to_long_polls(proxy: Handler) -> None:
    service = Service(looks=2, stream=proxy)
    service.waited()
    assert service.seen == ["stream", "long poll", "long poll"]


def test_blocked_long_polls_give_way_to_polls() -> None:
    service = Service(looks=1, stream=page, long_poll=lambda request: httpx.Response(504))
    service.waited()
    assert service.seen == ["stream", "long poll", "poll"]


def test_who_watches_gets_states() -> None:
    service = Service(looks=3, stream=events)
    states: list[str] = []
    service.waited(progress=lambda job: states.append(job.status))
    assert states == ["queued", "running", "running", "completed"]
    assert "stream" not in service.seen


def test_a_failed_job_says_why() -> None:
    failed = {**JOB, "status": "failed", "error": {"code": "too_few_usable", "detail": "3 of 9"}}
    http = httpx.MockTransport(lambda request: httpx.Response(200, json=failed))
    with pytest.raises(JobFailedError, match=r"3 of 9 \[too_few_usable\]"):
        Client("http://service", "evs_x", http=http).selections.retrieve("sel_1").wait()
