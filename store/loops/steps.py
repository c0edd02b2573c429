"""What the rows say of a loop: its rounds, the jobs that were its steps, and what they came to."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import case, func, select, text
from sqlalchemy.orm import Session

from store.jobs import outbox
from store.jobs.requests import TrainingWork
from store.jobs.results import Trained
from store.kit.json import Json
from store.loops import plan as loop_plan
from store.loops.plan import Spent
from store.loops.results import Arm, Generated, Guard
from store.tables.jobs import Job, Shard
from store.tables.loops import LoopStep, Round
from store.tables.states import JobKind, ShardState

_LOST = text("""
select id from jobs j where kind in ('loop', 'comparison') and status = 'running'
    and not exists (select from shards where job_id = j.id and state in ('ready', 'running'))
    and not exists (select from rounds where loop_id = j.id and state = 'waiting')
    and not exists (
        select from loop_steps s join jobs c on c.id = s.job_id where s.loop_id = j.id
            and c.status not in ('completed', 'failed', 'cancelled', 'expired'))
limit 1000
""")

_ABANDONED = text("""
select c.tenant_id, c.id, c.kind from loop_steps s
    join jobs l on l.id = s.loop_id join jobs c on c.id = s.job_id
where l.status in ('cancelling', 'completed', 'failed', 'cancelled', 'expired') and not c.cancel_requested
    and c.status not in ('completed', 'failed', 'cancelled', 'expired') and (:loop = '' or l.id = :loop)
limit 1000
""")


@dataclass(frozen=True, slots=True)
class Step:
    """One step of one round, and the job that does it."""

    round: int
    name: str
    job: Job

    @property
    def trained(self) -> int:
        """Examples that its optimizer has seen, repetitions included; 0 where it is no finished training."""
        if self.job.kind != JobKind.TRAINING or self.job.result is None:
            return 0
        return (
            Trained.of(self.job.result).steps * TrainingWork.of(self.job.request, self.job.id).spec.batch_size
        )


@dataclass(frozen=True, slots=True)
class Outline:
    """What a loop needs to know of a step: where its job stands, and the numbers of an evaluation."""

    round: int
    name: str
    job_id: str
    kind: str
    status: str
    error: Json | None
    evaluation: Json
    """Without `artifacts`; empty for other kinds and until it is completed."""


def outline(session: Session, loop_id: str) -> list[Outline]:
    """All steps so far in the order in which they began, without the requests and results of their jobs."""
    measured = case((Job.kind == JobKind.EVALUATION, Job.result))
    rows = session.execute(
        select(LoopStep.round, LoopStep.step, Job.id, Job.kind, Job.status, Job.error, measured)
        .join(Job, Job.id == LoopStep.job_id)
        .where(LoopStep.loop_id == loop_id)
        .order_by(LoopStep.round, LoopStep.created_at, LoopStep.job_id)
    )
    return [
        Outline(number, name, job_id, kind, status, error, _plain(result))
        for number, name, job_id, kind, status, error, result in rows
    ]


def _plain(result: Json | None) -> Json:
    return {name: value for name, value in (result or {}).items() if name != "artifacts"}


def of_loop(session: Session, loop_id: str) -> list[Step]:
    """All steps so far, in the order in which they began."""
    rows = session.execute(
        select(LoopStep, Job)
        .join(Job, Job.id == LoopStep.job_id)
        .where(LoopStep.loop_id == loop_id)
        .order_by(LoopStep.round, LoopStep.created_at, LoopStep.job_id)
        .execution_options(populate_existing=True)
    )
    return [Step(row.round, row.step, job) for row, job in rows]


def numbers(steps: list[Step], number: int, arm: str) -> Arm:
    """An arm of a round, as far as it has come."""
    found = {step.name: step.job for step in steps if step.round == number}
    selection, training, evaluation = (found.get(loop_plan.step_name(arm, name)) for name in loop_plan.STEPS)
    return Arm(
        selection_id=selection.id if selection else None,
        training_id=training.id if training else None,
        evaluation_id=evaluation.id if evaluation else None,
        model_id=Trained.of(training.result).model_id if training and training.result else None,
        evaluation=_plain(evaluation.result if evaluation else None),
    )


def guarded(steps: list[Step], number: int) -> Guard | None:
    """What a round has done to the guard's examples; None without a guard, or without a number of both."""
    found = {step.round: step.job for step in steps if step.name == loop_plan.GUARD}
    if number not in found or 0 not in found:
        return None
    return loop_plan.guard_of(found[number].id, _plain(found[0].result), _plain(found[number].result))


def spent(session: Session, loop: Job, steps: list[Step]) -> Spent:
    """What the loop has used so far, by the database's clock and the rows."""
    seconds = session.scalar(select(func.extract("epoch", func.clock_timestamp() - loop.created_at)))
    made = [Generated.of(row.generated) for row in rounds(session, loop.id)]
    return Spent(
        seconds=float(seconds or 0.0),
        trained_examples=sum(step.trained for step in steps),
        generated_tokens=sum(row.tokens for row in made),
        cost=sum(row.spent for row in made),
    )


def rounds(session: Session, loop_id: str) -> list[Round]:
    """All rounds in order."""
    return list(session.scalars(select(Round).where(Round.loop_id == loop_id).order_by(Round.number)))


def completed_rounds(session: Session, loop_id: str) -> list[Round]:
    """Those that are over, in order."""
    return [row for row in rounds(session, loop_id) if row.result is not None]


def rounds_done(session: Session, loop_ids: Collection[str]) -> dict[str, int]:
    """How many rounds of each of these loops are over; loops without one are left out."""
    over = (Round.loop_id.in_(list(loop_ids)), Round.completed_at.is_not(None))
    rows = session.execute(select(Round.loop_id, func.count()).where(*over).group_by(Round.loop_id))
    return {loop_id: count for loop_id, count in rows}  # noqa: C416 - a Result has keys(), so dict() misreads it


def of_step(session: Session, job_id: str) -> LoopStep | None:
    """Which step of which loop a job is; None for one that runs alone."""
    return session.scalar(select(LoopStep).where(LoopStep.job_id == job_id))


def last_number(session: Session, loop_id: str) -> int:
    """The number of the newest round; 0 before the first."""
    return session.scalar(select(func.max(Round.number)).where(Round.loop_id == loop_id)) or 0


def job_id(session: Session, loop_id: str, number: int, step: str) -> str:
    """The job of a step that has begun."""
    return session.get_one(LoopStep, (loop_id, number, step)).job_id


def job_ids(session: Session, loop_id: str, step: str, *, before: int) -> list[str]:
    """The jobs of that step in the rounds before one, in order."""
    query = select(LoopStep.job_id).where(
        LoopStep.loop_id == loop_id, LoopStep.step == step, LoopStep.round < before
    )
    return list(session.scalars(query.order_by(LoopStep.round)))


def restart_generator(session: Session, loop_id: str) -> None:
    """Let a generator that a pause took from its queue wait there again."""
    query = select(Shard).where(
        Shard.job_id == loop_id, Shard.phase == "generate", Shard.state == ShardState.CANCELLED
    )
    shard = session.scalar(query)
    if shard is not None:
        shard.state, shard.finished_at = ShardState.READY, None
        shard.available_at = func.clock_timestamp()
        outbox.notify(session, shard.queue)


def lost(session: Session) -> list[str]:
    """Loops that nothing will advance: the promise to do so was lost."""
    return list(session.scalars(_LOST))


def abandoned(session: Session, loop_id: str = "") -> list[tuple[str, str, JobKind]]:
    """(tenant, id, kind) of steps that go on although their loop (any, or that one) ends or has ended."""
    rows = session.execute(_ABANDONED, {"loop": loop_id})
    return [(tenant_id, job_id, JobKind(kind)) for tenant_id, job_id, kind in rows]
