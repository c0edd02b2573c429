"""The plan names methods that exist, and begins with what answers the question."""

from benchmarks.quality.data import TASKS
from benchmarks.quality.methods import METHODS
from benchmarks.quality.names import BASE, LOOPS
from benchmarks.quality.plan import FIRST, K, default_plan


def test_every_run_is_of_a_known_method() -> None:
    assert {run.method for run in default_plan()} - {BASE} <= METHODS.keys() | LOOPS.keys()
    assert set(LOOPS.values()) <= METHODS.keys()


def test_the_first_runs_compare_the_first_methods_with_random_on_every_task() -> None:
    first = default_plan()[: 3 + len(FIRST) * len(TASKS)]
    done = first[0].keys().union(*(run.keys() for run in first))
    for method in (*FIRST, "random"):
        assert {task for task, name, k, _ in done if (name, k) == (method, K)} == set(TASKS)


def test_a_draw_that_does_not_look_at_the_target_is_trained_on_once() -> None:
    plan = default_plan()
    methods = METHODS | {arm: METHODS[one_shot] for arm, one_shot in LOOPS.items()}
    assert all(len(run.tasks) == (5 if methods[run.method].targetless else 1) for run in plan[1:])
