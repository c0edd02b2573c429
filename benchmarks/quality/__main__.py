"""Does training on a selection beat random draws and the usual methods?

    python -m benchmarks.quality [--rows FILE] [--processes 2]     run what the rows do not have yet
    python -m benchmarks.quality --summary [--json]                what the stored rows say

A run appends its rows to a file when it is done, so the whole may be ended and started again at any time.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path
from typing import Any

ROWS = Path(__file__).parent / "rows" / "runs.jsonl"
CACHE = Path.home() / ".cache/evoselect/quality"

Json = dict[str, Any]
_held: list[Any] = []  # the world of a process of the pool


def main() -> int:
    """Run or summarise; exit status 0."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quality",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rows", type=Path, default=ROWS, help="file of one JSON row a run and task")
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder of features and states")
    parser.add_argument("--processes", type=int, default=2, help="that run side by side, one thread each")
    parser.add_argument("--methods", help="names, separated by commas, in place of the whole plan")
    parser.add_argument("--seeds", default="0", help="with --methods")
    parser.add_argument("--k", type=int, help="with --methods")
    parser.add_argument("--summary", action="store_true", help="print what the rows say, and run nothing")
    parser.add_argument("--json", action="store_true", help="the summary as one JSON object")
    arguments = parser.parse_args()
    if arguments.summary:
        from benchmarks.quality.summary import as_text, summarise

        result = summarise(read(arguments.rows))
        print(json.dumps(result) if arguments.json else as_text(result))
        return 0
    run_missing(arguments)
    return 0


def read(path: Path) -> list[Json]:
    """Stored rows; none where there is no file."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


def run_missing(arguments: argparse.Namespace) -> None:
    """Every run that the rows do not have."""
    from benchmarks.quality.plan import K, default_plan, of_methods
    from benchmarks.quality.runs import missing

    if arguments.methods:
        names = arguments.methods.split(",")
        seeds = [int(seed) for seed in arguments.seeds.split(",")]
        plan = [run for seed in seeds for run in of_methods(names, arguments.k or K, seed)]
    else:
        plan = default_plan()
    todo = list(missing(plan, read(arguments.rows)))
    arguments.rows.parent.mkdir(parents=True, exist_ok=True)
    print(f"{len(todo)} of {len(plan)} runs to do", file=sys.stderr, flush=True)
    with (
        ProcessPoolExecutor(
            arguments.processes, get_context("spawn"), initializer=start_worker, initargs=(arguments.cache,)
        ) as executor,
        arguments.rows.open("a") as file,
    ):
        for rows in _in_turn(executor, todo, arguments.processes + 1):
            file.write("".join(json.dumps(row) + "\n" for row in rows))
            file.flush()
            print(_line(rows), file=sys.stderr, flush=True)


def start_worker(cache: Path) -> None:
    """What a process of the pool holds between runs."""
    import torch

    from benchmarks.quality.world import World

    torch.set_num_threads(1)  # two processes of one thread waste less than one of two
    _held.append(World(cache))


def _execute(run: Any) -> list[Json]:
    from benchmarks.quality.runs import execute

    return execute(run, _held[0])


def _in_turn(executor: ProcessPoolExecutor, runs: Sequence[Any], ahead: int) -> Any:
    """Results as they come; few runs wait in the executor, so that the order is kept."""
    waiting: set[Future[list[Json]]] = set()
    for run in runs:
        waiting.add(executor.submit(_execute, run))
        if len(waiting) >= ahead:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)
    for future in waiting:
        yield future.result()


def _line(rows: Sequence[Json]) -> str:
    scores = " ".join(f"{row['task']} {row['choice_cross_entropy']:.3f}/{row['nll']:.2f}" for row in rows)
    return f"{rows[0]['method']} k={rows[0]['k']} seed={rows[0]['seed']}: {scores} {rows[0]['seconds']}"


if __name__ == "__main__":
    sys.exit(main())
