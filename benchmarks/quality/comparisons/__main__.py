"""The quality benchmark by the service: a comparison for each task, over REST, as users run it.

    python -m benchmarks.quality.comparisons [--tasks A,B] [--seeds N]      run what the file lacks
    python -m benchmarks.quality.comparisons --summary [--json]             what it says

Starts embedded mode, uploads the pool `mixed` and each task's target and test questions, and compares
random draws, random rows of the default's lengths, the default, round-robin, TSDS, RDS+, LESS and the
paper's update. A comparison appends a line to the file when it has ended, so the whole may be ended and
started again; the one that was running begins anew.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.demo.embedded import embedded
from benchmarks.demo.machine import describe_machine
from benchmarks.quality.__main__ import CACHE, read
from benchmarks.quality.comparisons.run import run, upload
from benchmarks.quality.comparisons.setting import SMALL, WHOLE
from benchmarks.quality.data import REPORTING, build
from benchmarks.quality.summary import summarise
from benchmarks.quality.text import as_text
from evoselect_client import Client

ROWS = Path(__file__).parents[1] / "rows" / "comparisons.jsonl"
SEEDS = 2

Json = dict[str, Any]


def main() -> int:
    """Run or summarise; exit status 0."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quality.comparisons",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--tasks", help="names, separated by commas; by default the reporting tasks")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="trainings of each method")
    parser.add_argument("--rows", type=Path, help="file of one JSON line a comparison")
    parser.add_argument("--small", action="store_true", help="two methods, few rows and steps; needs --rows")
    parser.add_argument("--summary", action="store_true", help="print what the file says, and run nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    if arguments.small and arguments.rows is None:
        parser.error("--small needs --rows: its numbers are no results")
    arguments.rows = arguments.rows or ROWS
    tasks = tuple(arguments.tasks.split(",")) if arguments.tasks else REPORTING
    if not arguments.summary:
        run_missing(arguments, tasks)
    stored = [comparison for comparison in read(arguments.rows) if comparison["task"] in tasks]
    summary = summarise([row for comparison in stored for row in comparison["rows"]], tasks)
    result = summary | {"sentences": {one["task"]: one["verdict"]["sentence"] for one in stored}}
    print(json.dumps(result) if arguments.json else _text(result))
    return 0


def run_missing(arguments: argparse.Namespace, tasks: Sequence[str]) -> None:
    """A comparison for each task that the file lacks, one after the other, by one service."""
    have = {comparison["task"] for comparison in read(arguments.rows)}
    wanted = [task for task in tasks if task not in have]
    if not wanted:
        return
    data, setting = build("mixed"), SMALL if arguments.small else WHOLE
    if unknown := [task for task in wanted if task not in data.tasks]:
        sys.exit(f"no task {', '.join(unknown)}: there are {', '.join(data.tasks)}")
    arguments.rows.parent.mkdir(parents=True, exist_ok=True)
    with (
        embedded(CACHE / "logs") as (url, key),
        Client(url, key) as client,
        arguments.rows.open("a") as file,
    ):
        pool_id = upload(client, data, setting)
        for task in wanted:
            found = run(client, data.tasks[task], pool_id, setting, seeds=arguments.seeds)
            file.write(json.dumps(found | {"machine": describe_machine()}) + "\n")
            file.flush()


def _text(result: Json) -> str:
    told = [f"| {task} | {sentence} |" for task, sentence in result["sentences"].items()]
    return "\n".join([as_text(result), "", "## What the service said", "| | |", "|---|---|", *told])


if __name__ == "__main__":
    sys.exit(main())
