"""The openai generator against servers on loopback: one that misbehaves, and one over a real model."""

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from ipaddress import ip_network
from typing import Any

import pytest

from evoselect.spec.loop import OpenAIGenerator, Stop
from store.errors import Invalid
from store.kit.egress import Egress
from store.loops.plan import Spent
from store.records.record import parse_record
from tests.workers.chat_server import completion, hang, reply, scripted
from workers.generators.calls import MAX_RESPONSE_BYTES, NoResponse, Pace
from workers.generators.chat import Chat
from workers.generators.openai import Generation, State

KEY = "sk-a-secret-of-the-operator"
INSIDE = Egress(allowed=[ip_network("127.0.0.0/8")])
SEEDS = [parse_record({"prompt": f"{n} + {n}?", "completion": str(2 * n)}) for n in range(1, 6)]


def line(number: int) -> str:
    return json.dumps({"prompt": f"{number} - 1?", "completion": str(number - 1)})


def generation(
    size: int = 3, stop: Stop | None = None, state: State | None = None, **more: Any
) -> Generation:
    settings = {"kind": "openai", "url": "http://x/v1", "model": "m", "size": size, "concurrency": 1, **more}
    return Generation(
        OpenAIGenerator.model_validate(settings),
        SEEDS,
        {record.content_hash for record in SEEDS},
        seed=0,
        state=state or State(),
        stop=stop or Stop(),
        spent=Spent(),
    )


@contextmanager
def chat(url: str, way: Egress = INSIDE, seconds: float = 5.0) -> Iterator[Chat]:
    made = Chat(url, KEY, way, seconds=seconds, per_minute=None, first_delay_seconds=0.01)
    yield made
    made.close()


def run(made: Generation, url: str, **more: Any) -> dict[str, Any]:
    with chat(url, **more) as talk:
        made.run(talk, lambda done: None, lambda state: None)
    return made.summary().stored()


def test_it_asks_until_there_are_enough_and_counts_what_it_cost() -> None:
    with scripted(f"{line(1)}\n{line(2)}", line(3), line(4)) as (url, script):
        found = run(generation(prompt_price=1e5, completion_price=2e5), url)
    assert found == {
        "candidates": 3, "cost": 2 * (1.0 + 4.0), "requests": 2, "retries": 0, "prompt_tokens": 20,
        "completion_tokens": 40, "cut_off": 0, "garbage": 0, "near_copies": 0,
        "prompts": {"shown": "uniform", "offered": 5, "variants": 2, "temperature": 1.0},
    }  # fmt: skip
    assert script.keys == [f"Bearer {KEY}"] * 2
    first, second = (body["messages"][1]["content"] for body in script.bodies)
    assert first != second  # other examples
    assert sum(record.prompt in first for record in SEEDS if record.prompt) == 4
    assert script.bodies[0]["model"] == "m"


def test_garbage_refusals_repetitions_and_cut_off_answers_are_counted_and_never_stored() -> None:
    refusal = json.dumps({"prompt": "x?", "completion": "I'm sorry, I can't help."})
    seed = json.dumps({"prompt": SEEDS[0].prompt, "completion": SEEDS[0].completion})
    cut = completion(f'{line(2)}\n{{"prompt": "3 -', finish="length")
    empty: dict[str, Any] = {"choices": []}
    answers = ("no JSON", refusal, f"{seed}\n{line(1)}\n{line(1)}", cut, empty, line(3))
    with scripted(*answers) as (url, _):
        made = generation()
        found = run(made, url)
    assert [record.prompt for record in made.state.records] == ["1 - 1?", "2 - 1?", "3 - 1?"]
    names = ("garbage", "refusal", "duplicates", "cut_off", "requests")
    assert [found[name] for name in names] == [2, 1, 2, 1, 6]


def test_prompts_show_the_hardest_examples_where_there_are_some() -> None:
    with scripted(line(1), line(2), line(3)) as (url, script):
        made = generation(examples=1)
        made.hardest = SEEDS[3:]
        found = run(made, url)
    shown = [body["messages"][1]["content"] for body in script.bodies]
    assert all(not any(record.prompt in text for record in SEEDS[:3]) for text in shown)
    assert found["prompts"]["shown"] == "failures"
    assert found["prompts"]["offered"] == 2
    assert 1 <= found["prompts"]["variants"] == len(set(shown)) <= 2


def test_near_copies_of_earlier_rounds_are_counted_and_others_asked_for() -> None:
    def told(what: str, place: str) -> str:
        text = f"Which {what} crosses the old city of {place} and how long is it?"
        return json.dumps({"prompt": text, "completion": f"The {place}er, 70 km"})

    made = generation(size=2)
    made.there = [f"What is {number}? It is a number." for number in range(20)]
    made.there = [
        *made.there,
        "Which river crosses the old city of Prague and how long is it? The Prag-er, 70 km",
    ]
    with scripted(f"{told('river', 'Prag')}\n{told('road', 'Lima')}", line(8)) as (url, script):
        found = run(made, url)
    assert [str(record.prompt).split()[-6] for record in made.state.records[:1]] == ["Lima"]
    assert (found["near_copies"], found["candidates"], len(script.bodies)) == (1, 2, 2)


def test_a_generator_that_nearly_repeats_itself_is_given_up() -> None:
    def again(handler: Any) -> None:
        number = len(box[0].bodies)
        text = f"Name the very long river that crosses the old city of Prague in Bohemia, item {number}"
        reply(
            handler,
            200,
            completion(json.dumps({"prompt": text, "completion": "The river Vltava, of course"})),
        )

    box: list[Any] = []
    with scripted(again) as (url, script):
        box.append(script)
        found = run(generation(size=8), url)
    assert found["candidates"] == 1
    assert found["near_copies"] == len(script.bodies) - 1 == 7


def test_a_generator_that_repeats_itself_is_given_up() -> None:
    with scripted(line(1)) as (url, script):
        found = run(generation(size=50, concurrency=3), url)
    assert found["candidates"] == 1
    assert 13 <= len(script.bodies) <= 16


def test_what_passes_is_tried_again_and_what_does_not_is_said() -> None:

    def busy(handler: Any) -> None:
        reply(handler, 429, {}, Retry_After="0")

    with scripted(500, busy, hang(3.0), line(1)) as (url, _):
        made = generation(size=1)
        with chat(url, seconds=0.5) as talk:
            made.run(talk, lambda done: None, lambda state: None)
    assert made.state.counts["retries"] == 3
    with (
        scripted(401) as (url, _),
        pytest.raises(Invalid, match="with status 401") as caught,
    ):
        run(generation(), url)
    assert KEY not in str(caught.value)
    assert "***" in str(caught.value)
    with (
        scripted(503) as (url, script),
        pytest.raises(NoResponse, match="4 tries; the last: status 503"),
    ):
        run(generation(), url)
    assert len(script.bodies) == 3 * 4


def test_what_an_endpoint_says_can_be_stored() -> None:
    def odd(handler: Any) -> None:
        handler.send_response(400)
        handler.end_headers()
        handler.wfile.write(b'{"error": "no\0thing"}')

    with scripted(odd) as (url, _), pytest.raises(Invalid, match="no\ufffdthing"):
        run(generation(), url)
    boast = {**completion(line(1)), "usage": {"prompt_tokens": 1e300, "completion_tokens": -5}}
    with scripted(boast) as (url, _):
        found = run(generation(size=1), url)
    assert (found["prompt_tokens"], found["completion_tokens"]) == (2**31 - 1, 0)


def test_a_private_address_is_called_only_where_the_operator_allows_it() -> None:
    with scripted(line(1)) as (url, script):
        with pytest.raises(Invalid, match="not at a public address"):
            run(generation(), url, way=Egress())
        with pytest.raises(Invalid, match="plain http is for networks that the operator has allowed"):
            run(generation(), "http://93.184.215.14/v1", way=INSIDE)
        moved = url.replace("127.0.0.1", "generator.example")
        elsewhere = Egress(allowed=INSIDE.allowed, resolve=lambda host, port: ["127.0.0.1"])
        assert run(generation(size=1), moved, way=elsewhere)["candidates"] == 1
        assert len(script.bodies) == 1


def test_a_redirect_is_not_followed_and_an_endless_answer_is_cut() -> None:

    def away(handler: Any) -> None:
        reply(handler, 302, {}, Location="http://127.0.0.1:1/")

    with scripted(away) as (url, script), pytest.raises(Invalid, match="status 302"):
        run(generation(), url)
    assert len(script.bodies) == 1
    with (
        scripted("x" * (MAX_RESPONSE_BYTES + 1)) as (url, _),
        pytest.raises(NoResponse, match=f"longer than {MAX_RESPONSE_BYTES} bytes"),
    ):
        run(generation(), url)


def test_a_budget_ends_it_and_a_killed_one_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with scripted(*(line(number) for number in range(1, 9))) as (url, script):
        made = generation(size=8, stop=Stop(generated_tokens=60))
        assert run(made, url)["candidates"] == 2
        left = State.from_json(json.loads(json.dumps(made.state.to_json())))
        again = generation(size=4, state=left)
        again.known |= {record.content_hash for record in left.records}
        assert run(again, url)["candidates"] == 4
        assert len(script.bodies) == 4
    assert again.state.counts["prompt_tokens"] == 40
    assert KEY not in caplog.text


def test_who_is_asked_to_stop_waits_for_no_answer() -> None:
    class Stop(Exception):
        pass

    def stop(done: int) -> None:
        raise Stop

    begun = time.monotonic()
    with scripted(hang(4.0)) as (url, _):
        made = generation()
        with chat(url) as talk, pytest.raises(Stop):
            made.run(talk, stop, lambda state: None)
        assert time.monotonic() - begun < 2.0


def test_what_was_paid_for_is_kept_when_nobody_answers_any_more() -> None:
    kept: list[Mapping[str, Any]] = []
    with scripted(line(1), 503) as (url, _), chat(url) as talk, pytest.raises(NoResponse):
        generation().run(talk, lambda done: None, kept.append)
    assert [record["prompt"] for record in kept[-1]["records"]] == ["1 - 1?"]


def test_requests_keep_their_distance() -> None:
    pace = Pace(per_minute=60.0)
    delays = [pace.delay() for _ in range(3)]
    assert delays == pytest.approx([0.0, 1.0, 2.0], abs=0.1)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_real_model_behind_a_real_server() -> None:
    command = [sys.executable, "-m", "tests.workers.chat_server"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        made = generation(size=1, max_tokens=16, per_request=1, examples=1, stop=Stop(generated_tokens=1))
        try:
            found = run(made, url, seconds=120.0)
        finally:
            server.stdin.close()
    assert found["completion_tokens"] > 0
    assert found["prompt_tokens"] > 50
    assert found["requests"] == 1  # the budget of one token is spent
    told = ("candidates", "garbage", "invalid_record", "duplicates", "refusal", "other_form")
    assert sum(found.get(name, 0) for name in told) >= found["requests"] >= 1
