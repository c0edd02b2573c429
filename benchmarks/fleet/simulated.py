"""How long a fleet takes for pools that no machine here holds, by measured costs of one shard.

The seconds of a shard, of the select worker and of a process's start are measured by the phases themselves,
at two sizes; a row's features by the default proxy on one thread. Workers then take shards in their order,
each the next one when it is free. What is not in it: uploads, queues between the phases, faults, a store or
a database that many workers slow down.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from benchmarks.demo.data import build
from benchmarks.fleet import phases, sent
from benchmarks.fleet.schedule import Costs, Line, hours
from evoselect.spec.features import FeatureSpec
from store.models.allow_list import DEFAULT_ALIAS
from store.records.record import Record, parse_record
from workers.features.compute import compute_features
from workers.models.loading import LoadedModel, load

SIZES = {"10m": 10_000_000, "1b": 1_000_000_000}
WORKERS = 8
FEATURE_ROWS = 128
RUNS = ("transport_before_sums", "transport_before_lists", "transport_before_merge")
Json = dict[str, Any]


def measure(sizes: Sequence[int], workers: int = WORKERS) -> Json:
    """Costs at these sizes, and hours of the sizes that are not measured with so many workers."""
    measured = phases.measure(sizes, sent.begun)
    costs = _costs(measured["sizes"], _seconds_a_row())
    found = {name: hours(costs, rows, workers) for name, rows in SIZES.items()}
    return {
        "sent": measured,
        "workers": workers,
        "costs": vars(costs) | {"select": vars(costs.select), "peak_gb": vars(costs.peak_gb)},
        **{f"simulated_hours_{name}": one["provided"] for name, one in found.items()},
        **{f"simulated_hours_{name}_with_features": one["computed"] for name, one in found.items()},
        **{f"simulated_peak_gb_{name}": round(costs.peak_gb.at(rows), 2) for name, rows in SIZES.items()},
    }


def _costs(found: Mapping[int, Json], feature: float) -> Costs:
    """From what the phases printed, by rows; a shard's seconds are those of the largest size."""
    rows = max(found)
    largest = found[rows]
    start, shards = largest["worker_start"]["seconds"], largest["shards"]
    return Costs(
        start=start,
        feature=feature,
        shard_rows=-(-rows // shards),
        sums=(largest["sums"]["seconds"] - start) / shards,
        lists=(largest["lists"]["seconds"] - start) / shards,
        select=Line.through({size: sum(one[run]["seconds"] for run in RUNS) for size, one in found.items()}),
        peak_gb=Line.through({size: one[RUNS[-1]]["peak_gb"] for size, one in found.items()}),
    )


def _seconds_a_row() -> float:
    """The better of two, of the demo's records on one thread."""
    records = [parse_record(row) for row in build().pool[:FEATURE_ROWS]]
    loaded, threads = load(DEFAULT_ALIAS), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return min(_timed(records, loaded) for _ in range(2)) / len(records)
    finally:
        torch.set_num_threads(threads)


def _timed(records: Sequence[Record], loaded: LoadedModel) -> float:
    start = time.perf_counter()
    compute_features(records, loaded, FeatureSpec(), progress=lambda done: None)
    return time.perf_counter() - start
