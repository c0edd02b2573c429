"""What is read, scored and seen of models of many families, against transformers and TRL.

    python -m benchmarks.families --json

Each family is a model of two layers with random weights, a tokenizer and a chat template in the form of the
family's own (benchmarks/families/table.py), loaded as a worker loads one. `max_nll_difference`: largest
difference, in nats, of a mean answer loss by features (cached prompts, batches) or by an evaluation from a
plain forward over TRL's and transformers' own ids. `masks_equal`: whether ids and answer span are TRL's for
every record (benchmarks/families/check.py says what is meant to differ). `modules_covered`: share of a
decoder layer's weights in the chosen modules. `refused`: what is refused by name. The families run in a child
process, which is asked for sketches beyond a bound of its memory after each: `jobs_killed` counts how often
it did not survive. `turns_compared`: chats whose learnt tokens were compared under the templates that TRL
ships (benchmarks/families/turns.py), `turns_equal` of them the libraries' own; `turns_refused` by reason.
"""

import argparse
import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any

from benchmarks.families.child import ask_too_much, compare
from benchmarks.families.table import FAMILIES
from benchmarks.families.turns import counted
from benchmarks.machine import describe

Json = dict[str, Any]


def main() -> int:
    """Measure and print; exit status 0 where all agree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    result = measure()
    print(json.dumps(result, indent=None if arguments.json else 2))
    equal = result["masks_equal"] and result["turns_equal"] == result["turns_compared"]
    return 0 if equal and not result["jobs_killed"] else 1


def measure() -> Json:
    """The numbers, every one of them measured here."""
    load_before = os.getloadavg()[0]
    found: dict[str, Json] = {}
    killed = 0
    process = _process()
    for name in FAMILIES:
        try:
            found[name] = process.submit(compare, name).result()
            process.submit(ask_too_much, name).result()
        except BrokenProcessPool:
            killed += 1
            process = _process()
    process.shutdown()
    return {
        "families": len(found),
        "max_nll_difference": max((one["nll_difference"] for one in found.values()), default=None),
        "masks_equal": len(found) == len(FAMILIES) and all(one["masks_equal"] for one in found.values()),
        "modules_covered": {name: round(one["share"], 4) for name, one in found.items()},
        "jobs_killed": killed,
        "refused": {name: one["refused"] for name, one in found.items() if one["refused"]},
        **counted(),
        "load": [load_before, os.getloadavg()[0]],
        "machine": describe(),
    }


def _process() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, get_context("spawn"))


if __name__ == "__main__":
    sys.exit(main())
