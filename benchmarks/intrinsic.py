"""Transport to unseen target points and redundancy of every method, on seeded instances and real features.

python -m benchmarks.intrinsic [--json]

The demo's gradient features take about a minute of two cores. ``exceptions`` lists the methods that are
nearer to unseen targets than capacity at equal or lower redundancy, ``nearer_but_more_redundant`` those that
pay for it with copies. Of the methods that a request may name only ``all`` is left out: it is the first k
rows as they come. ``dsir`` compares texts and needs the demo; ``less`` gets each target's mode as its group.
"""

import os

os.environ.setdefault("POT_BACKEND_DISABLE_PYTORCH", "1")

import argparse
import json
from typing import Any

import numpy as np
import torch

from benchmarks.demo.instances import demo_instances
from benchmarks.instances import Instance, synthetic
from benchmarks.machine import describe
from evoselect.pools.pool import Pool
from evoselect.redundancy.diversity import bandwidth, mean_redundancy
from evoselect.select import select
from evoselect.spec.selection import METHODS, SelectionSpec
from evoselect.transport import transport_distance

N, M, D = 3_000, 60, 64
CASES: dict[str, tuple[int, dict[str, Any]]] = {
    "base": (300, {}),
    "few modes": (300, {"modes": 4}),
    "many modes": (300, {"modes": 40}),
    "imbalance": (300, {"balance": 0.3}),
    "tight": (300, {"spread": 0.4}),
    "wide": (300, {"spread": 1.2}),
    "much noise": (300, {"near": 0.15}),
    "little noise": (300, {"near": 0.8}),
    "no copies": (300, {"copies": 0.0}),
    "many copies": (300, {"copies": 0.45}),
    "small ratio": (60, {}),
    "high ratio": (1_000, {}),
}
RANDOM_SEEDS = 5
Measures = dict[str, float]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    report = measure()
    if arguments.json:
        print(json.dumps(report))
        return
    for name, rows in report["instances"].items():
        print(name)
        for method, values in rows.items():
            print(
                f"  {method:24s} transport {values['transport']:.4f}  redundancy {values['redundancy']:.3f}"
            )
    for key in ("exceptions", "nearer_but_more_redundant"):
        print(f"{key}:", *report[key], sep="\n  ")


def measure() -> dict[str, Any]:
    """Every method on every instance, and where capacity is not the best."""
    cases = {name: (synthetic(N, M, D, seed=i, **kw), k) for i, (name, (k, kw)) in enumerate(CASES.items())}
    cases |= demo_instances()
    instances = {name: _methods(case, k) for name, (case, k) in cases.items()}
    nearer = _nearer(instances)
    return {
        "instances": instances,
        "exceptions": [item for item in nearer if item["redundancy"] <= item["capacity_redundancy"]],
        "nearer_but_more_redundant": [
            item for item in nearer if item["redundancy"] > item["capacity_redundancy"]
        ],
        "machine": describe(),
    }


def _methods(case: Instance, k: int) -> dict[str, Measures]:
    s = bandwidth(Pool.of(case.candidates), case.targets)
    left_out = {"all"} if case.texts else {"all", "dsir"}
    found = {}
    for method in METHODS:
        if method not in left_out:
            seeds = range(RANDOM_SEEDS if method == "random" else 1)
            drawn = [_measured(case, k, method, seed, s) for seed in seeds]
            found[method] = {key: float(np.mean([one[key] for one in drawn])) for key in drawn[0]}
    return found


def _measured(case: Instance, k: int, method: str, seed: int, s: float) -> Measures:
    chosen = select(
        case.candidates,
        case.targets,
        k,
        SelectionSpec.model_validate({"method": method}),
        seed=seed,
        groups=case.groups if method == "less" else None,
        texts=case.texts,
        compare_with_baselines=False,
    )
    rows = case.candidates[torch.from_numpy(chosen.indices)]
    return {
        "transport": transport_distance(rows, case.unseen),
        "redundancy": mean_redundancy(rows, s),
        "on_target": float(case.on_target[torch.from_numpy(chosen.indices)].float().mean()),
    }


def _nearer(instances: dict[str, dict[str, Measures]]) -> list[dict[str, Any]]:
    """Methods that are nearer to unseen targets than capacity, with the difference and both redundancies."""
    return [
        {
            "instance": name,
            "method": method,
            "transport_lead": rows["capacity"]["transport"] - values["transport"],
            "redundancy": values["redundancy"],
            "capacity_redundancy": rows["capacity"]["redundancy"],
        }
        for name, rows in instances.items()
        for method, values in rows.items()
        if values["transport"] < rows["capacity"]["transport"]
    ]


if __name__ == "__main__":
    main()
