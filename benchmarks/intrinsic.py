"""Transport to unseen target points and redundancy of every method on seeded instances.

python -m benchmarks.intrinsic [--json] [--features FILE.npz ...]

A FILE holds unit rows ``candidates`` (N, d), ``targets`` (M, d) and ``unseen`` (U, d) from a real run.
"""

import os

os.environ.setdefault("POT_BACKEND_DISABLE_PYTORCH", "1")

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.instances import Instance, synthetic
from benchmarks.machine import describe
from evoselect.diversity import bandwidth, mean_redundancy
from evoselect.select import select
from evoselect.spec.selection import SelectionSpec
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
METHODS = (
    "capacity",
    "round_robin",
    "mean_cosine",
    "max_cosine",
    "tsds",
    "tsds_uniform",
    "tarot",
    "unbalanced_ot",
    "diversity",
    "attribution_diversity",
    "facility_location",
    "random",
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--features", type=Path, nargs="*", default=[])
    arguments = parser.parse_args()
    report = measure(arguments.features)
    if arguments.json:
        print(json.dumps(report))
        return
    for name, rows in report["instances"].items():
        print(name)
        for method, values in rows.items():
            print(
                f"  {method:24s} transport {values['transport']:.4f}  redundancy {values['redundancy']:.3f}"
            )
    print("exceptions:", report["exceptions"])


def measure(files: list[Path]) -> dict[str, Any]:
    """Every method on every instance, and where capacity is not the best."""
    cases = {name: (synthetic(N, M, D, seed=i, **kw), k) for i, (name, (k, kw)) in enumerate(CASES.items())}
    for path in files:
        case = _from_file(path)
        cases[path.stem] = (case, case.candidates.shape[0] // 10)
    instances = {name: _methods(case, k) for name, (case, k) in cases.items()}
    return {"instances": instances, "exceptions": _exceptions(instances), "machine": describe()}


def _methods(case: Instance, k: int) -> dict[str, dict[str, float]]:
    s = bandwidth(case.candidates, case.targets)
    found = {}
    for method in METHODS:
        spec = SelectionSpec(method=method)
        chosen = select(case.candidates, case.targets, k, spec, seed=0, compare_with_baselines=False).indices
        rows = case.candidates[torch.from_numpy(chosen)]
        found[method] = {
            "transport": transport_distance(rows, case.unseen),
            "redundancy": mean_redundancy(rows, s),
            "on_target": float(case.on_target[torch.from_numpy(chosen)].float().mean()),
        }
    return found


def _exceptions(instances: dict[str, dict[str, dict[str, float]]]) -> list[dict[str, object]]:
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


def _from_file(path: Path) -> Instance:
    held = np.load(path)
    parts = [torch.from_numpy(held[name]).float() for name in ("candidates", "targets", "unseen")]
    return Instance(parts[0], parts[1], parts[2], torch.zeros(len(parts[0]), dtype=torch.bool))


if __name__ == "__main__":
    main()
