"""What requests may say. Unknown fields are refused; what is left out takes the recommended value."""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from evoselect.spec.fields import Bounded, Members, ShortText, Text, Whole
from service.http.json_pieces import MAX_VALUES
from service.http.record_schema import Record, Shown
from store.records.layout import CHATS, Layout

MetadataKey = Annotated[str, Text(1, 64, printable=True)]
MetadataValue = Annotated[str, Text(0, 512, printable=True)]
Metadata = Annotated[dict[MetadataKey, MetadataValue], Members(16)]
Version = Annotated[int, Whole(0)]
Documented = Annotated[list[Record], Field(min_length=1, max_length=MAX_VALUES)]
Records = Annotated[list[Any], Members(MAX_VALUES), Shown(Documented)]
"""store.records.record checks each, and names the line."""


QUESTION = {"prompt": "2 + 2?", "completion": "4"}
CHAT = {"messages": [{"role": "user", "content": "3 + 3?"}, {"role": "assistant", "content": "6"}]}


def example(**fields: Any) -> ConfigDict:
    """A body that works as it stands; the suite sends it. Ids in it stand for the reader's own."""
    return ConfigDict(json_schema_extra={"examples": [fields]})


class Labelled(Bounded):
    """A resource that users may name and annotate."""

    name: ShortText | None = None
    """A name of yours, 1 to 256 printable characters."""
    metadata: Metadata = Field(default={})
    """Up to 16 pairs of yours: names of 1 to 64, values of up to 512 printable characters."""


def _without_default(schema: dict[str, Any]) -> None:
    """What is left out is left as it is: nothing takes its place."""
    del schema["default"]


class LabelChange(Bounded):
    """What a user calls and notes something by; what is left out stays as it is."""

    model_config = example(name="night run", metadata={"team": "a"})

    name: ShortText | None = None
    """The new name, 1 to 256 printable characters; null takes it away."""
    metadata: Metadata = Field(default={}, json_schema_extra=_without_default)
    """All pairs from now on, up to 16; those of before are gone."""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("send name, metadata or both")
        return self

    @model_serializer(mode="wrap")
    def _said(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What was said alone: to leave metadata out is another request than to empty it."""
        return {name: value for name, value in plain(self).items() if name in self.model_fields_set}


class JobRequest(Labelled):
    """Work to be done."""

    priority: Annotated[int, Whole(-100, 100)] = 0
    """From -100 to 100: of your own waiting jobs the higher one comes first."""


Format = Literal[
    "auto",
    "prompt_completion",
    "prompt_choices",
    "messages",
    "alpaca",
    "dolly",
    "sharegpt",
    "preference",
    "question_choices",
    "question_answer",
    "query_response",
    "prompt_response",
    "prompt_answer",
    "prompt_output",
    "input_output",
]
MappedField = Literal[
    "id", "prompt", "messages", "completion", "choices", "answer", "group", "quality", "metadata"
]
Columns = Annotated[dict[MappedField, ShortText], Members(9)]
MAX_TEMPLATE_CHARS = 4_096
Template = Annotated[str, Text(1, MAX_TEMPLATE_CHARS)]


class ShapedRows(Bounded):
    """Rows that need not be records yet."""

    format: Format = "auto"
    """The shape that the rows have; `auto` recognises that of each row."""
    columns: Columns = Field(default={})
    """Field of a record to the column that holds it, in place of a shape."""
    template: Template | None = None
    """Jinja that makes the prompt from the columns of a row, such as `Question: {{ question }}`."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.columns and self.format != "auto":
            raise ValueError(f"format is {self.format} and columns are named: send one of the two")
        if self.template is not None and self.format in CHATS:
            raise ValueError(f"format is {self.format}, rows of turns, and template makes prompts: send one")
        twice = sorted(self.columns.keys() & {"prompt", "messages"})
        if self.template is not None and twice:
            raise ValueError(f"template makes the prompt, and columns names one for {twice[0]}: send one")
        return self

    @property
    def layout(self) -> Layout:
        """For the readers."""
        columns = {str(field): column for field, column in self.columns.items()}
        return Layout(self.format, columns, self.template)


def exactly_one(**fields: object) -> None:
    found = [name for name, value in fields.items() if value is not None]
    if len(found) != 1:
        names = " and ".join(fields) if len(fields) == 2 else ", ".join(fields)
        said = " and ".join(found) if found else "neither" if len(fields) == 2 else "none"
        raise ValueError(f"send exactly one of {names}, got {said}")
