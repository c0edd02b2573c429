"""Parameters that several routes share."""

from typing import Annotated

from fastapi import Depends, Path, Query, Request

from evoselect.spec.fields import MAX_WHOLE
from service.http.problems import Problem

ID_PATTERN = r"^[a-z]{1,16}_[0-9a-z]{26}$"

MAX_ID = 43  # characters of what the pattern allows

ResourceId = Annotated[str, Path(pattern=ID_PATTERN, max_length=MAX_ID)]
After = Annotated[
    str | None,
    Query(pattern=ID_PATTERN, max_length=MAX_ID, description="The last id of the page before."),
]
Limit = Annotated[int, Query(ge=1, le=1000)]
AfterNumber = Annotated[int, Query(ge=0, le=MAX_WHOLE, description="The number of the last one seen.")]
Search = Annotated[
    str | None,
    Query(min_length=1, max_length=200, description="Only what holds this text, whatever its case."),
]
DEFAULT_LIMIT = 100

EXTRA = "extra."
MAX_EXTRA = 16  # conditions of one request


def _extra(request: Request) -> dict[str, str]:
    """The conditions of the query, such as extra.source=web."""
    asked = [(name, value) for name, value in request.query_params.multi_items() if name.startswith(EXTRA)]
    wanted = {name.removeprefix(EXTRA): value for name, value in asked}
    if len(wanted) < len(asked) or len(wanted) > MAX_EXTRA or "" in wanted:
        detail = f"extra.NAME=value may stand there for {MAX_EXTRA} names, once for each."
        raise Problem(422, "invalid_request", detail)
    return wanted


Extra = Annotated[dict[str, str], Depends(_extra)]
"""What records must have in `extra`, by name; a value that is no text is written as JSON."""
