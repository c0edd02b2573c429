"""What the health of a round warns of, as tables."""

from typing import Any

import pytest

from evoselect.spec.loop import LoopSpec
from store.jobs.results import Health, SideHealth
from store.loops import health as loop_health
from store.loops import plan as loop_plan
from store.loops.plan import SELECTED
from store.loops.results import Guard, RoundHealth, RoundResult, Verified


def side(**more: Any) -> SideHealth:
    well = {
        "rows": 64, "vendi": 40.0, "diversity": 1.0, "coverage": 0.3, "distance": 0.7, "length_ratio": 1.0,
        "opening_share": 0.1,
    }  # fmt: skip
    return SideHealth.model_validate({**well, **more})


def found(target_rows: int = 200, *, selected: dict[str, Any] | None = None, **more: Any) -> Health:
    return Health(
        candidates=side(**more),
        selected=side(**(selected or {})),
        target_rows=target_rows,
        target_opening_share=0.1,
    )


def spec(**more: Any) -> LoopSpec:
    return LoopSpec.model_validate({"generator": {"kind": "push"}, "k": 64, **more})


def judged(health: Health, number: int = 1, first: RoundHealth | None = None, **more: Any) -> RoundHealth:
    return loop_health.of_round(number, health, spec(**more), first=first, generated_share=1.0)


@pytest.mark.parametrize(
    ("health", "codes"),
    [
        (found(), []),
        (found(diversity=0.51), []),
        (found(diversity=0.49), ["collapse"]),
        (found(selected={"diversity": 0.3}), ["collapse"]),
        (found(diversity=0.1, rows=7), []),
        (found(opening_share=0.5), ["template"]),
        (found(selected={"length_ratio": 2.0}), ["length_drift"]),
        (found(selected={"length_ratio": 0.4}), ["length_drift"]),
        (found(selected={"length_ratio": None}), []),
        (found(length_ratio=2.4), []),
        (found(29), ["tiny_target"]),
        (found(4, diversity=0.1), ["tiny_target"]),
    ],
)
def test_thresholds(health: Health, codes: list[str]) -> None:
    assert [warning.code for warning in judged(health).warnings] == codes


def test_a_fall_from_the_first_round_is_a_collapse_before_it_is_narrow() -> None:
    first = judged(found(diversity=1.2))
    (warning,) = judged(found(diversity=0.89), 2, first).warnings
    assert warning.code == "collapse"
    assert "candidates are 0.89 times as diverse" in warning.detail
    assert "1.20 in round 1" in warning.detail
    assert judged(found(diversity=0.91), 2, first).warnings == ()
    wide = judged(found(diversity=2.59))  # as a small model's candidates are beside a narrow target
    assert judged(found(diversity=1.76), 2, wide).warnings == ()
    assert [one.code for one in judged(found(diversity=0.99), 2, wide).warnings] == ["collapse"]


def test_the_number_that_would_do_is_told_once() -> None:
    assert loop_health.needed_target(spec(rounds=5), 64) == 32
    assert loop_health.needed_target(spec(rounds=1), 64) == 30
    (warning,) = judged(found(31), rounds=5).warnings
    assert "31 examples for 5 rounds of 64: 32 would do" in warning.detail
    assert judged(found(31), number=2, rounds=5).warnings == ()


def test_a_verifier_near_chance_and_a_guard_above_its_interval() -> None:
    assert [one.code for one in loop_health.of_verifier(Verified(auc=0.55))] == ["verifier_blind"]
    assert list(loop_health.of_verifier(Verified(auc=0.6))) == list(loop_health.of_verifier(None)) == []
    base = {"answer_nll": 2.0, "intervals": {"answer_nll": [1.5, 2.5]}}
    within, above = (loop_plan.guard_of("evl_x", base, {"answer_nll": value}) for value in (2.5, 2.6))
    assert list(loop_health.of_guard(within)) == list(loop_health.of_guard(None)) == []
    (warning,) = loop_health.of_guard(above)
    assert "answer_nll on the guard's examples is 2.6000, the base model's 2.0000" in warning.detail
    assert above is not None
    assert above.rise == pytest.approx(0.6)
    assert loop_plan.guard_of("evl_x", {"accuracy": 1.0}, {"answer_nll": 1.0}) is None
    lonely = Guard(evaluation_id="e", loss="answer_nll", base=1.0, base_interval=None, value=9.0)
    assert list(loop_health.of_guard(lonely)) == []


def test_forgetting_ends_a_loop_where_it_was_asked_to() -> None:
    guard = Guard(evaluation_id="e", loss="answer_nll", base=1.0, base_interval=None, value=1.4)
    stop = {"guard_rise": 0.3}
    watched = spec(guard_target_id="tgt_g", rounds=9, stop=stop)
    assert loop_plan.stop_reason(watched, [None], loop_plan.Spent(), guard) == "forgetting"
    assert loop_plan.stop_reason(spec(rounds=9), [None], loop_plan.Spent(), guard) is None
    with pytest.raises(ValueError, match="set guard_target_id"):
        spec(stop=stop)


def test_the_guard_is_measured_beside_the_arm_and_waited_for() -> None:
    watched, done = spec(guard_target_id="tgt_g"), dict.fromkeys(("select", "train"), "completed")
    assert loop_plan.due(watched, 1, done) == [(SELECTED, "evaluate"), (SELECTED, "guard")]
    ended = {**done, "evaluate": "completed"}
    assert not loop_plan.is_over(watched, 1, {**ended, "guard": "running"})
    assert loop_plan.is_over(watched, 1, {**ended, "guard": "completed"})
    assert loop_plan.is_over(spec(), 1, ended)


def measured(loss: float, halves: tuple[float, float] | None) -> RoundResult:
    parts = None if halves is None else [{"answer_nll": value} for value in halves]
    arm = {
        "selection_id": None, "training_id": None, "evaluation_id": None, "model_id": None,
        "evaluation": {"answer_nll": loss, "halves": parts},
    }  # fmt: skip
    return RoundResult.model_validate({"loss": "answer_nll", "gain": None, "arms": {SELECTED: arm}})


def test_the_best_round_is_chosen_on_the_first_half_where_all_rounds_have_one() -> None:
    rounds = [measured(1.5, (2.0, 1.0)), measured(1.6, (1.0, 2.2))]
    assert loop_plan.best_of(rounds) == (1, True)
    assert loop_plan.best_of([*rounds, measured(1.4, None)]) == (2, False)


def test_shares() -> None:
    assert [spec(anchor_share=share).anchors(64) for share in (0.0, 0.2, 0.5)] == [0, 16, 64]
    assert loop_plan.generated_share(spec(anchor_share=0.2), 64) == pytest.approx(0.8)
    pool = {"kind": "pool", "pool_id": "pool_x"}
    assert loop_plan.generated_share(spec(generator=pool), 64) == 0.0
