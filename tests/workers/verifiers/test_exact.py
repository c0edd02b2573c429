"""Exact verifiers: nobody is asked, form is told from no form, and the target's own answers are tried."""

from typing import Any

from evoselect.spec.loop import LoopSpec
from store.loops.health import of_verifier
from store.loops.plan import Spent
from store.loops.results import Verified
from store.records.record import Record, parse_record
from store.settings import Settings
from workers.verifiers.checking import State
from workers.verifiers.rounds import Check

TARGET = [parse_record({"prompt": f"{n} + {n}?", "completion": f" {2 * n}"}) for n in range(1, 9)]
MADE = [
    parse_record({"prompt": f"{n}?", "completion": said})
    for n, said in enumerate((" 12", "twelve", "12 or 13", "-4\n"))
]


def checked(
    verifier: dict[str, Any], number: int = 1, records: list[Record] = MADE
) -> tuple[list[Record], Verified]:
    generator = {"kind": "openai", "url": "https://example.com/v1", "model": "g", "size": 4}
    spec = {"generator": generator, "k": 1, "verifier": verifier, "stop": {"generated_tokens": 1}}
    steps: list[None] = []
    check = Check(
        LoopSpec.model_validate(spec),
        number,
        target=TARGET,
        spent=Spent(generated_tokens=5),  # what is used up stops no check that costs nothing
        state=State(),
        step=lambda: steps.append(None),
        keep=lambda state: None,
    )
    found = check.run(Settings(), records)
    assert steps
    return found


def test_answers_that_match_as_a_whole_are_right() -> None:
    found, told = checked({"kind": "regex", "pattern": r"-?\d+"})
    assert [record.quality for record in found] == [1.0, 0.0, 0.0, 1.0]
    assert (told.scored, told.unverified, told.mean) == (4, 0, 0.5)
    assert (told.auc, told.own_share, told.calibrated, told.requests) == (None, 1.0, 0, 0)
    assert list(of_verifier(told)) == []


def test_answers_that_are_json_as_wanted_are_right() -> None:
    found, told = checked({"kind": "json_schema", "schema": {"type": "integer", "minimum": 0}}, number=2)
    assert [record.quality for record in found] == [1.0, 0.0, 0.0, 0.0]
    assert told.own_share is None


def test_a_check_that_the_targets_own_answers_fail_is_warned_of() -> None:
    _, told = checked({"kind": "regex", "pattern": r"\d"})
    assert told.own_share == 0.5
    (warning,) = of_verifier(told)
    assert warning.code == "verifier_strict"
    assert "50% of the target's own examples" in warning.detail
    _, told = checked({"kind": "regex", "pattern": r"\d", "calibration": 0})
    assert told.own_share is None


def test_long_and_odd_answers_are_wrong_and_nothing_more() -> None:
    texts = ("x" * 200_000, "[" * 9_000, "a\u2028b", "{}")
    odd = [parse_record({"prompt": "?", "completion": text}) for text in texts]
    for verifier in ({"kind": "regex", "pattern": "a"}, {"kind": "json_schema", "schema": {"type": "array"}}):
        found, _ = checked(verifier, records=odd)
        assert [record.quality for record in found] == [0.0] * 4
