"""The plan names methods that exist, and begins with what answers the question."""

import numpy as np

from benchmarks.quality.data import DEVELOPMENT, REPORTING
from benchmarks.quality.methods import COMBINED, METHODS, Method, Part, as_long_as
from benchmarks.quality.names import ALL, BASE, CONTROL, MATCHED, OURS, OWN, TARGETLESS
from benchmarks.quality.plan import EVERY, RANDOM_SEEDS, K, default_plan, development_plan, reporting_plan
from benchmarks.quality.runs import Run, missing
from benchmarks.quality.world import KINDS
from evoselect.spec.features import FeatureSpec
from evoselect.spec.selection import SelectionSpec


def test_every_run_is_of_a_known_method() -> None:
    assert {run.method for run in default_plan()} <= METHODS.keys() | {BASE, CONTROL, MATCHED, ALL, OWN}


def test_what_is_called_the_default_is_the_products() -> None:
    spec = FeatureSpec()
    assert METHODS[OURS] == Method(SelectionSpec().method, (Part(spec.kind, spec.conditioning),))
    computed, part = KINDS[spec.kind]
    assert (computed, part) == (spec.model_copy(update={"kind": "combined"}), "values")  # of the same pass


def test_variants_are_tried_on_development_tasks_alone() -> None:
    tried = {run.tasks for run in development_plan() if run.method not in TARGETLESS}
    assert tried == {(task,) for task in DEVELOPMENT}


def test_the_first_runs_compare_two_representations_on_every_reporting_task() -> None:
    first = reporting_plan()[: 2 * len(REPORTING)]
    assert {(run.method, *run.tasks) for run in first} == {
        (method, task) for method in (OURS, COMBINED) for task in REPORTING
    }


def test_the_whole_plan_has_the_draws_that_intervals_need() -> None:
    plan = default_plan()
    assert {run.seed for run in plan if run.method == CONTROL and run.k == K} == set(range(RANDOM_SEEDS))
    for method in (OURS, COMBINED, MATCHED):
        assert {run.seed for run in plan if run.method == method and run.k == K} == {0, 1}


def test_a_draw_that_does_not_look_at_the_target_is_trained_on_once() -> None:
    whole = [run for run in default_plan() if run.method in TARGETLESS and run.k in (0, K)]
    assert all(run.tasks == EVERY for run in whole)


def test_finished_runs_are_left_out() -> None:
    plan = [Run("less", 8, seed, ("A",)) for seed in range(3)]
    rows = [{"task": "A", "method": "less", "k": 8, "seed": 1}]
    assert [run.seed for run in missing(plan, lambda: rows)] == [0, 2]


def test_matched_rows_have_the_lengths_of_the_chosen_ones_and_come_once() -> None:
    rng = np.random.default_rng(0)
    tokens = rng.integers(10, 90, size=1000)
    chosen = np.argsort(-tokens)[:150].tolist()
    found = as_long_as(chosen, tokens, rng)
    assert len(set(found)) == 150
    assert abs(tokens[found].sum() / tokens[chosen].sum() - 1) < 0.03
    assert len(set(found) & set(chosen)) < 150
