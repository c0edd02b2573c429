"""Verifiers against servers on loopback that judge well, badly, or not at all."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import TypeAdapter

from evoselect.spec.loop import LoopSpec
from evoselect.spec.verifier import Verifier
from store.errors import Invalid
from store.loops.plan import Spent
from store.loops.results import Generated, Verified
from store.records.record import Record, parse_record
from store.settings import Settings
from tests.workers.chat_server import Script, completion, hang, reply, scripted
from workers.generators.calls import MAX_RESPONSE_BYTES, NoResponse
from workers.phases.generate import Left
from workers.verifiers.calibration import pairs, some
from workers.verifiers.checking import State
from workers.verifiers.judge import verdict_of
from workers.verifiers.replies import score_of
from workers.verifiers.rounds import Check

TARGET = [parse_record({"prompt": f"{n} + {n}?", "completion": str(2 * n)}) for n in range(1, 7)]
MADE = [parse_record({"prompt": f"{n} + 1?", "completion": str(n + n % 2)}) for n in range(20, 26)]
"""Every other one is right."""
INSIDE = Settings(generator_networks="127.0.0.0/8")


def check(
    url: str, *, kind: str = "judge", number: int = 2, state: State | None = None, **more: Any
) -> Check:
    own = {"judge": {"model": "m"}, "agreement": {"model": "m"}, "hook": {}}[kind]
    stop = more.pop("stop", {})
    verifier = {"kind": kind, "url": url, "concurrency": 1, **own, **more}
    generator = {"kind": "openai", "url": url, "model": "g", "size": 6}
    spec = {"generator": generator, "k": 2, "verifier": verifier, "stop": stop}
    return Check(
        LoopSpec.model_validate(spec),
        number,
        target=TARGET,
        spent=Spent(),
        state=state or State(),
        step=lambda: None,
        keep=lambda found: None,
        first_delay_seconds=0.01,
    )


def checked(url: str, settings: Settings = INSIDE, **more: Any) -> tuple[list[Record], Verified]:
    return check(url, **more).run(settings, MADE)


def is_right(record: dict[str, Any]) -> bool:
    first, _, second = record["prompt"].rstrip("?").split(" ")
    return bool(str(int(first) + int(second)) == record["completion"])


def judging(handler: Any, script: Script) -> None:
    """A judge that can add."""
    text = script.bodies[-1]["messages"][-1]["content"]
    right = is_right(json.loads(text.rpartition("\n")[2]))
    reply(handler, 200, completion(f'Well. ```json\n{{"score": {0.9 if right else 0.1}}}\n```'))


def serve_judge(act: Callable[[Any, Script], None]) -> Any:
    """A scripted server whose line knows its own script."""
    box: list[Script] = []
    server = scripted(lambda handler: act(handler, box[0]))

    class Server:
        def __enter__(self) -> tuple[str, Script]:
            url, script = server.__enter__()
            box.append(script)
            return url, script

        def __exit__(self, *error: Any) -> None:
            server.__exit__(*error)

    return Server()


def test_a_good_judge_tells_right_from_wrong_and_its_costs_are_counted() -> None:
    with serve_judge(judging) as (url, script):
        found, told = checked(
            url, number=1, prompt_price=1e5, completion_price=2e5, rubric="The sum is right."
        )
    assert [record.quality for record in found] == [0.1, 0.9] * 3
    assert (told.scored, told.unverified) == (6, 0)
    assert told.mean == pytest.approx(0.5)
    assert (told.auc, told.calibrated, told.own_share) == (1.0, 12, 1.0)
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


def test_it_is_tried_in_the_first_round_alone() -> None:
    with scripted('{"score": 1}') as (url, script):
        _, told = checked(url, number=2)
    assert (told.auc, told.calibrated, len(script.bodies)) == (None, 0, 6)


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


def test_a_hook_gets_records_and_gives_scores() -> None:
    def hook(handler: Any, script: Script) -> None:
        reply(handler, 200, {"scores": [float(is_right(row)) for row in script.bodies[-1]["records"]]})

    with serve_judge(hook) as (url, script):
        found, told = checked(url, kind="hook", number=1, per_request=5)
    assert [record.quality for record in found] == [0.0, 1.0] * 3
    assert (told.auc, told.requests, told.cost) == (1.0, 4, 0.0)
    assert set(script.bodies[0]["records"][0]) == {"prompt", "completion"}


@pytest.mark.parametrize(
    ("answer", "scored", "garbage"),
    [
        ({"scores": [1, None, 2, 0.5, "1", False]}, 2, 0),
        ({"scores": [1]}, 0, 1),
        ({"scores": "all"}, 0, 1),
        ({"verdicts": []}, 0, 1),
    ],
)
def test_a_hook_that_answers_otherwise_leaves_candidates_out(answer: Any, scored: int, garbage: int) -> None:
    with scripted(answer) as (url, _):
        _, told = checked(url, kind="hook")
    assert (told.scored, told.unverified, told.garbage) == (scored, 6 - scored, garbage)


def test_agreement_is_the_share_of_answers_like_the_records() -> None:
    right, wrong = MADE[1].completion, "no idea"
    with scripted(right, f" {right}. ", wrong, "") as (url, script):
        found, told = check(url, kind="agreement", samples=4).run(INSIDE, MADE[1:2])
    assert found[0].quality == pytest.approx(2 / 3)
    assert (told.garbage, told.requests) == (1, 4)
    assert all(right not in str(body["messages"]) for body in script.bodies)


def test_agreement_is_shown_examples_of_the_target_but_not_the_one_it_is_asked_about() -> None:
    with scripted("2") as (url, script):
        check(url, kind="agreement", number=1, samples=2, calibration=6).run(INSIDE, MADE[:1])
    asked = [[turn["content"] for turn in body["messages"][1:]] for body in script.bodies]
    own = {record.prompt: record.completion for record in TARGET}
    assert {len(texts) for texts in asked} == {7, 9}  # three examples or four, with answers, and the question
    for texts in asked:
        assert texts[-1] not in texts[:-1]
        assert all(own[prompt] == answer for prompt, answer in zip(texts[:-1:2], texts[1::2], strict=True))
    with scripted("2") as (url, script):
        check(url, kind="agreement", samples=2, examples=0).run(INSIDE, MADE[:1])
    assert {len(body["messages"]) for body in script.bodies} == {2}


def test_wrong_answers_for_the_trial_are_other_choices_or_answers_of_others() -> None:
    choices = [{"prompt": f"{n}?", "choices": ["a", "b", "c"], "answer": n % 3} for n in range(5)]
    asked = [parse_record(row) for row in choices]
    tried = pairs(some(asked, 3, seed=0), asked, seed=0)
    assert len(tried) == 3
    for right, wrong in tried:
        assert (right.prompt, right.choices) == (wrong.prompt, wrong.choices)
        assert right.answer != wrong.answer
    chat = {"messages": [{"role": "user", "content": "Hi?"}], "completion": "yes"}
    mixed = [*TARGET, parse_record(chat)]
    found = pairs(some(mixed, 100, seed=0), mixed, seed=0)
    assert len(found) == len(mixed)
    assert all(right.completion != wrong.completion for right, wrong in found)
    same = [parse_record({"prompt": f"{n}?", "completion": "yes"}) for n in range(3)]
    assert pairs(same, same, seed=0) == []


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="send exactly one of endpoint"):
        TypeAdapter(Verifier).validate_python({"kind": "hook"})
    whole = {"kind": "pool", "pool_id": "pool_x"}
    verifier = {"kind": "hook", "url": "https://example.com/check"}
    with pytest.raises(ValueError, match=r"set generator\.size"):
        LoopSpec.model_validate({"generator": whole, "k": 2, "verifier": verifier})
    with pytest.raises(ValueError, match="send pushed candidates with a quality"):
        LoopSpec.model_validate({"generator": {"kind": "push"}, "k": 2, "verifier": verifier})
    spec = LoopSpec.model_validate({"generator": {**whole, "size": 4}, "k": 2, "verifier": verifier})
    assert spec.selecting.least_quality == 0.5
    given = {**spec.model_dump(by_alias=True), "selection": {"least_quality": 0.0}}
    assert LoopSpec.model_validate(given).selecting.least_quality == 0.0
