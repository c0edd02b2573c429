"""What a worker may not store: numbers that are not finite, or outside of what they can mean."""

import json
import logging
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sqlalchemy import text

from evoselect.select import select
from evoselect.spec.selection import SelectionSpec
from store.artifacts import Artifacts
from store.jobs import results as kept
from store.session import Database
from store.settings import Settings
from tests.evoselect.instances import instance
from tests.store.shard_jobs import make_job, must_take
from workers.context import Context
from workers.process import results
from workers.process.attempt import execute
from workers.process.heartbeat import Heartbeat
from workers.process.results import ImpossibleResult
from workers.process.work import Outcome

Json = dict[str, Any]
CASE = instance(60, 8, 12, seed=3)
FOUND = select(CASE.candidates, CASE.targets, 10, SelectionSpec(tradeoff=True), seed=0)
ROWS = {"rows": {"path": "rows/1", "sha256": "0"}}
TRAINED: Json = {
    "model_id": "mdl_1",
    "steps": 2,
    "examples": 8,
    "tokens": 100,
    "left_out": {"too_long": 1},
    "shortened": 0,
    "answer_tokens": 20,
    "loss_history": [2.5, 1.5],
    "seconds": 1.0,
    "tokens_per_second": 100.0,
}
EVALUATED: Json = {
    "n": 2,
    "n_choices": 0,
    "left_out": {"too_long": 1},
    "accuracy": None,
    "choice_cross_entropy": None,
    "answer_nll": 2.0,
    "exact_match": 0.5,
    "intervals": {"answer_nll": (1.5, 2.5), "accuracy": None},
    "artifacts": ROWS,
}


def selected() -> Json:
    return {
        "counts": {
            "pool": 61,
            "usable": 60,
            "left_out": {"too_long": 1},
            "target": 8,
            "target_statuses": {"ok": 8},
            "shortened": {"pool": 3, "target": 0},
        },
        "diagnostics": dict(FOUND.diagnostics),
        "coverage": [{"id": "t", "cosine": 1.0000001}],
        "artifacts": {"items": {"path": "items/1", "sha256": "0", "rows": 10}},
    }


def test_what_workers_make_passes() -> None:
    results.check_items(FOUND)
    for model, result in (
        (kept.SelectionResult, selected()),
        (kept.TrainingResult, TRAINED),
        (kept.EvaluationResult, EVALUATED),
    ):
        assert results.checked(model, result).stored() == json.loads(json.dumps(result))


@pytest.mark.parametrize(
    ("place", "value", "named"),
    [
        (("diagnostics", "tradeoff", 7, "transport"), 7.8e25, "tradeoff.7.transport is 7.8e"),
        (("diagnostics", "tradeoff", 7, "transport"), 0.0, "below its lower bound"),
        (("diagnostics", "tradeoff", 7, "beyond"), 1.5, "beyond"),
        (("diagnostics", "transport"), math.nan, "transport is nan"),
        (("diagnostics", "gap"), -0.1, "gap"),
        (("diagnostics", "rounded_away"), 1.2, "rounded_away"),
        (("diagnostics", "metrics", "random", "coverage"), 1.1, "coverage"),
        (("diagnostics", "a_method's own"), 10**30, "64 bits"),
        (("coverage", 0, "cosine"), -1.1, "cosine"),
        (("counts", "usable"), 59, "are not 59"),
        (("counts", "left_out"), {"too_long": -1}, "too_long"),
    ],
)
def test_a_selection_with_an_impossible_number_is_refused(
    place: tuple[str | int, ...], value: object, named: str
) -> None:
    result = selected()
    at: Any = result
    for step in place[:-1]:
        at[step] = at[step].copy()
        at = at[step]
    at[place[-1]] = value
    with pytest.raises(ImpossibleResult, match=named):
        results.checked(kept.SelectionResult, result)


@pytest.mark.parametrize(
    ("model", "good", "changed"),
    [
        (kept.TrainingResult, TRAINED, {"loss_history": [2.0, -1.0]}),
        (kept.TrainingResult, TRAINED, {"loss_history": [math.inf]}),
        (kept.TrainingResult, TRAINED, {"steps": 0}),
        (kept.TrainingResult, TRAINED, {"tokens": -1}),
        (kept.EvaluationResult, EVALUATED, {"answer_nll": -0.5}),
        (kept.EvaluationResult, EVALUATED, {"accuracy": 1.5}),
        (kept.EvaluationResult, EVALUATED, {"left_out": {"too_long": -1}}),
        (
            kept.TasksResult,
            {"n": 1, "tasks": {}, "artifacts": ROWS},
            {"tasks": {"arc": {"metrics": {"acc": {"value": math.inf}}}}},
        ),
    ],
)
def test_other_results_with_an_impossible_number_are_refused(
    model: type[kept.Result], good: Json, changed: Json
) -> None:
    named = "value is inf" if model is kept.TasksResult else next(iter(changed))
    with pytest.raises(ImpossibleResult, match=named):
        results.checked(model, {**good, **changed})


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("target_cosine", 1.2),
        ("target_mass", -0.1),
        ("redundancy", -1.0),
        ("score", math.nan),
        ("ot_gradient", math.inf),
    ],
)
def test_items_with_an_impossible_number_are_refused(column: str, value: float) -> None:
    column_values = getattr(FOUND.reasons, column).copy()
    column_values.flat[0] = value
    with pytest.raises(ImpossibleResult, match=column.replace("target_", "target ")):
        results.check_items(replace(FOUND, reasons=replace(FOUND.reasons, **{column: column_values})))
    with pytest.raises(ImpossibleResult, match="weight"):
        results.check_items(replace(FOUND, weights=2.0 * FOUND.weights))
    with pytest.raises(ImpossibleResult, match="answer_nll"):
        results.check_nlls("answer_nll", [1.0, -2.0])


@pytest.mark.parametrize("result", [{"loss": math.nan}, {"deep": [{"count": 10**30}]}])
def test_a_job_with_an_impossible_result_fails_and_keeps_none(
    result: Json, database: Database, tenant: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    context = Context(Settings(), database, Artifacts(f"file://{tmp_path}"))
    make_job(database, tenant, shards_wanted=1)
    claim = must_take(database)
    found = kept.Result.model_construct(**result)
    with caplog.at_level(logging.ERROR):
        execute(context, claim, lambda work: Outcome(job_result=found), Heartbeat(database, Settings()))
    assert claim.shard_id in caplog.text
    assert "ImpossibleResult" in caplog.text
    with database.transaction() as session:
        status, error, stored = session.execute(text("select status, error, result from jobs")).one()
    assert (status, error["code"], stored) == ("failed", "internal_error", None)
    assert claim.shard_id in error["detail"]


def test_half_precision_rows_are_within_their_ranges() -> None:
    """Rows of float16 have norms within 0.001 of 1, so cosines and costs pass their ends by as much."""
    rows = torch.nn.functional.normalize(
        torch.from_numpy(np.random.default_rng(0).normal(size=(9, 300))), dim=1
    )
    found = select(torch.cat([rows, -rows]).half(), rows[:4].half(), 9, SelectionSpec(tradeoff=True), seed=0)
    results.check_items(found)
    results.checked(kept.Diagnostics, found.diagnostics)
