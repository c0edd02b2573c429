"""`python -m benchmarks.loops`: rounds against one shot, selected against random, on a real generator.

    python -m benchmarks.loops [--small] [--rows FILE] [--json]
    python -m benchmarks.loops --summary [--json]

Candidates, and what the generator answers as a verifier, are kept in benchmarks/loops/kept: with them no
generator is needed. --candidates names another folder; where an answer is missing there, the instruct model
in the folder --generator-model is asked. `python -m benchmarks.loops.generate` makes candidates.

Each arm that has ended is appended to the file of rows (benchmarks/loops/rows/whole.jsonl; none with --small)
and not run again. --summary runs nothing. All arms train on as many examples. Points are of exact match. The
tasks are made here, so that a rule knows which answers are right; `python -m benchmarks.loops.room` says what
each can show.
"""

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.demo.embedded import embedded
from benchmarks.loops import candidates
from benchmarks.loops.arms import SMALL, WHOLE, Setting
from benchmarks.loops.run import Given, run
from benchmarks.loops.serving import served
from benchmarks.loops.summary import summary
from benchmarks.loops.tasks import TASKS
from benchmarks.machine import describe
from evoselect_client import Client

Json = dict[str, Any]
ROWS = Path(__file__).parent / "rows" / "whole.jsonl"
LOOPBACK = "127.0.0.0/8"


def main() -> int:
    """Run the arms that are missing, print what all say; exit status 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--generator-model", type=Path, help="folder of an instruct model")
    parser.add_argument("--candidates", type=Path, default=candidates.KEPT, help="folder of what it answered")
    parser.add_argument("--rows", type=Path, help="file that rows are appended to and found in")
    parser.add_argument("--small", action="store_true", help="one task, one seed, few examples")
    parser.add_argument("--summary", action="store_true", help="of the stored rows; nothing is run")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    path = arguments.rows or (None if arguments.small else ROWS)
    rows = _stored(path)
    if not arguments.summary:
        rows += _run(SMALL if arguments.small else WHOLE, arguments, path, rows)
    machines = {json.dumps(row["machine"]["processor"]) for row in rows}
    checks = [] if arguments.small else _stored(ROWS.with_name("verifiers.jsonl"))
    result = {**summary(rows, checks), "rows": len(rows), "processors": sorted(map(json.loads, machines))}
    print(json.dumps(result, indent=None if arguments.json else 2))
    return 0


def _stored(path: Path | None) -> list[Json]:
    return [] if path is None or not path.exists() else list(map(json.loads, path.read_text().splitlines()))


def _run(
    setting: Setting, arguments: argparse.Namespace, path: Path | None, done: Sequence[Json]
) -> list[Json]:
    found: list[Json] = []
    machine = describe()

    def ended(row: Json) -> None:
        found.append(row | {"machine": machine})
        last = row["rounds"][-1]["exact_match"] if "rounds" in row else row["failed"]
        print(f"{row['task']}, seed {row['seed']}, {row['arm']}: {last}", file=sys.stderr, flush=True)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a") as file:
                file.write(json.dumps(found[-1]) + "\n")

    folder: Path = arguments.candidates
    with ExitStack() as stack:
        url = stack.enter_context(served(folder / candidates.CHECKS, arguments.generator_model))
        logs = Path(tempfile.gettempdir()) / "evoselect-loops-logs"
        settings = {"EVOSELECT_GENERATOR_NETWORKS": LOOPBACK, "EVOSELECT_NICENESS": "0"}
        address, secret = stack.enter_context(embedded(logs, settings))
        client = stack.enter_context(Client(address, secret))
        run(client, setting, given(setting, folder, url), tasks=TASKS, done=done, ended=ended)
    return found


def given(setting: Setting, folder: Path, url: str) -> Given:
    """The kept candidates of a setting; raises FileNotFoundError where there are none."""
    targets = {name: TASKS[name].examples(setting.target, 0) for name in setting.generated}
    rows = candidates.pool(folder / candidates.POOL, targets)
    if not rows:
        raise FileNotFoundError(
            f"no candidates in {folder}: python -m benchmarks.loops.generate --candidates {folder}"
        )
    rows = random.Random(0).sample(rows, min(setting.candidates, len(rows)))
    path = folder / candidates.COLLAPSING
    repeated = {name: candidates.collapsing(path, name) for name in setting.repeated}
    return Given(pool=rows, collapsing=repeated, url=url)


if __name__ == "__main__":
    sys.exit(main())
