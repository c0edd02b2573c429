"""Does training on a selection beat random draws and the usual methods?

    python -m benchmarks.quality [--rows FILE] [--processes 2]     run what the rows do not have yet
    python -m benchmarks.quality --summary [--json] [--plots DIR]  what the stored rows say
    python -m benchmarks.quality --screen [--methods A,B]          what methods draw, without training

A run appends its rows to a file when it is done, so the whole may be ended and started again at any time.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROWS = {  # of each pool, in the folder rows
    "mixed": "runs.jsonl",
    "redundant": "redundant.jsonl",
    "redundant-again": "redundant-again.jsonl",
}
CACHE = Path.home() / ".cache/evoselect/quality"

Json = dict[str, Any]


def main() -> int:
    """Run or summarise; exit status 0."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quality",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rows", type=Path, help="file of one JSON row a run and task")
    parser.add_argument("--pool", choices=tuple(ROWS), default="mixed", help="which the candidates are of")
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder of features and states")
    parser.add_argument("--processes", type=int, default=2, help="that run side by side, one thread each")
    parser.add_argument("--methods", help="names, separated by commas, in place of the whole plan")
    parser.add_argument("--seeds", default="0", help="with --methods")
    parser.add_argument("--k", type=int, help="with --methods")
    parser.add_argument("--tasks", help="with --methods: names, separated by commas")
    parser.add_argument("--summary", action="store_true", help="print what the rows say, and run nothing")
    parser.add_argument("--half", choices=("choosing", "reporting"), help="with --summary: of the questions")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--plots", type=Path, help="with --summary: folder for pictures of the differences")
    parser.add_argument("--screen", action="store_true", help="print what methods draw, and train nothing")
    arguments = parser.parse_args()
    arguments.rows = arguments.rows or Path(__file__).parent / "rows" / ROWS[arguments.pool]
    if arguments.summary:
        summary(arguments)
    elif arguments.screen:
        screen(arguments)
    else:
        run_missing(arguments)
    return 0


def summary(arguments: argparse.Namespace) -> None:
    """Print it, and draw it where a folder is given."""
    from benchmarks.quality.plot import pictures
    from benchmarks.quality.summary import half, summarise
    from benchmarks.quality.text import as_text

    rows = read(arguments.rows)
    if arguments.half:
        rows = half(rows, ("choosing", "reporting").index(arguments.half))
    result = summarise(rows)
    print(json.dumps(result) if arguments.json else as_text(result))
    if arguments.plots:
        for name, picture in pictures(result).items():
            (arguments.plots / name).write_text(picture)


def screen(arguments: argparse.Namespace) -> None:
    """Print what methods draw."""
    from benchmarks.quality.methods import METHODS
    from benchmarks.quality.plan import K
    from benchmarks.quality.screen import as_text, screen
    from benchmarks.quality.world import World

    names = arguments.methods.split(",") if arguments.methods else list(METHODS)
    found = screen(World(arguments.cache, arguments.pool), names, arguments.k or K)
    print(json.dumps(found) if arguments.json else as_text(found))


def read(path: Path) -> list[Json]:
    """Stored rows; none where there is no file."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


def run_missing(arguments: argparse.Namespace) -> None:
    """Every run that the rows do not have."""
    from benchmarks.quality import execution
    from benchmarks.quality.data import TASKS
    from benchmarks.quality.plan import K, default_plan, of_methods, redundant_plan
    from benchmarks.quality.runs import missing

    if arguments.methods:
        names = arguments.methods.split(",")
        seeds = [int(seed) for seed in arguments.seeds.split(",")]
        tasks = tuple(arguments.tasks.split(",")) if arguments.tasks else TASKS
        plan = [run for seed in seeds for run in of_methods(names, arguments.k or K, seed, tasks)]
    else:
        plan = default_plan() if arguments.pool == "mixed" else redundant_plan()
    arguments.rows.parent.mkdir(parents=True, exist_ok=True)
    todo = missing(plan, lambda: read(arguments.rows))
    with arguments.rows.open("a") as file:
        for rows in execution.results(todo, arguments.cache, arguments.pool, arguments.processes):
            file.write("".join(json.dumps(row) + "\n" for row in rows))
            file.flush()
            print(_line(rows), file=sys.stderr, flush=True)


def _line(rows: Sequence[Json]) -> str:
    scores = " ".join(f"{row['task']} {row['choice_cross_entropy']:.3f}/{row['nll']:.2f}" for row in rows)
    return f"{rows[0]['method']} k={rows[0]['k']} seed={rows[0]['seed']}: {scores} {rows[0]['seconds']}"


if __name__ == "__main__":
    sys.exit(main())
