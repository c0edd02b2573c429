"""Types of what a request may say: every number, text and list has limits, and no type stands for another.

Whole numbers end at 2^31 - 1, which every part of the service can count with: numpy takes seeds below 2^32
only, and JSON numbers above 2^53 are rounded by many clients.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import GroupedMetadata, MaxLen, MinLen
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetJsonSchemaHandler,
    Strict,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

MAX_WHOLE = 2**31 - 1
MAX_MEMBERS = 100  # of one object; the largest model has a quarter of it


class Bounded(BaseModel):
    """Base of all that requests say: frozen, finite numbers, unknown fields refused.

    The text below a field is its description in the OpenAPI document.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _few_members(cls, given: Any) -> Any:
        """A fault for each of 200,000 unknown fields would take seconds; this is one for all of them."""
        return _at_most(MAX_MEMBERS, given)


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number from `low` to `high`; a text of digits, a float or a truth value is none."""

    low: int
    high: int = MAX_WHOLE

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        number = core_schema.int_schema(strict=True, ge=self.low, le=self.high)
        said = f"Input should be a whole number from {self.low} to {self.high}"
        return core_schema.custom_error_schema(number, "whole_number", custom_error_message=said)


@dataclass(frozen=True, slots=True, kw_only=True)
class Real:
    """A finite number between two limits: `ge` or `gt` below, `le` or `lt` above."""

    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        number = core_schema.float_schema(
            strict=True, ge=self.ge, gt=self.gt, le=self.le, lt=self.lt, allow_inf_nan=False
        )
        words = {"at least": self.ge, "above": self.gt, "at most": self.le, "below": self.lt}
        limits = " and ".join(f"{word} {limit:.15g}" for word, limit in words.items() if limit is not None)
        said = f"Input should be a finite number, {limits}"
        return core_schema.custom_error_schema(number, "real_number", custom_error_message=said)


@dataclass(frozen=True, slots=True)
class Text(GroupedMetadata):
    """A text of `low` to `high` characters that PostgreSQL and UTF-8 can hold."""

    low: int
    high: int
    printable: bool = False

    def __iter__(self) -> Iterator[object]:
        yield Strict()
        if self.low:
            yield MinLen(self.low)
        yield MaxLen(self.high)
        yield AfterValidator(_printable if self.printable else _storable)


@dataclass(frozen=True, slots=True)
class Members(GroupedMetadata):
    """A dictionary or list of at most so many members; longer ones are refused before any member is read."""

    high: int
    low: int = 0

    def __iter__(self) -> Iterator[object]:
        if self.low:
            yield MinLen(self.low)
        yield MaxLen(self.high)
        yield BeforeValidator(lambda given: _at_most(self.high, given))


@dataclass(frozen=True, slots=True)
class OrName:
    """The document says that a text is taken too, which the model itself makes of it."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": [handler(schema), {"type": "string", "minLength": 1, "maxLength": 256}]}


Flag = Annotated[bool, Strict()]
ShortText = Annotated[str, Text(1, 256, printable=True)]
Id = Annotated[str, Text(1, 64, printable=True)]
Seed = Annotated[int, Whole(0)]


def _at_most(high: int, given: Any) -> Any:
    if isinstance(given, (dict, list, tuple)) and len(given) > high:
        raise PydanticCustomError(
            "too_many_members",
            "Input should have at most {high} members, not {found}",
            {"high": high, "found": len(given)},
        )
    return given


def _storable(text: str) -> str:
    if "\0" in text or not _is_utf8(text):
        raise ValueError("must not hold the character 0 or half of a surrogate pair")
    return text


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must be printable characters")
    return text


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
