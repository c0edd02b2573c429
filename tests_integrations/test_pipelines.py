"""The pipelines against a live service, in an environment that holds their packages and the client only.

`make test-integrations` makes it, starts the service and sets EVOSELECT_URL and EVOSELECT_API_KEY.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evoselect_client import Client
from evoselect_client.models import Selection
from tests_integrations.examples import POOL, TARGET, K, example, prompts, run_example

PICKED = round(0.25 * len(POOL))


@pytest.fixture(scope="module")
def prefect() -> Iterator[None]:
    """A server of Prefect's own."""
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
        yield


def test_prefect(here: Path, prefect: None) -> None:
    from evoselect_client.integrations.prefect import EvoSelect

    service = EvoSelect(base_url=os.environ["EVOSELECT_URL"], api_key=os.environ["EVOSELECT_API_KEY"])
    service.save("production")
    done = run_example("prefect")["nightly"]()
    assert Client().selections.retrieve(done).output()["counts"]["pool"] == len(POOL)


def test_a_retried_flow_of_prefect_finds_its_selection(prefect: None) -> None:
    from prefect import flow

    from evoselect_client.integrations.prefect import select_examples

    seen: list[dict[str, Any]] = []

    @flow(retries=1)  # type: ignore[untyped-decorator, unused-ignore]
    def nightly() -> None:
        seen.append(select_examples(TARGET, POOL, k=K))
        if len(seen) == 1:
            raise RuntimeError("after the selection")

    nightly()
    first, again = seen
    assert first["id"] == again["id"]
    assert first["summary"]["counts.pool"] == len(POOL)


def test_dagster(here: Path) -> None:
    from dagster import DagsterInstance

    job = run_example("dagster")["defs"].resolve_implicit_global_asset_job_def()
    ids = []
    for run in (1, 1, 2):  # the same run again, as it is retried, and another
        with DagsterInstance.ephemeral() as instance:
            done = job.execute_in_process(
                instance=instance, run_id=f"00000000-0000-4000-8000-00000000000{run}"
            )
        event = done.asset_materializations_for_node("picked")[0]
        assert event.metadata["counts.pool"].value == len(POOL)
        assert done.output_for_node("picked") == event.metadata["selection_id"].value
        ids.append(event.metadata["selection_id"].value)
    assert ids[0] == ids[1] != ids[2]
    assert len(list(Client().selections.items(ids[0]))) == PICKED


def test_mlflow(selection: Selection, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # the skinny package has no database
    mlflow.set_tracking_uri(f"file://{here}/runs")
    latest = next(Client().selections.list()).wait()
    run_example("mlflow")
    (run,) = mlflow.search_runs(output_format="list")
    data = run.data
    assert data.tags["evoselect.selection_id"] == latest.id
    assert data.params["evoselect.k"] == str(latest.request["k"])
    assert data.metrics["evoselect.counts.pool"] == latest.output()["counts"]["pool"]
    path = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="evoselect/items.jsonl")
    ranks = [json.loads(line)["rank"] for line in Path(path).read_text().splitlines()]
    assert ranks == [item.rank for item in latest.items()]


def test_ray(selection: Selection, here: Path) -> None:
    import ray

    ray.init(num_cpus=1, include_dashboard=False, object_store_memory=100 * 2**20)
    try:
        picked = run_example("ray_data")["picked"].take_all()
    finally:
        ray.shutdown()
    assert prompts(picked) == prompts(item.record for item in selection.items())
    assert [row["evoselect_rank"] for row in picked] == [1, 2, 3]


def test_distilabel(selection: Selection, here: Path) -> None:
    own = 'Pipeline("picked", cache_dir="cache")'
    names: dict[str, Any] = {}
    text = example("distilabel").replace('Pipeline("picked")', own)
    exec(text, names)
    names["pipeline"].run(use_cache=False)
    exec(text, names)  # a second run of the pipeline reads what the first one stored of it
    rows = names["pipeline"].run(use_cache=False)["default"]["train"]
    assert prompts(rows) == prompts(item.record for item in selection.items())
    assert [row["evoselect_rank"] for row in rows] == [1, 2, 3]
