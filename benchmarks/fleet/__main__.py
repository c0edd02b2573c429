"""A pool in shards against one process: memory of the merge, bytes that shards leave, the same answer.

python -m benchmarks.fleet [--sizes 500000 2000000] [--whole 500000] [--service 1000000]
    [--computed 100000 200000] [--sent 100000 200000] [--scaling 512] [--simulated 200000 400000] [--json]

Provided features of 512 float16 numbers, 1,000 targets, 20,000 of them selected. ``bytes_per_candidate`` is
a row of features, which a shard keeps for as long as it may be asked again, and what the shard leaves.
``ratio_to_product`` is the shards' passes one after the other and the merge, over the bare product.
``service`` is the same selection through embedded servers: seconds of upload, job and items, the job over
the bare product, and the largest process's peak. ``computed`` and ``sent`` are the same selection by the
phases of workers, of features that were computed and of a matrix that was sent; ``growth_exponent`` is that
of the merge's peak in the rows. ``worker_scaling`` is rows a second of two feature workers over one, and of
four over two. ``simulated`` takes the costs of a shard from two measured sizes and says hours of a fleet
for pools that were not run.
"""

import argparse
import json
import math
import subprocess
import sys
from typing import Any

import numpy as np

from benchmarks.fleet import computed, data, phases, scaling, sent, service, simulated
from benchmarks.machine import describe

SIZES = (500_000, 2_000_000)
STEP_SECONDS = 1_200
SAID = ("certified", "converged", "gap", "shortlist_candidates", "shortlist_widenings", "asked_again")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--sizes", type=int, nargs="*", default=SIZES, help="rows; none measures the service alone"
    )
    parser.add_argument("--whole", type=int, help="rows that one process selects from too; the first size")
    parser.add_argument("--service", type=int, help="rows that the service selects from too; none")
    parser.add_argument("--computed", type=int, nargs="+", help="rows whose feature shards answer; none")
    parser.add_argument("--sent", type=int, nargs="+", help="rows whose features were sent; none")
    parser.add_argument("--scaling", type=int, help="candidates for one, two and four workers; none")
    parser.add_argument("--simulated", type=int, nargs=2, help="rows at which costs are measured; none")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.simulated and len({*arguments.simulated}) == 1:
        parser.error(f"--simulated is {arguments.simulated[0]} twice: costs grow between two different sizes")
    report = _report(arguments)
    print(json.dumps(report) if arguments.json else "\n".join(f"{k}: {v}" for k, v in report.items()))


def _report(arguments: argparse.Namespace) -> dict[str, Any]:
    """What was asked for."""
    found: dict[str, Any] = {"machine": describe()}
    if arguments.sizes:
        found |= measure(sorted(arguments.sizes), arguments.whole or min(arguments.sizes))
    if arguments.service:
        found["service"] = served = service.measure(arguments.service)
        product = _step("product", arguments.service)["seconds"]
        served |= {"seconds_product": product, "ratio_to_product": served["job_seconds"] / product}
    if arguments.computed:
        found["computed"] = phases.measure(arguments.computed, computed.begun)
    if arguments.sent:
        found["sent"] = phases.measure(arguments.sent, sent.begun)
    if arguments.scaling:
        found["worker_scaling"] = scaling.measure(arguments.scaling)
    if arguments.simulated:
        found |= simulated.measure(arguments.simulated)
    return found


def measure(sizes: list[int], whole: int) -> dict[str, Any]:
    """The fleet at every size, one process at one."""
    fleets = {rows: _fleet(rows) for rows in sizes}
    largest = fleets[sizes[-1]]
    return {
        "bytes_per_candidate": largest["bytes_per_candidate"],
        "select_peak_gb": max(found["select_peak_gb"] for found in fleets.values()),
        "growth_exponent": _exponent(sizes, [found["select_peak_gb"] for found in fleets.values()]),
        "identical": _identical(whole, fleets),
        "ratio_to_product": largest["ratio_to_product"],
        "sizes": fleets,
        "m": data.M,
        "d": data.D,
        "k": data.K,
    }


def _fleet(rows: int) -> dict[str, Any]:
    first, lists, merge = (_step(step, rows) for step in ("first", "lists", "merge"))
    product = _step("product", rows)["seconds"]
    seconds = first["seconds"] + lists["seconds"] + merge["seconds"]
    return {
        "shards": data.shards(rows),
        "bytes_per_candidate": 2 * data.D + (first["bytes"] + lists["bytes"]) / rows,
        "select_peak_gb": round(merge["peak_gb"], 3),
        "seconds_first": first["seconds"],
        "seconds_lists": lists["seconds"],
        "seconds_merge": merge["seconds"],
        "seconds_product": product,
        "ratio_to_product": seconds / product,
        **{name: merge[name] for name in SAID},
    }


def _identical(rows: int, fleets: dict[int, dict[str, Any]]) -> bool:
    """Whether ids and weights of one process are those of the fleet, bit by bit."""
    found = _step("whole", rows)
    fleets[rows] |= {"seconds_whole": found["seconds"], "whole_peak_gb": round(found["peak_gb"], 3)}
    one, other = (np.load(data.FOLDER / f"{rows}.{name}.npz") for name in ("whole", "fleet"))
    return all(one[name].tobytes() == other[name].tobytes() for name in ("indices", "weights"))


def _exponent(sizes: list[int], peaks: list[float]) -> float | None:
    """Of the peak in the number of rows; None for one size."""
    return math.log(peaks[-1] / peaks[0]) / math.log(sizes[-1] / sizes[0]) if len(sizes) > 1 else None


def _step(step: str, rows: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.fleet.step", step, str(rows)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=STEP_SECONDS)
    if done.returncode:
        raise SystemExit(f"step {step} of {rows} rows failed:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
