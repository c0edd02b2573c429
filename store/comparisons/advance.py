"""Comparisons: arms that select, train and evaluate. Each step is an ordinary job; none of it runs here.

A comparison is a job whose shards (phase `compare`) advance it, like a loop: each reads what has ended
and begins the steps that are due, in the transaction that ends it; the keys of steps make sure that
nothing is begun twice. Its verdicts are shards too (phase `judge`), because they read the files of the
evaluations. Locks: a step's job before its comparison, never the other way round.
"""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from evoselect.spec.comparison import MATCHED, SEEDS_APART, WHOLE, ComparisonArm
from store.comparisons import plan as comparison_plan
from store.comparisons import steps as comparison_steps
from store.comparisons.plan import Course, Key, State
from store.errors import StoreError
from store.jobs import lifecycle as jobs
from store.jobs import pace, plans, submissions
from store.jobs.requests import ComparisonWork, EvaluationWork, SelectionWork, TrainingWork
from store.jobs.results import Trained
from store.kit.json import Json
from store.settings import Settings
from store.tables.jobs import Job, Shard
from store.tables.loops import LoopStep
from store.tables.states import JobStatus, ShardState

OPEN_STATES = (ShardState.READY, ShardState.RUNNING)
SAME_ROWS = "Every arm selects the same rows: there is nothing to compare, and nothing was trained."


@dataclass(frozen=True, slots=True)
class _Comparison:
    """A locked comparison that is being advanced."""

    session: Session
    settings: Settings
    job: Job
    asked: ComparisonWork
    steps: dict[Key, Job]
    picked: dict[Key, comparison_plan.Picked] = field(default_factory=dict)

    def arm(self, key: Key) -> ComparisonArm:
        """The arm of a step."""
        return next(arm for arm in self.asked.spec.compared if arm.name == key.arm)

    def record_event(self, event: str, **data: Any) -> None:
        jobs.record_event(self.session, self.job, event, data)


def advance(session: Session, settings: Settings, comparison_id: str) -> None:
    """Begin what is due, have judged what is new, end what is over."""
    job = jobs.lock(session, comparison_id)
    if job.status != JobStatus.RUNNING:
        return
    asked = ComparisonWork.of(job.request, job.id)
    steps = comparison_steps.jobs_by_key(session, comparison_id)
    state = comparison_steps.state(session, job, steps)
    comparison = _Comparison(session, settings, job, asked, steps, dict(state.picked))
    _follow(comparison, state, comparison_plan.course(asked.spec, state))


def _follow(comparison: _Comparison, state: State, course: Course) -> None:
    for key in course.begin:
        try:
            _start(comparison, key)
        except StoreError as error:
            _fail(comparison, f"{key.name} of run {key.run}", error.code, error.detail)
            return
    if course.judge:
        _judge(comparison)
    if course.end is not None:
        _end(comparison, state, course.end)


def _start(comparison: _Comparison, key: Key) -> None:
    """Create the step's job under its unique name."""
    make = {"select": _selection, "train": _training, "evaluate": _evaluation}[key.step]
    session, job = comparison.session, comparison.job
    metadata = {"comparison_id": job.id, "arm": key.arm, "run": str(key.run), "step": key.step}
    with session.begin_nested():  # a refusal leaves nothing of the job behind
        made = make(comparison, key, submissions.Label(job.name, metadata, job.priority))
        session.add(LoopStep(loop_id=job.id, round=key.run, step=key.name, job_id=made.id))
        session.flush()
    job.phase = key.step
    comparison.record_event("step.started", run=key.run, arm=key.arm, step=key.step, job_id=made.id)


def _selection(comparison: _Comparison, key: Key, label: submissions.Label) -> Job:
    asked, spec, arm = comparison.asked, comparison.asked.spec, comparison.arm(key)
    session, tenant_id = comparison.session, comparison.job.tenant_id
    tokens = _tokens(comparison, arm)
    size = submissions.Size(spec.k, spec.ratio) if tokens is None else None
    version, k = submissions.sized(session, tenant_id, asked.pool_id, asked.pool_version, size=size)
    work = SelectionWork(
        target_id=asked.target_id,
        pool_id=asked.pool_id,
        pool_version=version,
        k=k,
        tokens=tokens,
        spec=arm.spec,
        features=spec.features_of(arm),
        model=spec.proxy or asked.base_model,
        seed=_selection_seed(comparison, arm, key.run),
        exclude_selection_ids=(),
    )
    shard_rows = pace.shard_rows(session, tenant_id, work, comparison.settings)
    return submissions.selection(session, tenant_id, work, shard_rows=shard_rows, label=label)


def _tokens(comparison: _Comparison, arm: ComparisonArm) -> int | None:
    """What the arm may spend, where it is not counted in rows."""
    spec = comparison.asked.spec
    if arm.method != MATCHED or spec.guide is None:
        return spec.tokens
    return comparison.picked[comparison_plan.first_selection(spec.guide)].tokens


def _selection_seed(comparison: _Comparison, arm: ComparisonArm, run: int) -> int:
    """Draws of two arms and of two runs are not parts of each other."""
    spec = comparison.asked.spec
    if not arm.drawn:
        return spec.seed
    return spec.seed + SEEDS_APART * spec.compared.index(arm) + run - 1


def _training(comparison: _Comparison, key: Key, label: submissions.Label) -> Job:
    asked, arm = comparison.asked, comparison.arm(key)
    source: Json
    if arm.method == WHOLE:
        source = {"pool_id": asked.pool_id, "pool_version": asked.pool_version}
    else:
        source = {"selection_id": comparison.steps[comparison_plan.selection_of(arm, key.run)].id}
    work = TrainingWork(
        base_model=asked.base_model,
        spec=asked.spec.training,
        seed=asked.spec.seed + key.run - 1,
        **source,
    )
    most = comparison.settings.max_training_steps
    tenant_id = comparison.job.tenant_id
    return submissions.training(comparison.session, tenant_id, work, most_steps=most, label=label)


def _evaluation(comparison: _Comparison, key: Key, label: submissions.Label) -> Job:
    asked, trained = comparison.asked, comparison.steps[key._replace(step="train")]
    work = EvaluationWork(
        target_id=asked.evaluation_target_id,
        model=Trained.of(trained.result).model_id,
        spec=asked.spec.evaluation,
    )
    return submissions.evaluation(comparison.session, comparison.job.tenant_id, work, label)


def _judge(comparison: _Comparison) -> None:
    """Promise a verdict on what is there when it is made, unless one waits or is being made."""
    session, job = comparison.session, comparison.job
    verdicts = select(Shard).where(Shard.job_id == job.id, Shard.phase == "judge")
    if session.scalar(verdicts.where(Shard.state.in_(OPEN_STATES)).limit(1)) is None:
        count = session.scalar(select(func.count()).select_from(verdicts.subquery())) or 0
        jobs.insert_shards(session, job, [plans.ShardPlan("judge", count, 0)])


def judged(session: Session, comparison_id: str, found: Json) -> None:
    """A verdict on what has been evaluated so far; one that comes after the end is dropped."""
    job = jobs.lock(session, comparison_id)
    if jobs.is_terminal(job) or job.cancel_requested:
        return
    job.result = found
    session.flush()
    told = {"evaluations": found["evaluations"], "sentence": found["verdict"]["sentence"]}
    jobs.record_event(session, job, "comparison.judged", told)
    jobs.promise_advance(session, job)


def _end(comparison: _Comparison, state: State, reason: str) -> None:
    job = comparison.job
    if reason == "same_rows":
        job.result = _same_rows(comparison)
    elif reason == "failed" and job.result is None:
        _fail_by(comparison, state)
        return
    elif job.result is None:
        spent = f"{state.seconds / comparison_plan.MINUTE:.1f} minutes and {comparison.asked.spec.trainings}"
        detail = f"the budget was used up before two arms were measured ({spent} trainings): raise it"
        jobs.fail(comparison.session, job, "budget_used_up", detail)
        return
    job.result = {**(job.result or {}), "stop_reason": reason}
    jobs.transition(comparison.session, job, JobStatus.COMPLETED, {"stop_reason": reason})


def _same_rows(comparison: _Comparison) -> Json:
    arms = comparison.asked.spec.compared
    return {
        "evaluations": 0,
        "measure": comparison.asked.measure,
        "arms": [
            {"name": arm.name, "same_as": None if at == 0 else arms[0].name} for at, arm in enumerate(arms)
        ],
        "verdict": {"kind": "same_rows", "arm": None, "sentence": SAME_ROWS, "interim": False},
    }


def _fail_by(comparison: _Comparison, state: State) -> None:
    """Fewer than two arms are left: say why the first one fell."""
    key = next(iter(comparison_plan.faulty(comparison.asked.spec, state.statuses).values()))
    job = comparison.steps[key]
    what = f"{job.kind} {job.id} ({key.name} of run {key.run})"
    if job.error is None:
        jobs.fail(comparison.session, comparison.job, "step_cancelled", f"{what} is {job.status}: retry")
    else:
        _fail(comparison, what, job.error["code"], job.error["detail"])


def _fail(comparison: _Comparison, what: str, code: str, detail: str) -> None:
    jobs.fail(comparison.session, comparison.job, "step_failed", f"{what} failed with {code}: {detail}")
