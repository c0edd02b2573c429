"""Phase `judge`: what the evaluations of a comparison say so far, question by question."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from evoselect.spec.comparison import BEST_HIGH, ComparisonSpec
from evoselect.verdicts.arms import Arm, Floats, Training
from evoselect.verdicts.halving import stop
from evoselect.verdicts.judge import judge
from store.comparisons import advance as comparisons
from store.comparisons import plan as comparison_plan
from store.comparisons import steps as comparison_steps
from store.comparisons import table as comparison_table
from store.comparisons.plan import Key, State
from store.errors import Invalid
from store.jobs import lifecycle as jobs
from store.jobs.requests import ComparisonWork
from store.jobs.results import EvaluationFiles
from store.results.scores import score
from store.tables.jobs import Job
from store.tables.states import JobKind
from workers.process import results
from workers.process.work import Outcome, Work

FEWEST = 2  # questions that have a spread


def run(work: Work) -> Outcome:
    """Read the scores of every evaluation that is done, judge, say which arms are worse beyond doubt."""
    asked = work.asked(ComparisonWork)
    with work.context.database.transaction() as session:
        job = jobs.get(session, work.claim.tenant_id, work.claim.job_id, JobKind.COMPARISON)
        steps = comparison_steps.jobs_by_key(session, job.id)
        state = comparison_steps.state(session, job, steps)
    scores = _common(work, asked.measure, {key: steps[key] for key in sorted(state.measured)})
    arms = _arms(asked.spec, state, scores)
    looked = _rung(asked.spec, state)
    if asked.spec.successive_halving and 1 <= looked < asked.spec.seeds:
        out = stop(arms, asked.spec.seeds - 1, str(asked.spec.baseline))
        state = replace(state, out=state.out | set(out))
        arms = [replace(arm, stopped=arm.stopped or arm.name in out) for arm in arms]
    over = comparison_plan.is_over(asked.spec, state)
    planned = None if over else asked.spec.planned_trainings
    found = judge(arms, str(asked.spec.baseline), planned=planned)
    table = comparison_table.of_verdict(asked, state, steps, found, n=len(arms[0].means))
    results.finite(table)
    return Outcome(save=lambda session: comparisons.judged(session, work.claim.job_id, table))


def _rung(spec: ComparisonSpec, state: State) -> int:
    """How many rungs the arms that go on have behind them, and none a part of another: then arms may stop."""
    arms = comparison_plan.live(spec, state)
    measured = [
        [Key(run, arm.name, "evaluate") in state.measured for arm, run in rung]
        for rung in comparison_plan.rungs(spec, arms)
    ]
    done = next((number for number, rung in enumerate(measured) if not all(rung)), len(measured))
    return 0 if any(map(any, measured[done:])) else done


def _arms(spec: ComparisonSpec, state: State, scores: Mapping[Key, Floats]) -> list[Arm]:
    """Those that have been measured; one that ended early is no longer in question."""
    ended = {*state.out, *comparison_plan.faulty(spec, state.statuses)}
    found = []
    for arm in spec.compared:
        own = [key for key in scores if key.arm == arm.name]
        trainings = [Training(spec.seed + key.run - 1, scores[key], key.run) for key in own]
        if own:
            found.append(Arm(arm.name, trainings, arm.drawn, arm.name in ended))
    return found


def _common(work: Work, measure: str, evaluations: Mapping[Key, Job]) -> dict[Key, Floats]:
    """Higher is better: the scores of the examples that every evaluation has the measure of."""
    columns = {}
    for key, job in evaluations.items():
        place = EvaluationFiles.of((job.result or {}).get("artifacts")).rows
        rows = work.context.artifacts.get_table(place.path, place.sha256).to_pylist()
        columns[key] = _scores(measure, rows)
        work.progress(0)
    every = np.stack(list(columns.values()))
    known = np.flatnonzero(np.isfinite(every).all(axis=0))
    if len(known) < FEWEST:
        raise Invalid(
            f"{len(known)} of {every.shape[1]} examples have {measure} after every training: evaluate on "
            f"{FEWEST} such examples at least, better on 100 and more",
            code="too_few_measured",
        )
    return {key: column[known] for key, column in columns.items()}


def _scores(measure: str, rows: Sequence[Mapping[str, Any]]) -> Floats:
    """(examples,), NaN where an example has no such measure."""
    values = [score(measure, row) for row in rows]
    column = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    return column if measure in BEST_HIGH else -column
