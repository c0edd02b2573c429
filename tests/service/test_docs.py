"""docs/api.md says what the service does: its records parse, and it names every code and every route."""

import json
import re
from pathlib import Path

from service.app import create_app
from store.records.record import parse_record
from store.settings import Settings

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "api.md").read_text()
CODE = re.compile(
    r"""Problem\(\s*\d+,\s*"([a-z_]+)"|code="([a-z_]+)"|code = "([a-z_]+)"|^    \d{3}: "([a-z_]+)",$""",
    re.MULTILINE,
)
INTERNAL = {"lost_lease", "cancelled", "artifact_corrupt", "conflict"}  # never reach a client under this name


def test_the_records_are_records() -> None:
    section = TEXT.split("## Records")[1].split("## ")[0]
    lines = re.findall(r"```json\n(.*?)```", section, flags=re.DOTALL)[0].splitlines()
    assert len(lines) == 3
    for line in lines:
        parse_record(json.loads(line))


def codes_of_the_source() -> set[str]:
    files = [*(ROOT / "service").rglob("*.py"), *(ROOT / "store").rglob("*.py")]
    return {code for file in files for groups in CODE.findall(file.read_text()) for code in groups if code}


def test_every_code_is_named() -> None:
    found = codes_of_the_source()
    assert {"no_api_key", "k_exceeds_pool", "method_not_allowed"} <= found
    assert {code for code in found - INTERNAL if f"`{code}`" not in TEXT} == set()


def test_every_route_is_named(tmp_path: Path) -> None:
    url = "postgresql+psycopg://nobody@127.0.0.1:1/none"
    app = create_app(Settings(home=tmp_path, database_url=url, artifacts_url=f"file://{tmp_path}"))
    table = TEXT.split("## Keys")[0]
    for path, methods in app.openapi()["paths"].items():
        noun, *rest = path.removeprefix("/v1/").strip("/").split("/")
        assert noun in table
        assert all(part in table for part in rest if not part.startswith("{"))
        assert all(method.upper() in table for method in methods)
