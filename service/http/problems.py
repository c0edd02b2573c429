"""Every refusal and failure as application/problem+json (RFC 9457), with a stable code and a request id."""

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from psycopg.errors import DiskFull
from sqlalchemy.exc import DataError, OperationalError
from sqlalchemy.orm.exc import StaleDataError
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from evoselect.errors import InvalidInput
from store.errors import StoreError

logger = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"
MAX_FAULTS = 100  # listed in one problem; the detail says how many there are
MAX_PART = 100  # characters of a field's name in a pointer
MAX_SHOWN = 60  # characters of a value in a sentence

TITLES = {
    400: "Bad request",
    401: "No valid API key",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    408: "Too slow",
    409: "Conflict",
    413: "Body too large",
    414: "URL too long",
    415: "Unsupported media type",
    416: "Range not satisfiable",
    422: "Invalid request",
    429: "Too many requests",
    431: "Headers too large",
    500: "Internal error",
    503: "Service unavailable",
    507: "Storage full",
}
CODES = {
    400: "bad_request",
    404: "no_such_route",
    405: "method_not_allowed",
    415: "unsupported_media_type",
}
RETRY_SECONDS = "5"
FULL_SECONDS = "60"


class Problem(HTTPException):
    """Raise this anywhere in a request to answer with a problem."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, detail, dict(headers or {}))
        self.code = code
        self.errors = list(errors)


def render(problem: Problem, request_id: str) -> Response:
    """The problem as a response."""
    body: dict[str, object] = {
        "type": f"urn:evoselect:problem:{problem.code}",
        "title": TITLES.get(problem.status_code, "Error"),
        "status": problem.status_code,
        "code": problem.code,
        "detail": problem.detail,
        "request_id": request_id,
        "errors": problem.errors[:MAX_FAULTS],
    }
    content = json.dumps(body)  # escapes what is not ASCII, lone surrogates of the client too
    return Response(content, problem.status_code, problem.headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Turn every exception that can reach the framework into a problem."""
    own = (HTTPException, RequestValidationError, StoreError, InvalidInput)
    for kind in (*own, DataError, StaleDataError, OperationalError):
        app.add_exception_handler(kind, _handle)


async def _handle(request: Request, error: Exception) -> Response:
    return render(as_problem(request, error), request.state.request_id)


def as_problem(request: Request, error: Exception) -> Problem:
    """What a failure is to the client."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, RequestValidationError):
        return _from_validation(error)
    if isinstance(error, StoreError):
        errors = [{"pointer": error.pointer, "detail": error.detail}] if error.pointer else []
        headers = {"Retry-After": str(error.retry_after)} if error.retry_after else {}
        return Problem(error.status, error.code, error.detail, errors=errors, headers=headers)
    if isinstance(error, InvalidInput):
        return Problem(422, "invalid_value", str(error))
    if isinstance(error, HTTPException):
        return _from_http(request, error)
    if isinstance(error, DataError):
        return _not_storable(error)
    if isinstance(error, StaleDataError):  # between reading the row and changing it
        return Problem(404, "not_found", "What the request names was deleted meanwhile.")
    return of_database(error)


def of_database(error: Exception) -> Problem:
    """The database refused: it has no disk left, or it does not answer."""
    cause = getattr(error, "orig", None)
    return storage_full() if isinstance(cause, DiskFull) else unavailable()


def unavailable() -> Problem:
    """The database does not answer."""
    detail = "The database does not answer; nothing was stored. Send the request again."
    return Problem(503, "database_unavailable", detail, headers={"Retry-After": RETRY_SECONDS})


def storage_full() -> Problem:
    """A disk has its reserve left, or less."""
    detail = "The service's disk is full; nothing was stored. Send it again when its operator has made room."
    return Problem(507, "storage_full", detail, headers={"Retry-After": FULL_SECONDS})


def _not_storable(error: DataError) -> Problem:
    """A value that no check has refused, and that PostgreSQL cannot hold; a check is missing."""
    logger.error("a value of a request was refused by the database", exc_info=error)
    detail = "A value of the request cannot be stored: check it for odd characters."
    return Problem(422, "invalid_value", detail)


def internal() -> Problem:
    """A bug: the trace is in the log under the request's id, never in the answer."""
    return Problem(500, "internal_error", "The service failed; its log has the reason under this request_id.")


def no_such_route(method: str, path: str) -> Problem:
    """Nothing is there, for nobody."""
    detail = f"There is no route {method} {path:.200}; /openapi.json lists all."
    return Problem(404, CODES[404], detail)


def _from_http(request: Request, error: HTTPException) -> Problem:
    status, where = error.status_code, f"{request.method} {request.url.path}"
    details = {
        400: "The body cannot be read as UTF-8 JSON.",
        404: no_such_route(request.method, request.url.path).detail,
        405: f"{where} is not allowed; the Allow header lists what is.",
    }
    code = CODES.get(status, f"http_{status}")
    headers = {"Allow": _allowed(request, error)} if status == 405 else error.headers
    return Problem(status, code, details.get(status, str(error.detail)), headers=headers)


def _allowed(request: Request, error: HTTPException) -> str:
    """Every method of the path, sorted; the framework names those of the first route only, in any order."""
    documented: Mapping[str, Mapping[str, Any]] = request.app.openapi()["paths"]
    methods = {
        method.upper()
        for template, operations in documented.items()
        if compile_path(template)[0].match(request.url.path)
        for method in operations
    }
    methods = methods or set((error.headers or {})["Allow"].split(", "))
    return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))


def _from_validation(error: RequestValidationError) -> Problem:
    faults = error.errors()
    if faults and faults[0]["loc"][0] == "path":
        return Problem(404, "not_found", f"Nothing has the id {_shown(faults[0]['input'])}; check the id.")
    if faults and faults[0]["type"] == "json_invalid":
        reason = faults[0].get("ctx", {}).get("error", "")
        return Problem(
            400, "not_json", f"The body is not JSON: {reason} at character {faults[0]['loc'][-1]}."
        )
    listed = faults[:MAX_FAULTS]
    errors = [{"pointer": _pointer(fault, error.body), "detail": _sentence(fault)} for fault in listed]
    detail = "; ".join(f"{item['pointer']}: {item['detail']}" for item in errors[:3])
    more = f" ({len(faults)} faults, the first {MAX_FAULTS} are listed)" if len(faults) > MAX_FAULTS else ""
    return Problem(422, "invalid_request", detail + more, errors=errors)


def _pointer(fault: Mapping[str, Any], body: Any) -> str:
    """("body", "spec", "epsilon") -> /spec/epsilon; ("query", "wait") -> ?wait."""
    place, *path = fault["loc"]
    if place == "query" and path:
        return f"?{path[0]}"
    if place == "body":
        path = _within(body, path, missing=fault["type"] == "missing")
    return "/" + "/".join(f"{part}"[:MAX_PART] for part in path)


def _within(body: Any, path: Sequence[Any], *, missing: bool) -> list[Any]:
    """The parts that lead into the body; others name the member of a union that was tried."""
    found: list[Any] = []
    for number, part in enumerate(path):
        known = part in body if isinstance(body, dict) else isinstance(body, list) and isinstance(part, int)
        if known:
            body = body[part]
        if known or (missing and number == len(path) - 1):
            found.append(part)
    return found


def _sentence(fault: Mapping[str, Any]) -> str:
    """Pydantic's message with the value seen, cut short; containers are not repeated."""
    seen, said = fault.get("input"), str(fault["msg"]).removeprefix("Value error, ")
    return f"{said}, got {_shown(seen)}" if isinstance(seen, (str, int, float, bool)) else said


def _shown(seen: object) -> str:
    """The value, cut before it is written out: it may have millions of characters."""
    return f"{(seen[:MAX_SHOWN] if isinstance(seen, str) else seen)!r:.{MAX_SHOWN}}"
