"""Every kind of generator and verifier against the same bad endpoints: none hangs, none is believed."""

import json
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from store.loops.results import Verified
from store.records.record import Record
from tests.workers.chat_server import completion, hang, reply, scripted
from tests.workers.generators.test_openai import generation, line
from tests.workers.generators.test_openai import run as generated
from tests.workers.verifiers.test_rounds import INSIDE, MADE, check
from workers.generators.calls import NoResponse

KINDS = ("judge", "agreement", "hook")
Act = Callable[[BaseHTTPRequestHandler], None]


def raw(content: bytes) -> Act:
    """A body as it stands."""

    def act(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return act


def dripping(handler: BaseHTTPRequestHandler) -> None:
    """A byte now and then, for longer than anybody waits."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    for _ in range(40):
        time.sleep(0.05)
        try:
            handler.wfile.write(b" ")
        except OSError:  # whoever asked has gone
            return


def endless(handler: BaseHTTPRequestHandler) -> None:
    """10 MB in place of an answer."""
    reply(handler, 200, {"scores": "x" * 10_000_000, **completion("x" * 1_000)})


def found_by(kind: str, *lines: Any, **more: Any) -> tuple[list[Record], Verified]:
    with scripted(*lines) as (url, _):
        return check(url, kind=kind, **more).run(INSIDE, MADE)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b"\xff\xfe",
        b'{"scores": [NaN, NaN, NaN, NaN, NaN, NaN]}',
        b"<html>",
        b"[" * 100_000,
    ],
)
def test_answers_that_are_none_score_nothing(kind: str, content: bytes) -> None:
    found, told = found_by(kind, raw(content))
    assert found == []
    assert (told.scored, told.unverified) == (0, 6)
    assert told.garbage >= 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bad", [500, 503, endless, dripping, hang(2.0)])
def test_who_never_answers_is_given_up_within_bounds(kind: str, bad: Any) -> None:
    begun = time.monotonic()
    with pytest.raises(NoResponse, match="the verifier gave no answer in 4 tries"):
        found_by(kind, bad, seconds=0.2, per_request=2) if kind == "hook" else found_by(
            kind, bad, seconds=0.2
        )
    assert time.monotonic() - begun < 15.0


@pytest.mark.parametrize("bad", [endless, dripping, hang(2.0), 500])
def test_a_generator_that_answers_badly_once_is_asked_again(bad: Any) -> None:
    with scripted(bad, line(1)) as (url, script):
        found = generated(generation(size=1), url, seconds=0.3)
    assert (found["candidates"], found["retries"], len(script.bodies)) == (1, 1, 2)


def test_a_generators_numbers_that_are_none_make_no_record() -> None:
    odd = '{"prompt": "x?", "completion": NaN}\n{"prompt": "y?", "completion": "1", "quality": NaN}'
    with scripted(odd, line(1)) as (url, _):
        made = generation(size=2)
        found = generated(made, url)
    assert found["invalid_record"] == 1
    assert [record.quality for record in made.state.records] == [None, None]
    assert json.dumps([record.prompt for record in made.state.records]) == '["y?", "1 - 1?"]'
