"""The OpenAPI document: the framework's, with every problem and header that a route can answer."""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel

from service.http import problems
from service.http.responses import ProblemDocument
from service.openapi import headers
from service.openapi.codes import EVERYWHERE, of_operation
from store.kit.json import Json

ALWAYS = (401, 403, 429, 503)  # of every route below /v1
WITH_PARAMETERS = (404, 422)
WITH_BODY = (400, 404, 409, 413, 415, 422, 507)
CONFLICTS = (  # routes without a body that a state may forbid
    "/items",
    "/rejected",
    "/report",
    "/scores",
    "/cancel",
    "/redeliver",
    "/retry",
    "/pause",
    "/resume",
    "/compare/{other_id}",
    "/candidates/{candidate_id}",
    "/similar",
)
OWN = {"/items": 406, "/report": 406, "/content": 416}
SHARED = (401, 403, 404, 406, 416, 422, 429, 503, 507)
DESCRIPTION = "Which of these candidate examples are worth training on for a target task?"
VERBS = {
    "listing": "list",
    "remove": "delete",
    "stored_records": "records",
    "batch_listing": "batches",
    "example_scores": "scores",
}
UNTOLD = "Successful Response"  # what the framework says of an answer that nobody described
REF = "#/components/schemas/"
PAGE = re.compile(r"\bPage[_\[](\w+)[_\]]")  # what the framework calls a page of something


def operation_id(route: APIRoute) -> str:
    """`selections.create`: the noun of the path, and what is done; generators make selectionsCreate of it."""
    noun = route.path.removeprefix("/v1/").split("/")[0].strip("/") if "/v1/" in route.path else "service"
    name = VERBS.get(route.name, route.name.removeprefix("retrieve_"))
    return f"{noun}.{name}"


def install(app: FastAPI, *bodies: type[BaseModel]) -> None:
    """Let the application answer /openapi.json with the whole document, made and encoded once.

    `bodies` are models that a route reads by itself.
    """

    def openapi() -> Json:
        if app.openapi_schema is None:
            app.openapi_schema = document(app, bodies)
        return app.openapi_schema

    @cache
    def encoded() -> bytes:
        return orjson.dumps(openapi())

    async def answer(request: Request) -> Response:
        return Response(encoded(), media_type="application/json")

    app.openapi = openapi  # type: ignore[method-assign]  # the framework's documented way
    app.add_route("/openapi.json", answer, include_in_schema=False)


def document(app: FastAPI, bodies: Sequence[type[BaseModel]]) -> Json:
    """OpenAPI 3.1 with the bearer key, and a problem for each status that a route can answer."""
    found = get_openapi(
        title=app.title,
        version=app.version,
        description=DESCRIPTION,
        routes=app.routes,
        separate_input_output_schemas=False,
    )
    schemas = found["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    described: tuple[type[BaseModel], ...] = (ProblemDocument, *bodies)
    for model in described:
        parts = model.model_json_schema(ref_template=f"{REF}{{model}}")
        schemas.update(parts.pop("$defs"))
        schemas[model.__name__] = parts
    found["components"]["headers"] = headers.ALL
    found["components"]["responses"] = {str(status): _problem("", status, shared=True) for status in SHARED}
    found["components"]["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "An API key, `evs_...`."}
    }
    for path, item in found["paths"].items():
        for method, operation in item.items():
            _complete(schemas, path, method, operation)
    plain: Json = _plain(found)
    return plain


def _complete(schemas: Json, path: str, method: str, operation: Json) -> None:
    responses = operation["responses"]
    responses.pop("422", None)  # the framework's own form of it
    if path.startswith("/v1/"):
        operation["security"] = [{"key": []}]
    name = operation["operationId"]
    for status in _statuses(path, method, operation):
        if any(of_operation(name, status)):
            responses[str(status)] = _problem(name, status)
    for status, response in responses.items():
        if response.get("description") == UNTOLD:
            response["description"] = _said(schemas, response) or operation["description"].split("\n")[0]
        if int(status) < 400:
            response["headers"] = headers.of(path, int(status), operation)


def _problem(operation_id: str, status: int, *, shared: bool = False) -> Json:
    """A status with the codes that it can have here, each with its meaning."""
    codes = list(of_operation(operation_id, status))
    own = any(code.operations != EVERYWHERE for code in codes)
    if not own and not shared:
        return {"$ref": f"#/components/responses/{status}"}
    return {
        "description": "\n".join(
            [f"{problems.TITLES[status]}.", *(f"- `{code.name}`: {code.meaning}" for code in codes)]
        ),
        "content": {problems.MEDIA_TYPE: {"schema": {"$ref": f"{REF}ProblemDocument"}}},
        "headers": headers.of_problem(status, operation_id),
    }


def _said(schemas: Json, response: Json) -> str | None:
    """What the schema of an answer says it is."""
    schema = response.get("content", {}).get("application/json", {}).get("schema", {})
    found: str | None = schemas.get(schema.get("$ref", "").removeprefix(REF), schema).get("description")
    return found


def _statuses(path: str, method: str, operation: Json) -> list[int]:
    if path == "/readyz":
        return [503]
    if not path.startswith("/v1/"):
        return []
    statuses = set(ALWAYS)
    if operation.get("parameters"):
        statuses.update(WITH_PARAMETERS)
    if "requestBody" in operation:
        statuses.update(WITH_BODY)
    if method == "delete" or path.endswith(CONFLICTS):
        statuses.add(409)
    statuses.update(status for end, status in OWN.items() if path.endswith(end))
    return sorted(statuses)


def _plain(value: Any) -> Any:
    """Descriptions for readers of JSON: a paragraph in one line, null in place of None."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {PAGE.sub(r"\1List", name): _plain_member(name, one) for name, one in value.items()}


def _plain_member(name: str, value: Any) -> Any:
    if isinstance(value, str) and name in ("$ref", "title"):
        return PAGE.sub(r"\1List", value)
    if name == "anyOf" and isinstance(value, list):
        value = [_listed(one) for one in value]
    return _in_lines(value) if name == "description" and isinstance(value, str) else _plain(value)


def _listed(schema: Json) -> Json:
    """A value that stands for itself as a list of one: generated clients take `const` for the only choice."""
    if "const" not in schema:
        return schema
    return {name: one for name, one in schema.items() if name != "const"} | {"enum": [schema["const"]]}


def _in_lines(text: str) -> str:
    paragraphs = (re.sub(r"\n(?!- )", " ", part) for part in text.split("\n\n"))
    return re.sub(r"\bNone\b", "null", "\n\n".join(paragraphs)).replace("``", "`")


def operations(found: Json) -> Iterator[tuple[str, str, Json]]:
    """(path, method, operation) of a document."""
    for path, item in found["paths"].items():
        for method, operation in item.items():
            yield path, method, operation
