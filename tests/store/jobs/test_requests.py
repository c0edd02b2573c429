"""What a job was asked to do: what earlier releases stored is read, and is stored as they did."""

from typing import Any

import pytest

from evoselect.spec.training import EvaluationSpec, TrainingSpec
from store.errors import Invalid
from store.jobs.requests import (
    EvaluationNames,
    EvaluationWork,
    LoopWork,
    Requested,
    SelectionNames,
    SelectionWork,
    TrainingWork,
)

SELECTION = {
    "target_id": "tgt_1",
    "pool_id": "pool_1",
    "pool_version": 2,
    "k": 3,
    "exclude_selection_ids": ["sel_0"],
    "feature_files": {"target": "file_1", "pool": "file_2"},
    "spec": {"lambda": 0.25},
    "features": {"dim": 64},
    "model": "base",
    "seed": 7,
}
TRAINING = {"selection_id": "sel_1", "base_model": "base", "spec": {"epochs": 2, "batch_size": 4}, "seed": 7}
EVALUATION = {"model": "mdl_1", "spec": {"dtype": "float32"}, "tasks": ["arc_easy"], "limit": None}
LOOP = {
    "target_id": "tgt_1",
    "evaluation_target_id": "tgt_2",
    "base_model": "base",
    "spec": {"generator": {"kind": "push"}, "k": 2, "selection": {"lambda": 0.25}},
}


def test_rows_of_earlier_releases_are_read() -> None:
    training = TrainingWork.of({**TRAINING, "left_behind": 1}, "trn_1")
    assert (training.selection_id, training.seed, training.spec.batch_size) == ("sel_1", 7, 4)
    assert training.spec.lora_rank == TrainingSpec().lora_rank  # a setting that the row does not know
    assert training.source() == {"selection_id": "sel_1"}
    selection = SelectionWork.of({**SELECTION, "left_behind": 1}, "sel_1")
    assert (selection.spec.lam, selection.features.dim, selection.features.on_long) == (0.25, 64, "drop")
    assert (selection.tokens, selection.pinned) == (None, ())  # a release before budgets in tokens
    assert EvaluationWork.of(EVALUATION, "evl_1").tasks == ("arc_easy",)
    assert LoopWork.of(LOOP, "lop_1").spec.selection.lam == 0.25


@pytest.mark.parametrize(
    ("kind", "given"),
    [(SelectionWork, SELECTION), (TrainingWork, TRAINING), (EvaluationWork, EVALUATION), (LoopWork, LOOP)],
)
def test_what_is_stored_has_the_names_that_were_given_and_settings_in_full(
    kind: type[Requested], given: dict[str, Any]
) -> None:
    stored = kind.of(given, "job_1").stored()
    assert stored.keys() == given.keys()  # an evaluation on tasks has no target, a training one source
    assert {name: stored[name] for name in given if name not in ("spec", "features")} == {
        name: value for name, value in given.items() if name not in ("spec", "features")
    }
    assert stored["spec"].keys() > given["spec"].keys()
    assert kind.of(stored, "job_1").stored() == stored


def test_settings_are_stored_under_the_names_that_requests_have() -> None:
    spec = EvaluationSpec(max_length=64)
    stored = EvaluationWork(model="m", spec=spec, target_id="tgt_1").stored()
    assert stored == {"model": "m", "spec": spec.model_dump(mode="json"), "target_id": "tgt_1"}
    assert LoopWork.of(LOOP, "lop_1").stored()["spec"]["selection"]["lambda"] == 0.25


def test_settings_outside_of_todays_limits_are_named_with_the_next_step() -> None:
    with pytest.raises(Invalid, match=r"training trn_1 are outside .* \(1 of them\): start a new training"):
        TrainingWork.of({**TRAINING, "spec": {"batch_size": 10**9}}, "trn_1")
    with pytest.raises(Invalid, match=r"selection sel_1 are outside .*: start a new selection") as refused:
        SelectionWork.of({**SELECTION, "features": {"dim": 2**40}}, "sel_1")
    assert refused.value.code == "settings_out_of_range"


def test_names_are_read_of_rows_with_settings_that_are_no_longer_taken() -> None:
    assert SelectionNames.of({**SELECTION, "features": {"dim": 2**40}}, "sel_1").pool_version == 2
    asked = EvaluationNames.of({**EVALUATION, "spec": {"gone": 1}, "tasks": ["b", "a"]}, "evl_1")
    assert asked.examples == "all questions of a, b"


def test_a_checkpoint_names_the_model_of_its_features() -> None:
    assert SelectionWork.of(SELECTION, "sel_1").model_of(0) == "base"
    several = {"checkpoints": [{"model": "mdl_1"}, {"model": "mdl_2"}]}
    assert SelectionWork.of({**SELECTION, "features": several}, "sel_1").model_of(1) == "mdl_2"
