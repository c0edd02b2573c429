"""Parameters that several routes share."""

from typing import Annotated

from fastapi import Path, Query

from evoselect.spec.fields import MAX_WHOLE

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
