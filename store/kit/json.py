"""The type of a JSON object, as rows keep it and answers show it."""

from typing import Any

Json = dict[str, Any]
