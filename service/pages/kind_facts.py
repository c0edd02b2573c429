"""What the pages of trainings and evaluations show beside what all jobs have."""

from typing import TypedDict, cast

from sqlalchemy.orm import Session

from service.html.charts import Chart, Interval, Series, with_interval
from service.html.templates import number
from service.loops.round_charts import MEASURES
from service.pages import facts
from store.jobs import reads as job_reads
from store.kit.json import Json
from store.tables.data import File, Pool
from store.tables.jobs import Job
from store.tables.states import JobStatus

FEW = 20  # points that are drawn as dots too: a line through a single one would show nothing
POINTS = 200  # of a curve at most; each is the mean of its steps


class Measured(TypedDict):
    """A measure that an evaluation has."""

    title: str
    unit: str
    value: str
    """With its interval."""


class LearntFrom(TypedDict):
    """What a training learns from, by its name."""

    name: str
    href: str | None


class TrainingFacts(TypedDict):
    """What the page of a training shows."""

    chart: Chart | None
    now: list[tuple[str, str]]
    """While it runs."""
    source: LearntFrom


def of_training(session: Session, job: Job) -> TrainingFacts:
    """The loss so far, and how fast it goes."""
    told = [event.data for event in job_reads.told(session, job.id, "training.metrics")]
    history = (job.result or {}).get("loss_history")
    if history is None:
        again = {at["step"]: at["loss"] for at in told}  # an attempt after a crash tells its steps once more
        curve = sorted(again.items())
    else:
        curve = list(enumerate(history, start=1))
    return {
        "chart": _curve(curve, whole=history is not None) if curve else None,
        "now": _now(told[-1]) if told and job.status == JobStatus.RUNNING else [],
        "source": _source(session, job.request),
    }


def of_evaluation(job: Job) -> list[Measured]:
    """A line for each measure that it has, or for each metric of each named task."""
    result = job.result or {}
    intervals = result.get("intervals", {})
    own = [
        _line(title, unit, result[name], intervals.get(name))
        for name, (title, unit) in MEASURES.items()
        if result.get(name) is not None
    ]
    tasks = [
        _line(f"{task}: {metric}", f"{found['n']} questions", told["value"], told["interval"])
        for task, found in result.get("tasks", {}).items()
        for metric, told in found["metrics"].items()
    ]
    return own + tasks


def _line(title: str, unit: str, value: float, interval: Interval | None) -> Measured:
    return {"title": title, "unit": unit, "value": with_interval(value, interval)}


def _curve(curve: list[tuple[int, float]], *, whole: bool) -> Chart:
    width = -(-len(curve) // POINTS)
    parts = [curve[start : start + width] for start in range(0, len(curve), width)]
    each = "each step" if width == 1 else f"the steps, each point the mean of {width}"
    if not whole:
        each = "the steps that were told, about one a second"
    losses = [sum(loss for _, loss in part) / len(part) for part in parts]
    return Chart(
        "Training loss",
        f"Loss of the answers' tokens in {each}.",
        "step",
        "nats per token",
        [part[-1][0] for part in parts],
        [Series("loss", "selected", list(losses), "dots" if len(losses) <= FEW else "line")],
        whole=True,
    )


def _now(at: Json) -> list[tuple[str, str]]:
    return [
        ("step", f"{number(at['step'])} of {number(at['steps'])}"),
        ("loss", number(at["loss"])),
        ("tokens per second", number(at["tokens_per_second"])),
        ("left", facts.span(at["eta_seconds"])),
    ]


def _source(session: Session, request: Json) -> LearntFrom:
    tables: dict[str, tuple[type[Job | File | Pool], str]] = {
        "selection_id": (Job, "selections"),
        "file_id": (File, "files"),
        "pool_id": (Pool, "pools"),
    }
    for field, (table, noun) in tables.items():
        if request.get(field):
            row = cast("Job | File | Pool | None", session.get(table, request[field]))
            what = field.removesuffix("_id")
            name = what if row is None else facts.title(row.name, what, row.created_at)
            return {"name": name, "href": f"/ui/{noun}/{request[field]}" if row else None}
    return {"name": "", "href": None}
