"""Whether a selection is by what is asked or by how it is written.

    python -m benchmarks.invariance [--json] [--quick] [--chat] [--out result.json]

The same real questions in several renderings, targets in one of them; 10 % of the candidates are drawn for
five target sets by the service's default method. In one pool a target's own set stands in other renderings
only: the keys at the top are of that pool, by the representation that `content` is judged by. Ceiling: the
own share of what is drawn where every candidate is rendered as the targets are. Bias: points by which a
rendering's share among the drawn is off what the sets drawn would give, for the rendering that is furthest
off in the mean. Features are kept in ~/.cache/evoselect/invariance, so that a run goes on where another
ended. --quick takes the one pool and a third of the questions; --chat also the proxy's chat template, for
as long again.
"""

import argparse
import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.invariance.data import TASKS, Data, build
from benchmarks.invariance.measure import JUDGED, POOLS, Judge, Pool, summary
from benchmarks.invariance.representations import CHAT, CONTENT, REPRESENTATIONS, Representation, World
from benchmarks.machine import describe
from store.models.allow_list import DEFAULT_ALIAS
from workers.models.loading import load

DRAWN = 0.1  # of the candidates of the whole pool
QUICK = 1 / 3  # of the questions

Json = dict[str, Any]
KEYS = (
    "own_share",
    "own_share_ceiling",
    "own_share_of_ceiling",
    "rendering_bias_points",
    "wrong_share_ratio",
)


def main() -> int:
    """Measure and print; exit status 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="one pool of a third of the questions")
    parser.add_argument("--chat", action="store_true", help="also gradients in the proxy's chat template")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="keep the result in this file too")
    arguments = parser.parse_args()
    pools = [pool for pool in POOLS if pool.name == JUDGED] if arguments.quick else list(POOLS)
    forms = [*REPRESENTATIONS, *(CHAT if arguments.chat else ())]
    data = build(arguments.seed, scale=QUICK if arguments.quick else 1.0)
    result = measure(data, pools, forms)
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result) if arguments.json else as_text(result))
    return 0


def measure(data: Data, pools: list[Pool], forms: list[Representation]) -> Json:
    """The keys of the judged pool, and a line for each representation and pool."""
    world = World(data, load(DEFAULT_ALIAS), _say)
    k = round(DRAWN * len(data.source))
    lines = [line for form in forms for line in _lines(world, pools, form, k)]
    judged = next(line for line in lines if (line["representation"], line["pool"]) == (CONTENT.name, JUDGED))
    return {
        **{key: judged[key] for key in KEYS},
        "candidates": len(data.source),
        "k": k,
        "tasks": TASKS,
        "lines": lines,
        "machine": describe(),
    }


def _lines(world: World, pools: list[Pool], form: Representation, k: int) -> list[Json]:
    """One line for each pool."""
    judge = Judge(world.data, k, partial(world.conditioned, form))
    found = []
    for pool in pools:
        start = time.perf_counter()
        line = summary([judge.draw(pool, task) for task in TASKS])
        found.append({"representation": form.name, "pool": pool.name, **line})
        _say(f"{form.name} | {pool.name}: {line['own_share']} ({time.perf_counter() - start:.0f} s)")
    return [line | {"seconds_a_1000_rows": world.cost(form)} for line in found]


def as_text(result: Json) -> str:
    """The table in Markdown, and the keys."""
    columns = ("pool", "representation", *KEYS, "copies", "seconds_a_1000_rows")
    rows = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    lines = sorted(result["lines"], key=lambda line: [pool.name for pool in POOLS].index(line["pool"]))
    rows += [f"| {' | '.join(str(line[name]) for name in columns)} |" for line in lines]
    return "\n".join([*rows, *(f"{key} {result[key]}" for key in KEYS)])


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
