"""Parameters that several routes share."""

from typing import Annotated

from fastapi import Path, Query

ID_PATTERN = r"^[a-z]+_[0-9a-z]{26}$"

ResourceId = Annotated[str, Path(pattern=ID_PATTERN)]
After = Annotated[str | None, Query(pattern=ID_PATTERN, description="The last id of the page before.")]
Limit = Annotated[int, Query(ge=1, le=1000)]
DEFAULT_LIMIT = 100
