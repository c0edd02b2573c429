"""The OpenAPI document: the framework's, with every problem that a route can answer."""

from functools import cache

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi

from service.http import problems
from service.http.answers import ProblemDocument
from store.kit.json import Json

INTERNAL = 500  # a bug, which no route promises
ALWAYS = (401, 403, 429, 503)  # of every route below /v1
WITH_PARAMETERS = (404, 422)
WITH_BODY = (400, 404, 409, 413, 415, 422, 507)
CONFLICTS = (  # routes without a body that a state may forbid
    "/items",
    "/rejected",
    "/report",
    "/cancel",
    "/redeliver",
    "/retry",
    "/pause",
    "/resume",
    "/compare/{other_id}",
    "/candidates/{candidate_id}",
)
OWN = {"/items": 406, "/report": 406, "/content": 416}
DESCRIPTION = "Which of these candidate examples are worth training on for a target task?"


def install(app: FastAPI) -> None:
    """Let the application answer /openapi.json with the whole document, made and encoded once."""

    def openapi() -> Json:
        if app.openapi_schema is None:
            app.openapi_schema = document(app)
        return app.openapi_schema

    @cache
    def encoded() -> bytes:
        return orjson.dumps(openapi())

    async def answer(request: Request) -> Response:
        return Response(encoded(), media_type="application/json")

    app.openapi = openapi  # type: ignore[method-assign]  # the framework's documented way
    app.add_route("/openapi.json", answer, include_in_schema=False)


def document(app: FastAPI) -> Json:
    """OpenAPI 3.1 with the bearer key, and a problem for each status that a route can answer."""
    found = get_openapi(title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes)
    schemas = found["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    parts = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(parts.pop("$defs"))
    schemas["ProblemDocument"] = parts
    found["components"]["responses"] = {
        str(status): _problem_response(status) for status in problems.TITLES if status != INTERNAL
    }
    found["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    for path, item in found["paths"].items():
        for method, operation in item.items():
            _complete(path, method, operation)
    return found


def _complete(path: str, method: str, operation: Json) -> None:
    responses = operation["responses"]
    responses.pop("422", None)  # the framework's own form of it
    if path.startswith("/v1/"):
        operation["security"] = [{"key": []}]
    for status in _statuses(path, method, operation):
        responses[str(status)] = {"$ref": f"#/components/responses/{status}"}


def _problem_response(status: int) -> Json:
    schema = {"$ref": "#/components/schemas/ProblemDocument"}
    return {"description": problems.TITLES[status], "content": {problems.MEDIA_TYPE: {"schema": schema}}}


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
