"""How a loop is looked after, on a real PostgreSQL: anchors, a guard, the health of a round."""

from evoselect.spec.loop import LoopSpec
from evoselect.spec.selection import SelectionSpec
from store.artifacts import Artifacts
from store.data import targets
from store.jobs import lifecycle as jobs
from store.jobs import shards
from store.loops import advance as loops
from store.loops import plan as loop_plan
from store.loops import steps as loop_steps
from store.loops.results import Generated, RoundHealth
from store.records.record import parse_record
from store.session import Database
from tests.store.loops.test_advance import QUOTA, Line
from tests.store.loops.test_advance import artifacts as artifacts


def test_anchors_a_guard_and_halves_go_into_the_steps(
    database: Database, tenant: str, artifacts: Artifacts
) -> None:
    with database.transaction() as session:
        record = parse_record({"prompt": "guard?", "completion": "x"})
        guard, _ = targets.kept(session, artifacts, tenant, ([record], [None]), quota=QUOTA)
        guard_id = guard.id
    stop = {"guard_rise": 0.0}
    line = Line(database, tenant, artifacts, anchor_share=0.5, guard_target_id=guard_id, stop=stop, rounds=3)
    line.run()
    asked = line.step(1, "train").request["anchors"]
    own = line.job().request["evaluation_target_id"]
    assert asked == {"target_id": line.job().request["target_id"], "rows": 2, "apart_from": [own, guard_id]}
    assert line.step(0, "guard").request["target_id"] == guard_id
    assert line.step(1, "guard").request["model"] == (line.step(1, "train").result or {})["model_id"]
    assert line.step(1, "evaluate").request["halves"] is True
    assert (line.job().result or {})["rounds"] == 3  # a loss that stays where it is forgets nothing


def test_health_is_kept_and_told_as_soon_as_a_round_has_selected(
    database: Database, tenant: str, artifacts: Artifacts
) -> None:
    side = {
        "rows": 9, "vendi": 2.0, "diversity": 0.25, "coverage": 0.5, "distance": 0.5, "length_ratio": 1.0,
        "opening_share": 0.1,
    }  # fmt: skip
    health = {"candidates": side, "selected": side, "target_rows": 9, "target_opening_share": 0.1}
    line = Line(database, tenant, artifacts, rounds=1)
    line.run(until="train", health=health)
    with database.transaction() as session:
        (row,) = loop_steps.rounds(session, line.id)
        kept = RoundHealth.of(row.health)
        events = [event.data for event in jobs.events(session, line.id) if event.type == "round.health"]
    assert [warning.code for warning in kept.warnings] == ["collapse", "collapse", "tiny_target"]
    assert (kept.candidates.diversity, kept.generated_share) == (0.25, 0.0)
    assert events == [{"round": 1, **(row.health or {})}]
    line.run()
    assert line.events().count("round.health") == 1


def test_a_guard_that_rises_ends_the_loop_and_is_warned_of(
    database: Database, tenant: str, artifacts: Artifacts
) -> None:
    with database.transaction() as session:
        record = parse_record({"prompt": "guard?", "completion": "y"})
        guard, _ = targets.kept(session, artifacts, tenant, ([record], [None]), quota=QUOTA)
        guard_id = guard.id
    line = Line(database, tenant, artifacts, guard_target_id=guard_id, stop={"guard_rise": 0.1}, rounds=3)
    line.run(until="train", answer_nll=1.0, intervals={"answer_nll": [0.5, 1.5]})
    line.run()  # to 2.0
    result = line.job().result or {}
    assert (result["stop_reason"], result["rounds"]) == ("forgetting", 1)
    with database.transaction() as session:
        (row,) = loop_steps.rounds(session, line.id)
        told = [event.data for event in jobs.events(session, line.id) if event.type == "round.warning"]
    assert (row.result or {})["guard"]["value"] == 2.0
    assert [one["code"] for one in told] == ["forgetting"]


def test_failures_of_every_round_but_the_last_are_measured_on_the_target(
    database: Database, tenant: str, artifacts: Artifacts
) -> None:
    asked = {"kind": "openai", "url": "https://example.com/v1", "model": "m", "size": 5}
    spec = LoopSpec.model_validate({"generator": {**asked, "prompts_from": "failures"}, "k": 2, "rounds": 3})
    assert [loop_plan.beside(spec, number) for number in (1, 2, 3)] == [("failures",), ("failures",), ()]
    assert loop_plan.beside(LoopSpec.model_validate({"generator": asked, "k": 2, "rounds": 3}), 1) == ()
    trained = dict.fromkeys(("select", "train", "evaluate"), "completed")
    assert loop_plan.due(spec, 1, trained) == [("selected", "failures")]
    assert not loop_plan.is_over(spec, 1, {**trained, "failures": "running"})
    assert loop_plan.is_over(spec, 3, trained)
    line = Line(database, tenant, artifacts, generator={**asked, "prompts_from": "failures"}, rounds=2)
    line.look()
    for number in (1, 2):
        claim = line.claim("generate")
        assert claim is not None
        with database.transaction() as session:
            counts = Generated(candidates=9)
            loops.generated(session, line.id, number, line.pool_id, version=1, counts=counts)
            shards.commit(session, claim, {})
        line.run(until="generate")
    step = line.step(1, "failures")
    assert step.request["target_id"] == line.job().request["target_id"]
    assert step.request["model"] == (line.step(1, "train").result or {})["model_id"]
    assert (2, "failures") not in line.steps()
    assert line.job().status == "completed"


def test_the_random_arm_draws_from_what_the_selected_one_does() -> None:
    spec = SelectionSpec.model_validate(
        {
            "lambda": 0.1,
            "least_quality": 0.5,
            "near_copies": {"leaks": "drop"},
            "balance": {"by": "group", "max": {"a": 2}},
        }
    )
    drawn = loops._drawn_by(spec, "random")
    assert drawn.method == "random"
    assert (drawn.least_quality, drawn.near_copies, drawn.balance) == (0.5, spec.near_copies, spec.balance)
