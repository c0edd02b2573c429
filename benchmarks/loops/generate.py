"""`python -m benchmarks.loops.generate`: candidates of an instruct model, kept as requests and answers.

    python -m benchmarks.loops.generate --generator-model FOLDER --candidates FOLDER [--requests 16]

FOLDER of the generator is an instruct model as transformers reads it. What the folder of the candidates has
already is not asked again, so the call can be interrupted and made again. It prints what came of it by task.
"""

import argparse
import json
import time
from pathlib import Path

import torch

from benchmarks.loops.arms import WHOLE
from benchmarks.loops.candidates import COLLAPSING, KEPT, POOL, ask, bodies, lines, pool, repeat_itself
from benchmarks.loops.decoding import Decoder
from benchmarks.loops.tasks import TASKS, Json
from store.records.record import parse_record

TOGETHER = 16  # requests at once


def main() -> None:
    """Ask for what is missing, print a line a task."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--generator-model", type=Path, required=True, help="folder of an instruct model")
    parser.add_argument("--candidates", type=Path, default=KEPT, help="folder of what it has generated")
    parser.add_argument("--requests", type=int, default=16, help="for each task, of 8 candidates each")
    parser.add_argument("--tasks", default=",".join(WHOLE.generated), help="names, with commas between them")
    parser.add_argument(
        "--collapse", type=int, default=3, help="requests a round of the one that repeats itself"
    )
    arguments = parser.parse_args()
    folder: Path = arguments.candidates
    folder.mkdir(parents=True, exist_ok=True)
    start, model = time.perf_counter(), Decoder(arguments.generator_model)
    torch.set_num_threads(1)
    targets = {name: TASKS[name].examples(WHOLE.target, 0) for name in arguments.tasks.split(",")}
    for name, target in targets.items():
        examples = [parse_record(row) for row in target]
        for first in range(0, arguments.requests, TOGETHER):
            numbers = range(first, min(first + TOGETHER, arguments.requests))
            ask(model, folder / POOL, name, bodies(examples, numbers))
        print(json.dumps(told(folder / POOL, name, targets)), flush=True)
    for name in WHOLE.repeated:
        if arguments.collapse and name in targets:
            repeat_itself(model, folder / COLLAPSING, name, targets[name], arguments.collapse)
    print(json.dumps({"seconds": round(time.perf_counter() - start)}), flush=True)


def told(path: Path, name: str, targets: dict[str, list[Json]]) -> Json:
    """Of one task: records as they came, different ones, those of the task, right ones among these."""
    task = TASKS[name]
    came = sum(len(line.records()) for line in lines(path) if line.task == name)
    rows = [row for row in pool(path, targets) if row["metadata"]["made_for"] == name]
    own = [row for row in rows if task.solve(row["prompt"]) is not None]
    return {
        "task": name,
        "records": came,
        "different": len(rows),
        "of_the_task": len(own),
        "right": sum(map(task.is_right, own)),
    }


if __name__ == "__main__":
    main()
