"""What a record looks like in the OpenAPI document; store/records/record.py is what checks one."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import ConfigDict, Field, GetJsonSchemaHandler, TypeAdapter
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema
from typing_extensions import TypedDict  # pydantic reads typing's own from Python 3.12 on alone

from store.records.record import (
    FIELDS,
    MAX_CHOICES,
    MAX_EXTRA_BYTES,
    MAX_ID_CHARS,
    MAX_MESSAGES,
    MAX_METADATA_BYTES,
    MAX_TEXT_CHARS,
    ROLES,
)

LEAST_MEMBER = 5  # bytes of a member of an object: `"":0,`

Filled = Annotated[str, Field(min_length=1, max_length=MAX_TEXT_CHARS, pattern=r"\S")]
Label = Annotated[str, Field(min_length=1, max_length=MAX_ID_CHARS)]


@dataclass(frozen=True, slots=True)
class Shown:
    """The value is documented as `kind`, and checked elsewhere."""

    kind: Any

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return handler(TypeAdapter(self.kind).core_schema)


def _members(most: int, **more: Any) -> ConfigDict:
    extra = {"maxProperties": most, **more}
    return ConfigDict(extra="allow", use_attribute_docstrings=True, json_schema_extra=extra)


class Turn(TypedDict):
    """One turn of a chat."""

    __pydantic_config__ = ConfigDict(extra="forbid", use_attribute_docstrings=True)  # type: ignore[misc]

    role: Annotated[str, Field(json_schema_extra={"enum": sorted(ROLES)})]
    """Who speaks."""
    content: Annotated[str, Field(max_length=MAX_TEXT_CHARS)]
    """What is said, at most 262,144 characters."""


class RecordMetadata(TypedDict):
    """What the sender wants to keep beside a record, at most 16 kB as compact JSON."""

    __pydantic_config__ = _members(MAX_METADATA_BYTES // LEAST_MEMBER)  # type: ignore[misc]


class RecordExtra(TypedDict):
    """Columns of the row as it came that no field takes, at most 64 kB as compact JSON."""

    __pydantic_config__ = _members(MAX_EXTRA_BYTES // LEAST_MEMBER)  # type: ignore[misc]


class ToolUse(TypedDict):
    """Tools that a chat offers and calls, as a record has them: tools and turns."""

    __pydantic_config__ = _members(2)  # type: ignore[misc]


class Record(TypedDict, total=False):
    """One example: exactly one of prompt and messages, and what is learnt.

    Rows of other shapes, with other columns, are taken too (format, columns); what no field takes becomes
    `extra`.
    """

    __pydantic_config__ = _members(len(FIELDS) + MAX_EXTRA_BYTES // LEAST_MEMBER)  # type: ignore[misc]

    id: Label | None
    """An id of yours, at most 256 printable characters; without one it is the hash of the content."""
    prompt: Filled
    """What is asked, at most 262,144 characters."""
    messages: Annotated[list[Turn], Field(min_length=1, max_length=MAX_MESSAGES)]
    """A chat in place of a prompt, 1 to 256 turns."""
    completion: Filled
    """What is learnt; may be left out where it is the last turn of the assistant, or choices[answer]."""
    choices: Annotated[list[Filled], Field(min_length=2, max_length=MAX_CHOICES)]
    """Answers to choose from, 2 to 64; comes together with `answer`."""
    answer: Annotated[int, Field(ge=0, lt=MAX_CHOICES)]
    """The right choice, counted from 0."""
    group: Label | None
    """Name of a group of examples that share a budget, at most 256 printable characters."""
    quality: Annotated[float, Field(ge=0, le=1)] | None
    """From 0 to 1, by a verifier of yours; see least_quality of a selection."""
    metadata: RecordMetadata | None
    """What you want to keep beside it."""
    extra: RecordExtra | None
    """Columns of the row that no field takes."""
    tool_use: ToolUse | None
    """Tools that a chat offers and calls."""
