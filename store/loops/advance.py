"""Loops: rounds of generate, select, train, evaluate. Each step is an ordinary job; none of it runs here.

A loop is a job whose shards have the phase `advance`: each reads what has ended, ends a round or begins the
steps that are due, all in the transaction that ends the shard. The next one is promised in the transaction
that ends a step's job (`jobs.transition`), and by the sweeper where that promise was lost. They may come too
often; the keys of rounds and steps make sure that nothing is begun twice.

Locks: a step's job before its loop, never the other way round.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from evoselect.spec.loop import CURRENT, LoopSpec, PoolGenerator
from evoselect.spec.selection import SelectionSpec
from store.data import pools
from store.errors import Conflict, StoreError
from store.jobs import lifecycle as jobs
from store.jobs import pace, plans, submissions
from store.jobs.requests import EvaluationWork, LoopWork, SelectionWork, TrainingWork
from store.jobs.results import Trained
from store.loops import plan as loop_plan
from store.loops import steps as loop_steps
from store.loops.results import Generated, LoopResult, RoundResult
from store.settings import Settings
from store.tables.jobs import Job
from store.tables.loops import LoopStep, Round
from store.tables.states import TERMINAL, JobKind, JobStatus

EXHAUSTED = frozenset({"too_few_usable", "k_exceeds_pool", "empty_pool"})
"""Codes of a selection that found too few candidates: after the first round they end a loop, not fail it."""


@dataclass(frozen=True, slots=True)
class _Loop:
    """A locked loop while it advances."""

    session: Session
    settings: Settings
    job: Job
    asked: LoopWork

    @property
    def spec(self) -> LoopSpec:
        """Its settings."""
        return self.asked.spec

    def record_event(self, event: str, **data: Any) -> None:
        jobs.record_event(self.session, self.job, event, data)


def spec_of(job: Job) -> LoopSpec:
    """The settings in the loop's request; raises Invalid for those that an older version took."""
    return LoopWork.of(job.request, job.id).spec


def advance(session: Session, settings: Settings, loop_id: str) -> None:
    """Begin what is due, end what is over."""
    job = jobs.lock(session, loop_id)
    if job.status != JobStatus.RUNNING:
        return
    loop = _Loop(session, settings, job, LoopWork.of(job.request, job.id))
    current = open_round(session, loop_id)
    if current is None and loop_steps.last_number(session, loop_id) == 0:
        _begin(loop)
    elif current is not None:
        _go_on(loop, current)


def _begin(loop: _Loop) -> None:
    _start(loop, 0, loop_plan.SELECTED, "evaluate")
    _open(loop, 1)


def _go_on(loop: _Loop, current: Round) -> None:
    steps = loop_steps.of_loop(loop.session, loop.job.id)
    for step in steps:
        if step.job.status in TERMINAL and step.job.status != JobStatus.COMPLETED:
            _end_by(loop, current, step)
            return
    if current.state != "running":  # no candidates yet; what runs beside is the base model's evaluation
        return
    statuses = {step.name: step.job.status for step in steps if step.round == current.number}
    for arm, name in loop_plan.due(loop.spec, statuses):
        try:
            _start(loop, current.number, arm, name)
        except StoreError as error:
            _end_by_refusal(
                loop, current, f"{name} of round {current.number}", code=error.code, detail=error.detail
            )
            return
    measured = any(step.round == 0 and step.job.status == JobStatus.COMPLETED for step in steps)
    if measured and loop_plan.is_over(loop.spec, statuses):
        _close(loop, current, steps)


def _close(loop: _Loop, current: Round, steps: list[loop_steps.Step]) -> None:
    """The round is over: keep its numbers, then end the loop or open the next round."""
    session = loop.session
    arms = {arm: loop_steps.numbers(steps, current.number, arm) for arm in loop_plan.arms(loop.spec)}
    verdict = loop_plan.verdict({arm: found.evaluation for arm, found in arms.items()}).model_dump()
    current.result = RoundResult(**verdict, arms=arms).model_dump(mode="json")
    current.state = "completed"
    current.completed_at = func.clock_timestamp()
    session.flush()
    loop.record_event("round.completed", round=current.number, **verdict)
    done = loop_steps.completed_rounds(session, loop.job.id)
    gains = [RoundResult.of(row.result).gain for row in done]
    reason = loop_plan.stop_reason(loop.spec, gains, loop_steps.spent(session, loop.job, steps))
    if reason is None:
        _open(loop, current.number + 1)
    else:
        _complete(loop, reason)


def _open(loop: _Loop, number: int) -> None:
    """A further round; its generator begins, or is not needed."""
    generator = loop.spec.generator
    row = Round(loop_id=loop.job.id, number=number, state="generating")
    if isinstance(generator, PoolGenerator) and generator.size is None:
        row.state, row.pool_id, row.pool_version = "running", generator.pool_id, generator.pool_version
    elif generator.kind == "push":
        pool = pools.create(loop.session, loop.job.tenant_id, name=f"{loop.job.id} round {number}")
        row.state, row.pool_id = "waiting", pool.id
    loop.session.add(row)
    loop.session.flush()
    loop.record_event("round.started", round=number, state=row.state)
    if row.state == "running":
        _go_on(loop, row)
    elif row.state == "generating":
        size = getattr(generator, "size", None) or 0
        payload = {"round": number}
        jobs.insert_shards(loop.session, loop.job, [plans.ShardPlan("generate", number, size, payload)])
    loop.job.phase = "generate" if row.state != "running" else loop.job.phase


def generated(
    session: Session, loop_id: str, number: int, pool_id: str, *, version: int, counts: Generated
) -> None:
    """The candidates of a round are there; raises Conflict unless the round waited for them."""
    job = jobs.lock(session, loop_id)
    row = open_round(session, loop_id)
    states = ("generating",) if jobs.is_terminal(job) else ("generating", "waiting")
    if row is None or row.number != number or row.state not in states:
        raise Conflict(
            f"round {number} of loop {loop_id} does not wait for candidates", code="round_not_waiting"
        )
    row.pool_id, row.pool_version, row.state = pool_id, version, "running"
    row.generated = counts.stored()
    session.flush()
    jobs.record_event(session, job, "round.generated", {"round": number, **row.generated})
    jobs.promise_advance(session, job)


def open_round(session: Session, loop_id: str) -> Round | None:
    """The round that is not completed yet."""
    return session.scalar(select(Round).where(Round.loop_id == loop_id, Round.completed_at.is_(None)))


def _start(loop: _Loop, number: int, arm: str, step: str) -> None:
    """Create the step's job under its unique name."""
    make = {"select": _selection, "train": _training, "evaluate": _evaluation}[step]
    name = loop_plan.step_name(arm, step)
    with loop.session.begin_nested():  # a refusal leaves nothing of the job behind
        job = make(loop, number, arm, _label(loop, number, name))
        loop.session.add(LoopStep(loop_id=loop.job.id, round=number, step=name, job_id=job.id))
        loop.session.flush()
    loop.job.phase = step
    loop.record_event("step.started", round=number, step=name, job_id=job.id)


def _label(loop: _Loop, number: int, name: str) -> submissions.Label:
    metadata = {"loop_id": loop.job.id, "round": str(number), "step": name}
    return submissions.Label(loop.job.name, metadata, loop.job.priority)


def _selection(loop: _Loop, number: int, arm: str, label: submissions.Label) -> Job:
    spec, session, tenant_id = loop.spec, loop.session, loop.job.tenant_id
    current = session.get_one(Round, (loop.job.id, number))
    model = _model_before(loop, number, loop_plan.SELECTED) if spec.proxy == CURRENT else spec.proxy
    earlier = loop_steps.job_ids(session, loop.job.id, loop_plan.step_name(arm, "select"), before=number)
    pool_id, size = str(current.pool_id), submissions.Size(spec.k, spec.ratio)
    version, k = submissions.sized(session, tenant_id, pool_id, current.pool_version, size=size)
    asked = SelectionWork(
        target_id=loop.asked.target_id,
        pool_id=pool_id,
        pool_version=version,
        k=k,
        spec=_drawn_by(spec.selection, arm),
        features=spec.features,
        feature_files=None,
        model=model,
        seed=_seed(spec, number),
        exclude_selection_ids=tuple(earlier) if spec.consume_once else (),
    )
    shard_rows = pace.shard_rows(session, tenant_id, model, loop.settings)
    return submissions.selection(session, tenant_id, asked, shard_rows=shard_rows, label=label)


def _drawn_by(spec: SelectionSpec, arm: str) -> SelectionSpec:
    """The settings of the random arm: it repeats as much and draws from the same candidates.

    Other settings mean nothing to it, and some are refused.
    """
    if arm == loop_plan.SELECTED:
        return spec
    return SelectionSpec(
        method="random",
        repeat_budget=spec.repeat_budget,
        least_quality=spec.least_quality,
        near_copies=spec.near_copies,
        balance=spec.balance,
    )


def _training(loop: _Loop, number: int, arm: str, label: submissions.Label) -> Job:
    chosen = loop_steps.job_id(loop.session, loop.job.id, number, loop_plan.step_name(arm, "select"))
    asked = TrainingWork(
        selection_id=chosen,
        base_model=_model_before(loop, number, arm),
        spec=loop.spec.training,
        seed=_seed(loop.spec, number),
    )
    most = loop.settings.max_training_steps
    return submissions.training(loop.session, loop.job.tenant_id, asked, most_steps=most, label=label)


def _evaluation(loop: _Loop, number: int, arm: str, label: submissions.Label) -> Job:
    asked = EvaluationWork(
        target_id=loop.asked.evaluation_target_id,
        model=_model_before(loop, number + 1, arm),
        spec=loop.spec.evaluation,
    )
    return submissions.evaluation(loop.session, loop.job.tenant_id, asked, label)


def _seed(spec: LoopSpec, number: int) -> int:
    return spec.seed + number - 1


def _model_before(loop: _Loop, number: int, arm: str) -> str:
    """The arm's model at the beginning of a round: what the last round trained, or the base model."""
    if number <= 1:
        return loop.asked.base_model
    trained = loop_steps.job_id(loop.session, loop.job.id, number - 1, loop_plan.step_name(arm, "train"))
    return Trained.of(loop.session.get_one(Job, trained).result).model_id


def _end_by(loop: _Loop, current: Round, step: loop_steps.Step) -> None:
    """A step ended without a result."""
    what = f"{step.job.kind} {step.job.id} ({step.name} of round {step.round})"
    if step.job.error is None:
        jobs.fail(loop.session, loop.job, "step_cancelled", f"{what} is {step.job.status}: retry the loop")
    else:
        _end_by_refusal(loop, current, what, code=step.job.error["code"], detail=step.job.error["detail"])


def _end_by_refusal(loop: _Loop, current: Round, what: str, *, code: str, detail: str) -> None:
    if code in EXHAUSTED and current.number > 1:
        _complete(loop, "candidates_exhausted")
    else:
        jobs.fail(loop.session, loop.job, "step_failed", f"{what} failed with {code}: {detail}")


def _complete(loop: _Loop, reason: str) -> None:
    steps = loop_steps.of_loop(loop.session, loop.job.id)
    done = loop_steps.completed_rounds(loop.session, loop.job.id)
    best = min(done, key=_loss) if done else None
    loop.job.result = LoopResult(
        stop_reason=reason,
        rounds=len(done),
        model_id=_model_of(done[-1]),
        best_round=best.number if best else None,
        best_model_id=_model_of(best) if best else None,
        base=loop_steps.numbers(steps, 0, loop_plan.SELECTED).evaluation,
        trained_examples=sum(step.trained for step in steps),
    ).model_dump(mode="json")
    jobs.cancel_waiting_shards(loop.session, loop.job.id)
    jobs.transition(loop.session, loop.job, JobStatus.COMPLETED, {"stop_reason": reason})


def _loss(row: Round) -> float:
    result = RoundResult.of(row.result)
    return float(result.arms[loop_plan.SELECTED].evaluation[result.loss]) if result.loss else 0.0


def _model_of(row: Round) -> str:
    return str(RoundResult.of(row.result).arms[loop_plan.SELECTED].model_id)


def pause(session: Session, tenant_id: str, loop_id: str, kind: JobKind = JobKind.LOOP) -> Job:
    """Begin nothing further; what runs goes on to its end. Conflict where the loop, or comparison, ended."""
    jobs.get(session, tenant_id, loop_id, kind)
    job = jobs.lock(session, loop_id)
    if job.status != JobStatus.PAUSED:
        _require_open(job, "paused")
        jobs.transition(session, job, JobStatus.PAUSED)
        jobs.cancel_waiting_shards(session, loop_id)
    return _refreshed(session, job)


def resume(session: Session, tenant_id: str, loop_id: str, kind: JobKind = JobKind.LOOP) -> Job:
    """Go on with a paused loop or comparison; Conflict where it has ended."""
    jobs.get(session, tenant_id, loop_id, kind)
    job = jobs.lock(session, loop_id)
    if job.status == JobStatus.PAUSED:
        jobs.transition(session, job, JobStatus.RUNNING)
        loop_steps.restart_generator(session, loop_id)
        jobs.promise_advance(session, job)  # whatever a generator does: a step may have failed meanwhile
    else:
        _require_open(job, "resumed")
    return _refreshed(session, job)


def _require_open(job: Job, what: str) -> None:
    if job.status in TERMINAL or job.cancel_requested:
        raise Conflict(f"{job.kind} {job.id} is {job.status}: it cannot be {what}", code="job_ended")


def _refreshed(session: Session, job: Job) -> Job:
    session.flush()
    session.refresh(job)
    return job
