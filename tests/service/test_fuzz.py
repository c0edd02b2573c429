"""Short runs of what `python -m benchmarks.api --only fuzz` runs for long: schemathesis, and odd values."""

import json
from pathlib import Path

from benchmarks.api.fuzz import ENDING_KEYS, fuzz_once
from benchmarks.api.odd import fuzz_odd
from tests.live import Api, another_tenant

METHODS = {"get", "put", "post", "delete", "patch"}


def test_no_answer_is_undeclared_and_none_is_a_failure(api: Api, tmp_path: Path) -> None:
    tenants = (another_tenant(api).api_key, another_tenant(api).api_key)
    found = fuzz_once(api.url, tenants, tmp_path)
    said = (tmp_path / "output.txt").read_text()[-8000:]
    paths = json.loads(Path("docs/openapi.json").read_text())["paths"].values()
    routes = sum(len(METHODS & path.keys()) for path in paths) - len(ENDING_KEYS)
    assert found["fuzz_failures"] == 0, said
    assert found["fuzz_cases"] >= routes, said
    assert {"200", "404", "422"} <= found["fuzz_statuses"].keys(), said
    assert not [status for status in found["fuzz_statuses"] if status >= "500"], said


def test_no_odd_value_anywhere_is_a_failure(api: Api) -> None:
    found = fuzz_odd((another_tenant(api), another_tenant(api)), every=37)
    assert found["odd_failures"] == 0, found
    assert found["odd_cases"] >= 300
    assert {"200", "404", "422"} <= found["odd_statuses"].keys(), found
