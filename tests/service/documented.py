"""What of the OpenAPI document says nothing: fields without a description, schemas without a type."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from service.openapi.document import operations

UNTOLD = frozenset(("title", "description", "default", "examples", "deprecated"))


def schemas(schema: dict[str, Any], where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """A schema and all that it is made of, each with its place."""
    yield where, schema
    for name, part in schema.get("properties", {}).items():
        yield from schemas(part, f"{where}.{name}")
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            yield from schemas(schema[name], f"{where}[]")
    for name in ("anyOf", "oneOf", "allOf", "prefixItems"):
        for part in schema.get(name, []):
            yield from schemas(part, where)


def parts(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """(place, what must be described, its schema) of every parameter, body, answer and named schema."""
    for name, schema in document["components"]["schemas"].items():
        yield name, schema, schema
    for name, header in document["components"]["headers"].items():
        yield f"header {name}", header, header["schema"]
    for path, method, operation in operations(document):
        place = f"{method.upper()} {path}"
        for parameter in operation.get("parameters", []):
            yield f"{place} {parameter['name']}", parameter, parameter["schema"]
        bodies = [(place, operation.get("requestBody", {}))]
        for status, answer in operation["responses"].items():
            told = document["components"]["responses"][status] if "$ref" in answer else answer
            yield f"{place} {status}", told, {"type": "null"}
            bodies.append((f"{place} {status}", told))
        for where, body in bodies:
            for kind, content in body.get("content", {}).items():
                yield f"{where} {kind}", {"description": "its schema's"}, content["schema"]


@dataclass
class Untold:
    """Places that say nothing, and how many were looked at."""

    undescribed: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    seen: int = 0


def untold(document: dict[str, Any]) -> Untold:
    """All of the document."""
    found = Untold()
    for place, part, schema in parts(document):
        found.seen += 1
        if part.get("description", "Successful Response") == "Successful Response":
            found.undescribed.append(place)
        for where, inner in schemas(schema, place):
            _look(found, where, inner)
    return found


def _look(found: Untold, where: str, schema: dict[str, Any]) -> None:
    for name, one in schema.get("properties", {}).items():
        found.seen += 1
        if not one.get("description"):
            found.undescribed.append(f"{where}.{name}")
    bare = schema.get("type") == "object" and not schema.keys() & {"properties", "additionalProperties"}
    if bare or not schema.keys() - UNTOLD:
        found.empty.append(where)
