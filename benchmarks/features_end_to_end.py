"""What the service adds to the features: a selection through API and workers against the extractor alone.

    python -m benchmarks.features_end_to_end --json [--rows 1040] [--out result.json]

The demo's records. In process: one call of compute_features on all rows and the two-seed agreement that a
job's first shard measures, with the model loaded and warm, the faster of a run before and one after. End
to end: embedded mode with one feature worker that has its model loaded (a small selection before saw to
that; its time is reported as cold); from the POST to the last commit of the features phase, two-seed
agreement and preflight included. Again: the same selection a second time, out of the cache.
prediction_error compares the preflight's seconds with those that the shards then took.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.demo.data import DemoData, build
from benchmarks.demo.embedded import embedded
from benchmarks.machine import describe
from evoselect.spec.features import FeatureSpec
from evoselect_client.client import Client
from evoselect_client.models import Selection
from store.models.allow_list import DEFAULT_ALIAS
from store.records.record import Record, parse_record
from workers.features.compute import compute_features
from workers.features.preflight import agreement
from workers.models.loading import LoadedModel, load

WARM_UP = 40  # rows
Json = dict[str, Any]


def main() -> int:
    """Measure and print; exit status 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--rows", type=int, default=1040, help="candidates, at most the demo's 1,040")
    parser.add_argument("--out", type=Path, help="keep the result in this file too")
    arguments = parser.parse_args()
    result = measure(arguments.rows)
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=None if arguments.json else 1))
    return 0


def measure(rows: int) -> Json:
    """Every number of the benchmark."""
    data = build()
    pool = data.pool[:rows]
    records = [parse_record(row) for row in [*data.target, *pool]]
    loaded = load(DEFAULT_ALIAS)
    _in_process(records[:WARM_UP], loaded)
    before = _in_process(records, loaded)
    served = _served(data, pool)
    after = _in_process(records, loaded)
    alone, agreed = min(before, after, key=sum)
    return {
        "rows": len(records),
        "seconds_in_process": round(alone + agreed, 2),
        "seconds_of_that_agreement": round(agreed, 2),
        **served,
        "ratio_end_to_end": round(served["seconds_features"] / (alone + agreed), 3),
        "ratio_without_agreement_in_process": round(served["seconds_features"] / alone, 3),
        "ratio_again": round(served["seconds_features_again"] / served["seconds_features"], 4),
        "machine": describe(),
    }


def _in_process(records: list[Record], loaded: LoadedModel) -> tuple[float, float]:
    """Seconds of the features, and of the agreement."""
    start = time.perf_counter()
    compute_features(records, loaded, FeatureSpec(), progress=lambda done: None)
    computed = time.perf_counter()
    agreement(loaded, FeatureSpec(), records)
    return computed - start, time.perf_counter() - computed


def _served(data: DemoData, pool: list[Json]) -> Json:
    with (
        tempfile.TemporaryDirectory() as logs,
        embedded(Path(logs)) as (url, key),
        Client(url, key) as client,
    ):
        cold = _select(client, data.test[:8], data.test[8:WARM_UP])
        first = _select(client, data.target, pool)
        again = _select(client, data.target, pool)
        predicted = first.output()["features"]["prediction"]
        took = _features_phase(first)
    # The prediction is of the pool's extraction; the phase holds the target's rows too.
    expected = predicted["seconds"] * (len(pool) + len(data.target)) / len(pool)
    return {
        "seconds_features_cold": round(_until_features(cold), 2),
        "seconds_features": round(_until_features(first), 2),
        "seconds_features_phase": round(took, 2),
        "seconds_features_again": round(_until_features(again), 3),
        "seconds_job": round(_seconds(first), 2),
        "predicted_seconds": round(expected, 2),
        "prediction_error": round(expected / took - 1, 3),
    }


def _select(client: Client, target: list[Json], pool: list[Json]) -> Selection:
    created = client.pools.create()
    created.add(pool)
    job = client.selections.create(target_id=client.targets.create(target).id, pool_id=created.id, k=8)
    return job.wait(timeout=3600)


def _seconds(job: Selection) -> float:
    """From the POST's commit to the result's."""
    assert job.completed_at is not None
    return (job.completed_at - job.created_at).total_seconds()


def _features_phase(job: Selection) -> float:
    """From the first claim of a feature shard to the last commit."""
    return float(job.progress.phases["features"].seconds)


def _until_features(job: Selection) -> float:
    return _seconds(job) - float(job.progress.phases["transport"].seconds)


if __name__ == "__main__":
    sys.exit(main())
