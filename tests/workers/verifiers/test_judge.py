"""What a judge that is a language model says, and what is made of it."""

import json
from typing import Any

import pytest

from tests.workers.chat_server import Script, completion, reply, scripted
from tests.workers.verifiers.checked import checked, is_right, serve_judge
from workers.verifiers.judge import verdict_of
from workers.verifiers.replies import score_of


def judging(handler: Any, script: Script) -> None:
    """A judge that can add."""
    text = script.bodies[-1]["messages"][-1]["content"]
    right = is_right(json.loads(text.rpartition("\n")[2]))
    reply(handler, 200, completion(f'Well. ```json\n{{"score": {0.9 if right else 0.1}}}\n```'))


@pytest.mark.parametrize(
    "said",
    [
        "no JSON",
        '{"score": NaN}',
        '{"score": "1"}',
        '{"score": true}',
        '{"score": 1e999}',
        '{"score": 1.5}',
        '{"score": -0.1}',
        '{"verdict": 1}',
        '{"score": 1} or rather {"score": 0}',
        '{"score": [1]}',
        "",
    ],
)
def test_what_is_no_verdict_is_none(said: str) -> None:
    assert verdict_of(said) is None


def test_verdicts_are_found_in_prose() -> None:
    assert verdict_of('It is right: {"score": 1, "why": "2 + 2"} - sure, {"score": 1.0}') == 1.0
    assert verdict_of('```json\n{"score": 0.25,}\n```') == 0.25
    assert score_of(0) == 0.0


def test_a_good_judge_tells_right_from_wrong_and_its_costs_are_counted() -> None:
    with serve_judge(judging) as (url, script):
        found, told = checked(
            url, number=1, prompt_price=1e5, completion_price=2e5, rubric="The sum is right."
        )
    assert [record.quality for record in found] == [0.1, 0.9] * 3
    assert (told.scored, told.unverified) == (6, 0)
    assert told.mean == pytest.approx(0.5)
    assert (told.auc, told.calibrated) == (1.0, 12)
    assert told.requests == len(script.bodies) == 18
    assert (told.prompt_tokens, told.completion_tokens) == (180, 360)
    assert told.cost == 18 * (1.0 + 4.0)
    assert "The sum is right." in script.bodies[0]["messages"][1]["content"]
    assert "quality" not in script.bodies[0]["messages"][1]["content"]


def test_a_judge_that_says_the_same_of_all_is_found_out() -> None:
    with scripted('{"score": 1}') as (url, _):
        found, told = checked(url, number=1)
    assert told.auc == 0.5
    assert {record.quality for record in found} == {1.0}
