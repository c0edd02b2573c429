"""Parameters that several routes share; what a route does not know is refused, as unknown fields are."""

import re
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Depends, Path, Query, Request, params
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute

from evoselect.spec.fields import MAX_WHOLE
from service.http.problems import MAX_FAULTS, Problem
from store.tables.owned import Window

ID_PATTERN = r"^[a-z]{1,16}_[0-9a-z]{26}$"

MAX_ID = 43  # characters of what the pattern allows

GIVEN = "The id that the service gave."
ResourceId = Annotated[str, Path(pattern=ID_PATTERN, max_length=MAX_ID, description=GIVEN)]
After = Annotated[
    str | None,
    Query(pattern=ID_PATTERN, max_length=MAX_ID, description="The last id of the page before."),
]
Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most, 1 to 1,000.")]
AfterNumber = Annotated[int, Query(ge=0, le=MAX_WHOLE, description="The number of the last one seen.")]
Search = Annotated[
    str | None,
    Query(min_length=1, max_length=200, description="Only what holds this text, whatever its case."),
]
DEFAULT_LIMIT = 100
Order = Annotated[
    Literal["asc", "desc"], Query(description="`desc` gives the newest first, `asc` the oldest.")
]
CreatedAfter = Annotated[datetime | None, Query(description="Only what was made after this time (RFC 3339).")]
BRACKET = "metadata["
METADATA = re.compile(r"metadata\[(.{1,64})\]", re.DOTALL)

EXTRA = "extra."
MAX_EXTRA = 16  # conditions of one request


def resource_id(name: str) -> Any:
    """ResourceId for routes that several nouns share: `name` is what the path calls it."""
    return Annotated[str, Path(alias=name, pattern=ID_PATTERN, max_length=MAX_ID, description=GIVEN)]


def asked_extra(request: Request) -> dict[str, str]:
    """The conditions of the query, such as extra.source=web."""
    asked = [(name, value) for name, value in request.query_params.multi_items() if name.startswith(EXTRA)]
    wanted = {name.removeprefix(EXTRA): value for name, value in asked}
    if len(wanted) < len(asked) or len(wanted) > MAX_EXTRA or "" in wanted:
        detail = f"extra.NAME=value may stand there for {MAX_EXTRA} names, once for each."
        raise Problem(422, "invalid_request", detail)
    return wanted


def asked_window(
    after: After = None,
    limit: Limit = DEFAULT_LIMIT,
    order: Order = "desc",
    created_after: CreatedAfter = None,
) -> Window:
    """Which rows of a list the query asks for."""
    return Window(after, limit, order == "asc", _with_zone(created_after))


def asked_labelled(request: Request, window: Annotated[Window, Depends(asked_window)]) -> Window:
    """The same with metadata[NAME]=value, for what users annotate."""
    asked = [pair for pair in request.query_params.multi_items() if pair[0].startswith(BRACKET)]
    found = [(METADATA.fullmatch(name), value) for name, value in asked]
    wanted = {name[1]: value for name, value in found if name and f"{name[1]}{value}".isprintable()}
    if len(wanted) < len(asked) or len(wanted) > MAX_EXTRA:
        detail = f"metadata[NAME]=value may stand there for {MAX_EXTRA} names, once for each, printable."
        raise Problem(422, "invalid_request", detail)
    return replace(window, metadata=wanted)


def _with_zone(moment: datetime | None) -> datetime | None:
    if moment is not None and moment.tzinfo is None:
        raise Problem(
            422, "invalid_request", f"created_after is {moment.isoformat()} without a zone: add Z or +01:00."
        )
    return moment


Listing = Annotated[Window, Depends(asked_window)]
LabelledListing = Annotated[Window, Depends(asked_labelled)]
Extra = Annotated[dict[str, str], Depends(asked_extra)]
"""What records must have in `extra`, by name; a value that is no text is written as JSON."""

PREFIXES: dict[object, str] = {asked_extra: EXTRA, asked_labelled: BRACKET}
SHOWN = {EXTRA: "extra.NAME", BRACKET: "metadata[NAME]"}
OTHER = ("\0",)  # begins no name
MAX_NAME = 60  # characters of a name that are shown


def known(route: APIRoute) -> tuple[frozenset[str], tuple[str, ...]]:
    """The names that a route takes, and beginnings of others."""
    fields = get_flat_params(route.dependant)
    prefixes = tuple(PREFIXES[own.call] for own in route.dependant.dependencies if own.call in PREFIXES)
    return frozenset(one.alias for one in fields if isinstance(one.field_info, params.Query)), prefixes


def require_known(request: Request, names: Collection[str], prefixes: tuple[str, ...]) -> None:
    """Raise Problem 422 that names each parameter which the route does not take."""
    unknown = [
        name for name in request.query_params if name not in names and not name.startswith(prefixes or OTHER)
    ]
    if not unknown:
        return
    use = ", ".join([*sorted(names), *(SHOWN[prefix] for prefix in prefixes)]) or "none"
    errors = [
        {"pointer": f"?{name[:MAX_NAME]}", "detail": f"Unknown parameter; this route takes {use}"}
        for name in unknown[:MAX_FAULTS]
    ]
    raise Problem(422, "invalid_request", f"{errors[0]['pointer']}: {errors[0]['detail']}.", errors=errors)
