"""The pipelines against a live service, in an environment that holds their packages and the client only.

`make test-integrations` makes it, starts the service and sets EVOSELECT_URL and EVOSELECT_API_KEY.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from evoselect_client import Client
from evoselect_client.integrations.selecting import select
from evoselect_client.models import Selection

TARGET = [{"prompt": f"{n} + 1?", "completion": str(n + 1)} for n in range(3)]
POOL = [{"prompt": f"{n} + 2?", "completion": str(n + 2)} for n in range(12)]
K = 3


@pytest.fixture(scope="session")
def selection() -> Selection:
    """One completed selection."""
    return select(Client(), TARGET, POOL, k=K)


def prompts(rows: Any) -> list[str]:
    return [row["prompt"] for row in rows]


def test_prefect(selection: Selection) -> None:
    from prefect import flow
    from prefect.testing.utilities import prefect_test_harness

    from evoselect_client.integrations.prefect import select_examples

    @flow  # type: ignore[untyped-decorator, unused-ignore]
    def nightly() -> dict[str, Any]:
        done: dict[str, Any] = select_examples(TARGET, POOL, k=K)
        return done

    with prefect_test_harness(server_startup_timeout=120):
        done = nightly()
    assert Client().selections.retrieve(done["id"]).status == "completed"
    assert done["summary"]["counts.pool"] == len(POOL)


def test_dagster(selection: Selection) -> None:
    from dagster import materialize

    from evoselect_client.integrations.dagster import selection_asset

    picked = selection_asset("picked", target=TARGET, candidates=POOL, k=K)
    done = materialize([picked])
    (event,) = done.get_asset_materialization_events()
    metadata = event.materialization.metadata
    assert metadata["counts.pool"].value == len(POOL)
    items = Client().selections.items(str(metadata["selection_id"].value))
    assert prompts(item.record for item in items) == prompts(item.record for item in selection.items())


def test_mlflow(selection: Selection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow

    from evoselect_client.integrations.mlflow import log_selection

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # the skinny package has no database
    mlflow.set_tracking_uri(f"file://{tmp_path}/runs")
    with mlflow.start_run() as run:
        log_selection(selection)
    data = mlflow.get_run(run.info.run_id).data
    assert data.params["evoselect.k"] == str(K)
    assert data.metrics["evoselect.counts.pool"] == len(POOL)
    assert data.tags["evoselect.selection_id"] == selection.id
    path = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="evoselect/items.jsonl")
    assert [json.loads(line)["rank"] for line in Path(path).read_text().splitlines()] == [1, 2, 3]


def test_ray(selection: Selection) -> None:
    import ray

    from evoselect_client.integrations.ray_data import select_rows

    ray.init(num_cpus=1, include_dashboard=False, object_store_memory=100 * 2**20)
    try:
        picked = select_rows(Client(), ray.data.from_items(POOL), target=TARGET, k=K).take_all()
    finally:
        ray.shutdown()
    assert prompts(picked) == prompts(item.record for item in selection.items())
    assert [row["evoselect_rank"] for row in picked] == [1, 2, 3]


def test_distilabel(selection: Selection, tmp_path: Path) -> None:
    from distilabel.pipeline import Pipeline
    from distilabel.steps import LoadDataFromDicts

    from evoselect_client.integrations.distilabel import SelectRows

    with Pipeline("select", cache_dir=tmp_path) as pipeline:
        load = LoadDataFromDicts(data=[{**row, "kept": number} for number, row in enumerate(POOL)])
        load >> SelectRows(target=TARGET, k=K)
    rows = pipeline.run(use_cache=False)["default"]["train"]
    assert prompts(rows) == prompts(item.record for item in selection.items())
    assert [POOL[row["kept"]]["prompt"] for row in rows] == prompts(rows)
    assert [row["evoselect_rank"] for row in rows] == [1, 2, 3]
