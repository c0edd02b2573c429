"""Verifiers of a round against servers on loopback that answer badly, or not at all."""

import json
import time
from typing import Any

import pytest

from store.errors import Invalid
from store.loops.plan import Spent
from store.loops.results import Generated
from store.settings import Settings
from tests.workers.chat_server import hang, scripted
from tests.workers.verifiers.checked import INSIDE, MADE, check, checked
from workers.generators.calls import MAX_RESPONSE_BYTES, NoResponse
from workers.phases.generate import Left
from workers.verifiers.checking import State


def test_candidates_without_a_verdict_are_left_out_and_counted() -> None:
    with scripted('{"score": 1}', "garbage", '{"score": NaN}', {"choices": []}, '{"score": 0}') as (url, _):
        found, told = checked(url)
    assert [record.quality for record in found] == [1.0, 0.0, 0.0]
    assert (told.scored, told.unverified, told.garbage) == (3, 3, 3)


def test_a_verifier_of_nothing_but_garbage_fails_the_first_round_and_empties_later_ones() -> None:
    with scripted("garbage") as (url, _):
        with pytest.raises(Invalid, match="no candidate a score") as caught:
            checked(url, number=1)
        assert caught.value.code == "verifier_no_scores"
        assert checked(url, number=2)[0] == []


def test_samples_are_averaged_and_contradictions_are_counted() -> None:
    with scripted('{"score": 1}', '{"score": 0}', '{"score": 0.2}', "garbage", "garbage", '{"score": 1}') as (
        url,
        script,
    ):
        state = State()
        found, told = check(url, samples=3, state=state, temperature=0.5).run(INSIDE, MADE[:2])
    assert found[0].quality == pytest.approx(0.4)
    assert len(found) == 1  # one usable verdict of three is none
    assert (told.contradicting, told.garbage, told.requests) == (1, 2, 6)
    assert [body["seed"] for body in script.bodies] == [0, 1, 2] * 2


def test_a_sample_without_a_response_loses_nothing_that_was_paid_for() -> None:
    with scripted('{"score": 1}', 503, 503, 503, 503, '{"score": 1}') as (url, _):
        found, told = check(url, samples=3).run(INSIDE, MADE[:1])
    assert [record.quality for record in found] == [1.0]
    assert (told.requests, told.unanswered, told.prompt_tokens) == (2, 1, 20)


def test_a_budget_that_is_used_up_before_is_named() -> None:
    with scripted('{"score": 1}') as (url, script):
        one = check(url, number=1, stop={"generated_tokens": 5})
        object.__setattr__(one, "spent", Spent(generated_tokens=5))
        with pytest.raises(Invalid, match="what `stop` allows was used up before"):
            one.run(INSIDE, MADE)
    assert script.bodies == []


def test_an_answer_of_ten_megabytes_and_one_that_hangs_are_broken_off() -> None:
    assert MAX_RESPONSE_BYTES < 10_000_000
    lines = ["x" * 10_000_000] * 4 + ['{"score": 1}'] * 5
    with scripted(*lines) as (url, _):
        _, told = checked(url)
    assert (told.scored, told.unverified, told.unanswered) == (5, 1, 1)
    with scripted(hang(2.0), '{"score": 1}') as (url, _):
        _, told = checked(url, seconds=0.3)
    assert (told.scored, told.retries) == (6, 1)


def test_a_verifier_that_is_away_keeps_what_was_paid_for_and_goes_on_from_it() -> None:
    kept: list[dict[str, Any]] = []
    with scripted('{"score": 1}', 503) as (url, script):
        one = check(url)
        object.__setattr__(one, "keep", lambda state: kept.append(json.loads(json.dumps(state.to_json()))))
        with pytest.raises(NoResponse, match="the verifier gave no answer in 4 tries; the last: status 503"):
            one.run(INSIDE, MADE)
    left = Left.from_json({"records": [], "asked": 0, "counts": {}, "verified": kept[-1]})
    assert left.verified.scores[MADE[0].content_hash] == 1.0
    lost = [MADE[at].content_hash for at in (1, 2)]
    assert all(left.verified.scores[content] is None for content in lost)
    with scripted('{"score": 0}') as (url, script):
        found, _ = check(url, state=left.verified).run(INSIDE, MADE)
    assert [record.quality for record in found] == [1.0, 0.0, 0.0, 0.0]
    assert len(script.bodies) == 3


def test_what_an_earlier_release_left_has_nothing_verified() -> None:
    assert Left.from_json({"records": [], "asked": 2, "counts": {}}).verified.scores == {}


def test_a_refusal_and_a_private_address_end_it() -> None:
    with scripted(401) as (url, script), pytest.raises(Invalid, match="verifier refuses") as caught:
        checked(url)
    assert (caught.value.code, len(script.bodies)) == ("verifier_refused", 1)
    with scripted('{"score": 1}') as (url, script), pytest.raises(Invalid, match="not at a public address"):
        checked(url, settings=Settings())
    assert script.bodies == []


def test_a_budget_ends_it_and_the_rest_is_unverified() -> None:
    with scripted('{"score": 1}') as (url, script):
        _, told = checked(url, stop={"generated_tokens": 60})
        assert (told.scored, told.unverified, len(script.bodies)) == (2, 4, 2)
        _, told = checked(url, stop={"cost": 0.5}, completion_price=1e4)
    assert told.scored == 3
    assert told.cost == pytest.approx(0.6)
    made = Generated(prompt_tokens=1, completion_tokens=2, cost=0.5, verifier=told)
    assert made.tokens == 3 + 90
    assert made.spent == pytest.approx(1.1)


def test_who_is_asked_to_stop_waits_for_no_verdict() -> None:
    class Stop(Exception):
        pass

    def stop() -> None:
        raise Stop

    begun = time.monotonic()
    with scripted(hang(4.0)) as (url, _):
        one = check(url)
        object.__setattr__(one, "step", stop)
        with pytest.raises(Stop):
            one.run(INSIDE, MADE)
        assert time.monotonic() - begun < 2.0
