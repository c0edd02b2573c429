"""Headers of answers, as the OpenAPI document names them."""

from collections.abc import Mapping
from typing import Any, TypedDict

Operation = Mapping[str, Any]
"""One method of one path, as the framework describes it."""
Reference = TypedDict("Reference", {"$ref": str})


class Header(TypedDict):
    """What a header says, and the schema of its value."""

    description: str
    schema: dict[str, str | int]


def _text(description: str) -> Header:
    return {"description": description, "schema": {"type": "string"}}


def _whole(description: str) -> Header:
    return {"description": description, "schema": {"type": "integer", "minimum": 0}}


ALL: dict[str, Header] = {
    "X-Request-Id": _text("Names this request in the service's log."),
    "RateLimit": _text('Requests left of the present window, such as `"requests";r=199`.'),
    "RateLimit-Policy": _text(
        'Requests that a window allows, such as `"requests";q=200;w=1` for 200 a second.'
    ),
    "Retry-After": _whole("Seconds after which asking again makes sense."),
    "Location": _text("Path of the job."),
    "ETag": _text("Names this state: send it as `If-None-Match` to be told when nothing has changed."),
    "Content-Range": _text("Which bytes of how many, such as `bytes 0-99/1000`."),
    "Idempotent-Replayed": _text("`true` where the Idempotency-Key came before: nothing new was made."),
}
WAITING = (429, 503, 507)  # problems that name a time


def of(path: str, status: int, operation: Operation) -> dict[str, Reference]:
    """By name a reference to each header that an answer without a problem carries."""
    names = ["X-Request-Id"]
    if path.startswith("/v1/"):
        names += ["RateLimit", "RateLimit-Policy"]
    if status == 202 and operation["operationId"].endswith((".create", ".retry")):
        names += ["Location", "Retry-After"]
    if status in (200, 206, 304) and (path.endswith("/content") or _has(operation, "wait")):
        names.append("ETag")
    if status == 200 and _has(operation, "wait"):
        names.append("Retry-After")
    if status == 206:
        names.append("Content-Range")
    if status < 300 and _has(operation, "idempotency-key"):
        names.append("Idempotent-Replayed")
    return _references(names)


def of_problem(status: int, operation_id: str) -> dict[str, Reference]:
    """By name a reference to each header that a problem carries."""
    keyed = status == 409 and operation_id.endswith((".create", ".update", ".rotate"))
    more = ["Retry-After"] if status in WAITING or keyed else ["Content-Range"] if status == 416 else []
    return _references(["X-Request-Id", *more])


def _references(names: list[str]) -> dict[str, Reference]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _has(operation: Operation, parameter: str) -> bool:
    return any(own["name"] == parameter for own in operation.get("parameters", ()))
