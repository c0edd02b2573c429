"""Where the seconds of a loop go: steps that ran, and the time in which none did."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from evoselect_client import Client
from evoselect_client.models import Loop

Json = dict[str, Any]
Span = tuple[float, float]


def overhead(client: Client, loop: Loop) -> Json:
    """Seconds of the loop in which none of its steps ran, over those in which one did, and where they lie."""
    spans = [(a.timestamp(), b.timestamp(), name) for a, b, name in _of(client, loop) if a and b]
    busy = covered([(first, last) for first, last, _ in spans])
    assert loop.completed_at is not None
    whole = loop.completed_at.timestamp() - min(first for first, _, _ in spans)
    return {
        "seconds": round(whole, 2),
        "busy_seconds": round(busy, 2),
        "overhead_ratio": (whole - busy) / busy,
        "gaps": gaps(spans, loop.completed_at.timestamp()),
    }


def _of(client: Client, loop: Loop) -> list[tuple[datetime | None, datetime | None, str]]:
    """(begun, ended, what) of every step, the base model's evaluation among them."""
    nouns = {"select": client.selections, "train": client.trainings, "evaluate": client.evaluations}
    found = _made(loop)
    for event in loop.events():
        if event.type == "step.started":
            step = str(event.data["step"])
            noun: Any = nouns.get(step.rpartition(".")[2], client.evaluations)
            job = noun.retrieve(event.data["job_id"])
            found.append((job.running_at, job.completed_at, f"{event.data['round']} {step}"))
    return found


def _made(loop: Loop) -> list[tuple[datetime | None, datetime | None, str]]:
    """When rounds drew their candidates and had them checked."""
    at = {(event.type, event.data.get("round")): event.created_at for event in loop.events()}
    return [
        (begun, at.get(("round.generated", number)), f"{number} generate")
        for (kind, number), begun in at.items()
        if kind == "round.started"
    ]


def covered(spans: Sequence[Span]) -> float:
    """Seconds that lie in at least one span."""
    total, end = 0.0, float("-inf")
    for first, last in sorted(spans):
        total += max(0.0, last - max(first, end))
        end = max(end, last)
    return total


def gaps(spans: Sequence[tuple[float, float, str]], over: float) -> list[Json]:
    """Seconds in which nothing ran, in order, with the step that ended last and the next one."""
    found: list[Json] = []
    end, before = None, "start"
    for first, last, name in [*sorted(spans), (over, over, "end")]:
        if end is not None and first > end:
            found.append({"seconds": round(first - end, 3), "after": before, "before": name})
        if end is None or last > end:
            end, before = last, name
    return found
