"""The benchmark as a client of the service: what it asks for, and what it leaves alone."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks.quality.comparisons import __main__ as command
from benchmarks.quality.comparisons.setting import ARMS, SMALL, TRAINING, WHOLE
from benchmarks.quality.names import CONTROL, MATCHED, OURS
from benchmarks.quality.training import SPEC
from evoselect.spec.comparison import ComparisonSpec
from evoselect.spec.training import TrainingSpec


def test_the_service_is_asked_for_the_methods_and_the_training_of_the_tables() -> None:
    for setting in (WHOLE, SMALL):
        spec = ComparisonSpec.model_validate({"k": setting.k, "arms": setting.arms})
        assert spec.baseline == CONTROL
    asked = ComparisonSpec.model_validate({"k": 160, "arms": ARMS, "training": TRAINING})
    assert {arm.name: arm.method for arm in asked.compared} == {
        CONTROL: "random",
        MATCHED: "random_tokens",
        OURS: "capacity",
        "round-robin": "round_robin",
        "tsds": "tsds",
        "rds+": "round_robin",
        "less": "less",
        "exponentiated": "exponentiated",
    }
    assert asked.guide is not None
    assert asked.guide.name == OURS  # whose lengths random rows are to have
    assert asked.training == SPEC == TrainingSpec(learning_rate=1e-3, max_steps=20)


def test_a_task_whose_comparison_is_stored_is_told_and_not_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [row(method, seed) for method in (CONTROL, OURS) for seed in range(2)]
    stored = {"task": "groups", "rows": rows, "verdict": {"sentence": "use default"}}
    other = {"task": "intents", "rows": [], "verdict": {"sentence": "not asked for"}}
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in (stored, other)))
    before = path.read_bytes()
    argv = ["comparisons", "--tasks", "groups", "--rows", str(path), "--json"]
    monkeypatch.setattr(sys, "argv", argv)
    assert command.main() == 0  # no service was started: there is none to be had in this test's time
    told = json.loads(capsys.readouterr().out)
    assert told["sentences"] == {"groups": "use default"}
    assert told["by_metric"]["accuracy"]["table"]["groups, k=8"][OURS]["mean"] == 0.5
    assert path.read_bytes() == before


def row(method: str, seed: int) -> dict[str, object]:
    questions = {"choice_cross_entropy": [1.0] * 4, "nll": [1.0] * 4, "correct": "0101"}
    return {"task": "groups", "method": method, "k": 8, "seed": seed, "questions": questions}


@pytest.mark.parametrize(
    ("argv", "said"),
    [(["--small"], "--small needs --rows"), (["--tasks", "nothing"], "no task nothing: there are")],
)
def test_what_makes_no_sense_is_refused_before_anything_starts(
    argv: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    where = [] if "--small" in argv else ["--rows", str(tmp_path / "rows.jsonl")]
    monkeypatch.setattr(sys, "argv", ["comparisons", *argv, *where])
    with pytest.raises(SystemExit) as refused:
        command.main()
    assert said in str(refused.value.code) + capsys.readouterr().err
