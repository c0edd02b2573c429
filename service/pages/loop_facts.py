"""What the page of a loop shows: measures by round, the steps of each round, when and why it ends."""

from sqlalchemy.orm import Session

from evoselect.spec.loop import LoopSpec, Stop
from service.html.templates import number
from service.loops import healths
from service.loops import round_charts as measures
from service.pages import facts
from store.jobs import lifecycle as jobs
from store.jobs import reads as job_reads
from store.kit.json import Json
from store.loops import advance as loops
from store.loops import plan as loop_plan
from store.loops import steps as loop_steps
from store.loops.plan import SELECTED, STEPS
from store.loops.steps import Outline
from store.tables.jobs import Job
from store.tables.loops import Round
from store.tables.states import PREFIX, TERMINAL, JobKind

ARMS = {"selected": "selected", "random": "drawn at random"}
REASONS = {
    "rounds": "All rounds were run.",
    "no_gain": "The last rounds had no gain over the random arm.",
    "forgetting": "The loss on the guard's examples had risen too far above the base model's.",
    "candidates_exhausted": "A round had fewer candidates left than it was to select.",
    "budget_seconds": "Its time was used up.",
    "budget_trained_examples": "The examples that it may train on were used up.",
    "budget_generated_tokens": "The tokens that it may generate were used up.",
    "budget_cost": "The cost that it may cause was used up.",
}
GENERATE = {"generating": "running", "waiting": "waiting", "running": "completed", "completed": "completed"}


def of_loop(session: Session, job: Job) -> Json:
    """Everything of the page that other jobs do not have."""
    spec, over = loops.spec_of(job), jobs.is_terminal(job)
    outline = loop_steps.outline(session, job.id)
    rows = loop_steps.rounds(session, job.id)
    shares = _shares(session, outline)
    arms = loop_plan.arms(spec)
    done = sum(row.completed_at is not None for row in rows)
    return {
        "charts": measures.charts(measured(outline, arms)),
        "rounds": [_round(row, spec, outline, shares, over=over) for row in rows],
        "base": next((_step(step, shares) for step in outline if _is_base(step)), None),
        "health": healths.table([(row.number, row.health) for row in rows]),
        "warnings": [
            {"round": row.number, **warning}
            for row in rows
            for warning in (row.health or {}).get("warnings", ())
        ],
        "done": f"{done} of {spec.rounds}",
        "rule": rule(spec.stop, spec.rounds),
        "reason": REASONS.get((job.result or {}).get("stop_reason", "")),
        "waits": next((row.number for row in rows if row.state == "waiting" and not over), None),
    }


def _is_base(step: Outline) -> bool:
    return step.round == 0 and step.name == "evaluate"


def place(session: Session, job_id: str) -> Json | None:
    """Which step of which loop or comparison a job is; None for one that runs alone."""
    step = loop_steps.of_step(session, job_id)
    if step is None:
        return None
    if step.loop_id.startswith(PREFIX[JobKind.COMPARISON]):
        return {"comparison_id": step.loop_id, "run": step.round, "step": step.step}
    return {"comparison_id": None, "loop_id": step.loop_id, "round": step.round, "step": step.step}


def measured(outline: list[Outline], arms: tuple[str, ...]) -> dict[str, dict[int, Json]]:
    """By arm and round the evaluations that are there; both arms begin with the same model."""
    names = {arm: loop_plan.step_name(arm, "evaluate") for arm in arms}
    return {
        arm: {
            step.round: step.evaluation
            for step in outline
            if step.evaluation and step.name == (name if step.round else "evaluate")
        }
        for arm, name in names.items()
    }


def rule(stop: Stop, rounds: int) -> list[str]:
    """When it ends, a sentence for each limit."""
    lines = [f"{rounds} round{'s' if rounds > 1 else ''} at most"]
    if stop.patience:
        lines.append(
            f"{stop.patience} in a row without a gain above {number(stop.min_gain)} nats over the random arm"
        )
    if stop.seconds is not None:
        lines.append(f"no round begins later than {facts.span(stop.seconds)} after the start")
    if stop.trained_examples is not None:
        lines.append(f"no round begins once {number(stop.trained_examples)} examples were trained on")
    if stop.generated_tokens is not None:
        lines.append(f"nothing is generated after {number(stop.generated_tokens)} tokens")
    if stop.cost is not None:
        lines.append(f"nothing is generated once it has cost {number(stop.cost)}")
    if stop.guard_rise is not None:
        lines.append(
            f"the guard's loss rises by more than {number(stop.guard_rise)} nats above the base model's"
        )
    return lines


def _shares(session: Session, outline: list[Outline]) -> dict[str, int]:
    """How far the open steps are, in per cent."""
    running = [step.job_id for step in outline if step.status not in TERMINAL]
    return {
        job_id: facts.share(sum(p["done"] for p in phases.values()), sum(p["total"] for p in phases.values()))
        for job_id, phases in job_reads.progress(session, running).items()
    }


def _round(row: Round, spec: LoopSpec, outline: list[Outline], shares: dict[str, int], *, over: bool) -> Json:
    own = {step.name: step for step in outline if step.round == row.number}
    result = row.result or {}
    return {
        "number": row.number,
        "state": "ended" if over and row.result is None else row.state,
        "generated": _generated(row),
        "gain": result.get("gain"),
        "guard": result.get("guard"),
        "loss": (result.get("loss") or "").replace("_", " "),
        "arms": [
            _arm(arm, own, shares, beside=loop_plan.beside(spec, row.number), over=over)
            for arm in loop_plan.arms(spec)
        ],
        "generate": "not run" if over and row.state in ("generating", "waiting") else GENERATE[row.state],
        "whole_pool": spec.generator.kind == "pool" and spec.generator.size is None,
    }


def _arm(
    arm: str, own: dict[str, Outline], shares: dict[str, int], *, beside: tuple[str, ...], over: bool
) -> Json:
    line = (*STEPS, *beside) if arm == SELECTED else STEPS
    names = {name: own.get(loop_plan.step_name(arm, name)) for name in line}
    later = {"status": "not run" if over else "waits", "href": None, "share": None}
    steps = [{"name": name, **(_step(step, shares) if step else later)} for name, step in names.items()]
    return {"name": ARMS[arm], "own": arm == SELECTED, "steps": steps}


def _step(step: Outline, shares: dict[str, int]) -> Json:
    """The job of a step as a link."""
    return {
        "status": step.status,
        "href": f"/ui/{step.kind}s/{step.job_id}",
        "share": shares.get(step.job_id) if step.status == "running" else None,
    }


def _generated(row: Round) -> list[tuple[str, str]]:
    """What the generator counted, the plain numbers of it."""
    plain = {name: value for name, value in row.generated.items() if isinstance(value, int | float) and value}
    return [(name.replace("_", " "), number(value)) for name, value in plain.items()]
