"""Every text within a JSON value."""

from collections.abc import Iterator
from typing import Any


def strings_of(value: Any) -> Iterator[str]:
    """The texts of objects and lists, at any depth; keys are none of them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings_of(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings_of(item)
