"""Events, phases and columns of results in words."""

from collections.abc import Mapping
from typing import Any

from store.kit.json import Json

PHASES = (
    "generate",
    "features",
    "sums",
    "lists",
    "transport",
    "train",
    "evaluate",
    "judge",
    "index",
    "advance",
    "compare",
)
"""In the order in which they come."""
PHASE_WORDS = {
    "generate": "Getting candidates",
    "features": "Reading the records with the proxy model",
    "sums": "Finding what the records have in common",
    "lists": "Comparing the records with the target",
    "transport": "Choosing",
    "train": "Training",
    "evaluate": "Measuring",
    "judge": "Judging",
    "index": "Laying the records out for searches",
    "advance": "Planning the next step",
    "compare": "Planning the next step",
}
ALIKE = 0.05  # of redundancy: below it an item stands alone, as evoselect.selection says too
EVENTS = {
    "job.queued": "Accepted; waits for its turn",
    "job.running": "Begun",
    "job.paused": "Paused",
    "job.cancelling": "Asked to stop",
    "job.completed": "Completed",
    "job.failed": "Failed",
    "job.cancelled": "Cancelled",
    "job.expired": "Expired before it was done",
    "round.started": "Round {round} begun",
    "round.generated": "Candidates of round {round} are there",
    "round.completed": "Round {round} completed",
    "shard.left_out": "A part was left out because it failed again and again",
}


def of_event(event: Mapping[str, Any]) -> str:
    """What happened."""
    kind, data = event["type"], event["data"] or {}
    if kind == "phase.started":
        return PHASE_WORDS.get(data.get("phase", ""), "The next phase") + " begins"
    if kind == "training.metrics":
        return f"Step {data.get('step')} of {data.get('steps')}, loss {data.get('loss', 0):.3g}"
    if kind == "step.started" and "arm" in data:
        return f"{data['arm']}: {data['step']} {data['run'] or ''} begun".replace("  ", " ")
    if kind == "comparison.judged":
        return f"After {data['evaluations']} trainings: {data['sentence']}"
    if kind == "step.started":
        return f"{str(data.get('step', 'A step')).replace('_', ' ').replace('.', ': ').capitalize()} begun"
    told: str = EVENTS.get(kind, kind.replace(".", " ").replace("_", " ").capitalize())
    return told.replace("{round}", str(data.get("round", data.get("number", ""))))


def in_order(phase: str) -> int:
    """Where a phase stands among the others."""
    return PHASES.index(phase) if phase in PHASES else len(PHASES)


def of_item(item: Json) -> str:
    """How an item stands to the others that were selected; the targets that it serves stand beside it."""
    alike = item.get("redundancy")
    if alike is None:
        return ""
    return (
        "Nothing similar was selected." if alike < ALIKE else f"What was selected holds {alike:.2f} like it."
    )
