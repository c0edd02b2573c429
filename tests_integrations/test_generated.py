"""A client that openapi-python-client makes from docs/openapi.json: it imports, and does the main job."""

import importlib
import os
import pkgutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

DOCUMENT = Path(__file__).parents[1] / "docs" / "openapi.json"
NAME = "generated_evoselect"


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The package's name, importable from here on."""
    folder = tmp_path_factory.mktemp("generated")
    tool = Path(sys.executable).with_name("openapi-python-client")
    made = ["--path", str(DOCUMENT), "--output-path", str(folder / NAME), "--meta", "none"]
    subprocess.run([tool, "generate", *made], check=True, capture_output=True)
    sys.path.insert(0, str(folder))
    return NAME


def test_every_module_imports(generated: str) -> None:
    package = importlib.import_module(generated)
    names = [module.name for module in pkgutil.walk_packages(package.__path__, f"{generated}.")]
    for name in names:
        importlib.import_module(name)
    assert {f"{generated}.api.selections.selections_create", f"{generated}.models.item"} <= set(names)


def test_it_does_the_main_job(generated: str) -> None:
    def api(operation: str) -> Any:
        return importlib.import_module(f"{generated}.api.selections.selections_{operation}")

    models, root = importlib.import_module(f"{generated}.models"), importlib.import_module(generated)
    client = root.AuthenticatedClient(
        os.environ["EVOSELECT_URL"], os.environ["EVOSELECT_API_KEY"], timeout=60
    )
    rows = [{"prompt": f"{n} + 1?", "completion": f"{n + 1}"} for n in range(12)]
    asked = models.SelectionRequest.from_dict({"target": rows[:2], "candidates": rows[2:], "k": 3})
    job = api("create").sync(client=client, body=asked)
    for _ in range(20):
        if job.done:
            break
        job = api("retrieve").sync(job.id, client=client, wait=15.0)
    assert job.status.value == "completed"
    assert job.result.diagnostics.k == 3
    page = api("items").sync(job.id, client=client)
    assert [item.rank for item in page.data] == [1, 2, 3]
    assert page.data[0].targets[0].cosine <= 1.001
    assert api("report").sync(job.id, client=client).targets.total == 2
    refused = api("create").sync(client=client, body=models.SelectionRequest.from_dict({"k": 0}))
    assert refused.code == "invalid_request"
