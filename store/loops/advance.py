"""Loops: rounds of generate, select, train, evaluate. Each step is an ordinary job; none of it runs here.

A loop is a job whose shards have the phase `advance`: each reads what has ended, ends a round or begins the
steps that are due, all in the transaction that ends the shard. The next one is promised in the transaction
that ends a step's job (`jobs.transition`), and by the sweeper where that promise was lost. They may come too
often; the keys of rounds and steps make sure that nothing is begun twice.

Locks: a step's job before its loop, never the other way round.
"""

from collections.abc import Iterable
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
from store.jobs.requests import Anchors, EvaluationWork, LoopWork, SelectionWork, TrainingWork
from store.jobs.results import Healthy, Trained, files_of
from store.kit.json import Json
from store.loops import health as loop_health
from store.loops import plan as loop_plan
from store.loops import steps as loop_steps
from store.loops.results import Arm, Generated, HealthWarning, LoopResult, RoundHealth, RoundResult
from store.settings import Settings
from store.tables.jobs import Job
from store.tables.loops import LoopStep, Round
from store.tables.states import TERMINAL, JobStatus

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
    if loop.spec.guard_target_id is not None:
        _start(loop, 0, loop_plan.SELECTED, loop_plan.GUARD)
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
    if current.health is None and statuses.get("select") == JobStatus.COMPLETED:
        _look_after(loop, current, steps)
    for arm, name in loop_plan.due(loop.spec, current.number, statuses):
        try:
            _start(loop, current.number, arm, name)
        except StoreError as error:
            _end_by_refusal(
                loop, current, f"{name} of round {current.number}", code=error.code, detail=error.detail
            )
            return
    measured = all(step.job.status == JobStatus.COMPLETED for step in steps if step.round == 0)
    if measured and loop_plan.is_over(loop.spec, current.number, statuses):
        _close(loop, current, steps)


def _look_after(loop: _Loop, current: Round, steps: list[loop_steps.Step]) -> None:
    """Keep the health of a round and tell its warnings, before it is trained on."""
    result = next(step.job.result for step in steps if (step.round, step.name) == (current.number, "select"))
    found = Healthy.of(result).health
    if found is None:
        return
    first = loop_steps.rounds(loop.session, loop.job.id)[0]
    before = None if first.health is None else RoundHealth.of(first.health)
    share = loop_plan.generated_share(loop.spec, found.selected.rows)
    health = loop_health.of_round(current.number, found, loop.spec, first=before, generated_share=share)
    current.health = health.model_dump(mode="json")
    loop.record_event("round.health", round=current.number, **current.health)
    _warn(loop, current, loop_health.of_verifier(Generated.of(current.generated).verifier))


def _warn(loop: _Loop, current: Round, warnings: Iterable[HealthWarning]) -> None:
    """Tell of a round what is known later than its health."""
    for warning in warnings:
        loop.record_event("round.warning", round=current.number, **warning.model_dump())
        if current.health is not None:
            told = RoundHealth.of(current.health)
            more = told.model_copy(update={"warnings": (*told.warnings, warning)})
            current.health = more.model_dump(mode="json")


def _close(loop: _Loop, current: Round, steps: list[loop_steps.Step]) -> None:
    """The round is over: keep its numbers, then end the loop or open the next round."""
    session = loop.session
    arms = {arm: loop_steps.numbers(steps, current.number, arm) for arm in loop_plan.arms(loop.spec)}
    verdict = loop_plan.verdict({arm: found.evaluation for arm, found in arms.items()}).model_dump()
    guard = loop_steps.guarded(steps, current.number)
    _warn(loop, current, loop_health.of_guard(guard))
    current.result = RoundResult(**verdict, arms=arms, guard=guard).model_dump(mode="json")
    current.state = "completed"
    current.completed_at = func.clock_timestamp()
    session.flush()
    loop.record_event("round.completed", round=current.number, **verdict)
    done = loop_steps.completed_rounds(session, loop.job.id)
    gains = [RoundResult.of(row.result).gain for row in done]
    reason = loop_plan.stop_reason(loop.spec, gains, loop_steps.spent(session, loop.job, steps), guard)
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
    make = {
        "select": _selection,
        "train": _training,
        "evaluate": _evaluation,
        loop_plan.GUARD: _guard,
        loop_plan.FAILURES: _failures,
    }[step]
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
        spec=_drawn_by(spec.selecting, arm),
        features=spec.features,
        feature_files=None,
        model=model,
        seed=_seed(spec, number),
        exclude_selection_ids=tuple(earlier) if spec.consume_once else (),
    )
    shard_rows = pace.shard_rows(session, tenant_id, asked, loop.settings)
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
        **_anchored(loop, chosen),
    )
    most = loop.settings.max_training_steps
    return submissions.training(loop.session, loop.job.tenant_id, asked, most_steps=most, label=label)


def _anchored(loop: _Loop, chosen: str) -> dict[str, Anchors]:
    """The rows of the target beside those of a selection, where there are to be some."""
    items = files_of(loop.session.get_one(Job, chosen).result).items.rows or 0
    rows = loop.spec.anchors(items)
    if not rows:
        return {}
    measured = (loop.asked.evaluation_target_id, loop.spec.guard_target_id)
    apart = tuple(target_id for target_id in measured if target_id is not None)
    return {"anchors": Anchors(target_id=loop.asked.target_id, rows=rows, apart_from=apart)}


def _evaluation(loop: _Loop, number: int, arm: str, label: submissions.Label) -> Job:
    return _measured_on(loop, loop.asked.evaluation_target_id, _model_before(loop, number + 1, arm), label)


def _guard(loop: _Loop, number: int, arm: str, label: submissions.Label) -> Job:
    return _measured_on(loop, str(loop.spec.guard_target_id), _model_before(loop, number + 1, arm), label)


def _measured_on(loop: _Loop, target_id: str, model: str, label: submissions.Label) -> Job:
    asked = EvaluationWork(target_id=target_id, model=model, spec=loop.spec.evaluation, halves=True)
    return submissions.evaluation(loop.session, loop.job.tenant_id, asked, label)


def _failures(loop: _Loop, number: int, arm: str, label: submissions.Label) -> Job:
    """Losses alone: that is what the next round's prompts are chosen by."""
    spec = loop.spec.evaluation.model_copy(update={"generate": False})
    model = _model_before(loop, number + 1, arm)
    asked = EvaluationWork(target_id=loop.asked.target_id, model=model, spec=spec)
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
    base = loop_steps.numbers(steps, 0, loop_plan.SELECTED).evaluation
    at, split = loop_plan.best_of([RoundResult.of(row.result) for row in done])
    best = done[at]
    loop.job.result = LoopResult(
        stop_reason=reason,
        rounds=len(done),
        model_id=_model_of(done[-1]),
        best_round=best.number,
        best_model_id=_model_of(best),
        base=base,
        best_reported=_other_half(_selected(best).evaluation) if split else None,
        base_reported=_other_half(base) if split else None,
        trained_examples=sum(step.trained for step in steps),
    ).model_dump(mode="json")
    jobs.cancel_waiting_shards(loop.session, loop.job.id)
    jobs.transition(loop.session, loop.job, JobStatus.COMPLETED, {"stop_reason": reason})


def _other_half(evaluation: Json) -> Json | None:
    """The numbers on the examples that nothing was chosen on."""
    halves = evaluation.get("halves")
    return dict(halves[1]) if halves else None


def _selected(row: Round) -> Arm:
    return RoundResult.of(row.result).arms[loop_plan.SELECTED]


def _model_of(row: Round) -> str:
    return str(_selected(row).model_id)
