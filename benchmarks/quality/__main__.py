"""Does training on a selection beat random draws and the usual methods, and where?

    python -m benchmarks.quality [--plan admission|development|reporting]      run what the rows lack
    python -m benchmarks.quality --summary [--json] [--tasks A,B] [--plots DIR]         what the rows say
    python -m benchmarks.quality --methods default,less --seeds 0,1 [--tasks A]   runs of your choice
    python -m benchmarks.quality.comparisons                                       the same by the service

A run appends its rows to a file when it is done, so the whole may be ended and started again at any time.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from store.models.allow_list import DEFAULT_ALIAS

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
    parser.add_argument("--pool", choices=("mixed", "wrong", "other-templates"), default="mixed")
    parser.add_argument("--trained", default=DEFAULT_ALIAS, help="alias of the model that is trained")
    parser.add_argument(
        "--plan", choices=("admission", "development", "reporting"), help="a part of the plan"
    )
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder of features")
    parser.add_argument("--threads", type=int, default=2, help="of the one process that trains")
    parser.add_argument("--methods", help="names, separated by commas, in place of the plan")
    parser.add_argument("--seeds", default="0", help="with --methods")
    parser.add_argument("--k", type=int, help="with --methods")
    parser.add_argument(
        "--tasks", help="names, separated by commas; the reporting tasks where none are given"
    )
    parser.add_argument("--summary", action="store_true", help="print what the rows say, and run nothing")
    parser.add_argument("--json", action="store_true", help="with --summary: print one JSON object")
    parser.add_argument("--plots", type=Path, help="with --summary: folder for pictures of the differences")
    arguments = parser.parse_args()
    arguments.rows = arguments.rows or _rows(arguments.pool, arguments.trained)
    if arguments.summary:
        summary(arguments)
    else:
        run_missing(arguments)
    return 0


def _rows(pool: str, trained: str) -> Path:
    """Each pool has a file, and each further model that is trained one of its own."""
    name = pool if trained == DEFAULT_ALIAS else f"{pool}-{trained}"
    return Path(__file__).parent / "rows" / f"{name}.jsonl"


def summary(arguments: argparse.Namespace) -> None:
    """Print it, and draw it where a folder is given."""
    from benchmarks.quality.plot import pictures
    from benchmarks.quality.summary import summarise
    from benchmarks.quality.text import as_text

    result = summarise(read(arguments.rows), _tasks(arguments))
    print(json.dumps(result) if arguments.json else as_text(result))
    if arguments.plots:
        for name, picture in pictures(result).items():
            (arguments.plots / name).write_text(picture)


def read(path: Path) -> list[Json]:
    """Stored rows; none where there is no file."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


def run_missing(arguments: argparse.Namespace) -> None:
    """Every run that the rows do not have, one after the other: two at once slow each other down."""
    import torch

    from benchmarks.quality.runs import execute, missing
    from benchmarks.quality.world import World

    torch.set_num_threads(arguments.threads)
    arguments.rows.parent.mkdir(parents=True, exist_ok=True)
    world = World(arguments.cache, arguments.pool, arguments.trained)
    with arguments.rows.open("a") as file:
        for run in missing(list(_wanted(arguments)), lambda: read(arguments.rows)):
            rows = execute(run, world)
            file.write("".join(json.dumps(row) + "\n" for row in rows))
            file.flush()
            print(_line(rows), file=sys.stderr, flush=True)


def _wanted(arguments: argparse.Namespace) -> Iterator[Any]:
    from benchmarks.quality import plan

    if arguments.methods:
        for seed in arguments.seeds.split(","):
            names, k = arguments.methods.split(","), arguments.k or plan.K
            yield from plan.of_methods(names, k, int(seed), _tasks(arguments))
        return
    if arguments.plan in (None, "admission"):
        yield from plan.admission_plan()
    if arguments.plan in (None, "development"):
        yield from plan.development_plan()
    if arguments.plan in (None, "reporting"):
        yield from plan.reporting_plan()


def _tasks(arguments: argparse.Namespace) -> tuple[str, ...]:
    from benchmarks.quality.data import REPORTING

    return tuple(arguments.tasks.split(",")) if arguments.tasks else REPORTING


def _line(rows: Sequence[Json]) -> str:
    scores = " ".join(
        f"{row['task']} {row['accuracy']:.3f}/{row['choice_cross_entropy']:.3f}" for row in rows
    )
    own = f" own {rows[0]['own']}" if len(rows) == 1 and "own" in rows[0] else ""
    return f"{rows[0]['method']} k={rows[0]['k']} seed={rows[0]['seed']}: {scores}{own} {rows[0]['seconds']}"


if __name__ == "__main__":
    sys.exit(main())
