"""What the demo measures of a draw: its make-up by the injected marks, and what training on it bought."""

from collections.abc import Sequence
from typing import Any

from evoselect_client.client import Client
from evoselect_client.models import Evaluation, Item, Selection

Json = dict[str, Any]


def composition(items: Sequence[Item], target_set: str) -> Json:
    """Shares of the drawn records, in [0, 1].

    on_target: from the target's own data set, whatever else is wrong with them. noise: with an injected wrong
    answer. duplicates: near-copies of a question that is drawn already, at a better rank.
    """
    seen: set[str] = set()
    on_target = noise = duplicates = 0
    for item in items:
        mark = item.record["metadata"]
        question = mark.get("duplicate_of", item.id)
        on_target += mark["source"] == target_set
        noise += mark["kind"] == "wrong_answer"
        duplicates += question in seen
        seen.add(question)
    n = len(items)
    return {"n": n, "on_target": on_target / n, "noise": noise / n, "duplicates": duplicates / n}


def transport(selection: Selection) -> Json:
    """Distance of the draw to the target, and the certificate where the method gives one."""
    diagnostics = selection.output()["diagnostics"]
    return {
        "transport": diagnostics["transport"],
        "gap": diagnostics.get("gap"),
        "converged": diagnostics.get("converged"),
    }


def quality(evaluation: Evaluation) -> Json:
    """How the model answers the test questions."""
    result = evaluation.output()
    return {name: result[name] for name in ("n", "answer_nll", "choice_cross_entropy", "accuracy")}


def gain(client: Client, random: Evaluation, ours: Evaluation) -> Json:
    """Accuracy of ours above that of a random draw, paired by question: difference and its 95 % interval."""
    found = client.evaluations.compare(random.id, ours.id)["accuracy"]
    return {name: found[name] for name in ("n", "difference", "interval", "p_value")}


def seconds(*jobs: Any) -> dict[str, float]:
    """Seconds per phase, from the first claim of a shard to the last commit, summed over the jobs."""
    total: dict[str, float] = {}
    for job in jobs:
        for name, phase in job.progress.phases.items():
            total[name] = total.get(name, 0.0) + phase.seconds
    return total
