"""`python -m benchmarks.loops.verifiers`: what each verifier does to the kept candidates' real wrong answers.

    python -m benchmarks.loops.verifiers [--kinds agreement,judge] [--generator-model FOLDER] [--tasks a,b]

A JSON row a task and kind, by the product's own verifiers: the area under the ROC curve (right candidates of
the task against wrong ones, as the generator made them), the share of wrong ones before and after, the share
of right ones lost. What is asked goes to the generator, and its answers are kept.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.loops import candidates
from benchmarks.loops.__main__ import LOOPBACK, given
from benchmarks.loops.arms import WHOLE, verifier
from benchmarks.loops.run import filtered
from benchmarks.loops.serving import served
from benchmarks.loops.tasks import TASKS, Json, Task
from evoselect.measures.health import separation
from evoselect.spec.verifier import LEAST_QUALITY, AgreementVerifier, Asked, JudgeVerifier
from store.records.record import parse_record
from store.settings import Settings
from workers.verifiers.calibration import some
from workers.verifiers.checking import Checking, State
from workers.verifiers.rounds import opened


def main() -> None:
    """Print a JSON row a task and kind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--generator-model", type=Path, help="folder of an instruct model")
    parser.add_argument("--candidates", type=Path, default=candidates.KEPT, help="folder of what it answered")
    parser.add_argument(
        "--kinds", default="agreement", help="of agreement, agreement-without-examples and judge"
    )
    parser.add_argument("--warm", default="", help="tasks whose loops are to find every answer kept")
    parser.add_argument("--tasks", default=",".join(WHOLE.generated), help="names, with commas between them")
    arguments = parser.parse_args()
    with served(arguments.candidates / candidates.CHECKS, arguments.generator_model) as url:
        rows = given(WHOLE, arguments.candidates, url).pool
        for kind in arguments.kinds.split(","):
            for name in arguments.tasks.split(","):
                task = TASKS[name]
                own = [row for row in rows if task.solve(row["prompt"]) is not None]
                target = task.examples(WHOLE.target, 0)
                scores = scored(asked(kind, task, url), own, target)
                print(json.dumps({"task": name, "kind": kind, **told(task, own, scores)}), flush=True)
        for name in arguments.warm.split(",") if arguments.warm else ():
            target = TASKS[name].examples(WHOLE.target, 0)
            scored(AgreementVerifier.model_validate(verifier(url)), [*rows, *target], target)


def asked(kind: str, task: Task, url: str) -> Asked:
    """The verifier as a loop would be told it."""
    if kind != "judge":
        alone = {"examples": 0} if kind == "agreement-without-examples" else {}
        return AgreementVerifier.model_validate(verifier(url) | alone)
    common = {name: value for name, value in verifier(url).items() if name != "samples"}
    return JudgeVerifier.model_validate(common | {"kind": "judge", "rubric": task.rubric})


def scored(verifier: Asked, rows: Sequence[Json], target: Sequence[Json]) -> list[float | None]:
    """By the product's own way of asking."""
    records = [parse_record(row) for row in rows]
    settings = Settings().model_copy(update={"generator_networks": LOOPBACK})
    most = verifier.examples if isinstance(verifier, AgreementVerifier) else 0
    shown = some([parse_record(row) for row in target], most, 0)
    calls, scorer = opened(verifier, settings, 1.0, shown)
    state = State()
    try:
        checking = Checking(scorer, verifier.concurrency, state, lambda _: True, lambda: None, lambda _: None)
        checking.run(records)
    finally:
        calls.close()
    return [state.scores[record.content_hash] for record in records]


def told(task: Task, rows: Sequence[Json], scores: Sequence[float | None]) -> Json:
    """A row without a score is left out, as in a loop."""
    right = [task.is_right(row) for row in rows]
    good = [score for score, is_right in zip(scores, right, strict=True) if is_right and score is not None]
    bad = [score for score, is_right in zip(scores, right, strict=True) if not is_right and score is not None]
    kept = [score is not None and score >= LEAST_QUALITY for score in scores]
    counts = {"rows": len(rows), "wrong": len(rows) - sum(right), "unscored": scores.count(None)}
    return {**counts, "auc": separation(good, bad), **filtered(right, kept)}


if __name__ == "__main__":
    main()
