"""Whether an answer is what the committed OpenAPI document says of it."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs

FILE = Path(__file__).parents[1] / "docs" / "openapi.json"


@cache
def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FILE.read_text())
    return found


@cache
def _validator(name: str) -> Any:
    schema = {"$ref": f"#/components/schemas/{name}", "components": document()["components"]}
    return jsonschema_rs.Draft202012Validator(schema)


def faults(name: str, value: object) -> list[str]:
    """Where the value is not what the schema of that name asks for."""
    found = _validator(name).iter_errors(value)
    return [f"{'/'.join(map(str, fault.instance_path))}: {fault.message}" for fault in found]


def faults_of_paths(url: str, key: str, paths: dict[str, str]) -> dict[str, list[str]]:
    """By schema where the answer to GET /v1/{path} is not that; nothing where all are."""
    found = {}
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as client:
        for name, path in paths.items():
            found[name] = faults(name, client.get(f"/v1/{path}").raise_for_status().json())
    return {name: own for name, own in found.items() if own}
