"""From a row as it came to a record: its shape is recognised or named, its columns mapped, the rest kept."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import TypedDict

import orjson

from store.records.faults import InvalidRecord, kind_of
from store.records.record import FIELDS, Record, parse_record
from store.records.shapes import SHAPES, TOLD, Row, Shape, shape_of
from store.records.turns import chat

COMMON_KINDS: dict[str, tuple[type, ...]] = {
    "id": (str, int),
    "group": (str,),
    "quality": (int, float),
    "metadata": (dict,),
}
AUTO = "auto"
CHATS = ("messages", "sharegpt")  # shapes of turns
ASKING = frozenset(("prompt", "question", "tools", *TOLD))
"""What a template's prompt stands in place of, and turns that only a chat has."""
MAPPED = "columns"  # as the shape of rows whose columns were named
MAX_EXTRA_NAMES = 50  # named in an answer
MAX_EXAMPLE_CHARS = 2_000  # of each half of the example


@dataclass(frozen=True, slots=True)
class Layout:
    """What the sender says of the rows."""

    format: str = AUTO
    """The name of a shape, or `auto`."""
    columns: dict[str, str] = field(default_factory=dict)
    """Field of a record to the column that holds it, in place of a shape."""
    template: str | None = None
    """Jinja that makes the prompt from the columns of a row."""

    @property
    def each_alone(self) -> bool:
        """Whether rows cannot be read by columns."""
        return bool(self.columns) or self.template is not None


@dataclass(frozen=True, slots=True)
class Filled:
    """The prompt that a template made of a row."""

    prompt: str
    used: frozenset[str]
    """Variables of the template: the row's columns among them do not travel as `extra`."""


class Told(TypedDict):
    """What answers say of the rows."""

    shapes: dict[str, int]
    extra: list[str]
    example: dict[str, str] | None


@dataclass(slots=True)
class Recognised:
    """What rows turned out to be."""

    shapes: Counter[str] = field(default_factory=Counter)
    """Accepted rows by shape."""
    extra: set[str] = field(default_factory=set)
    """Columns that travel as `extra`."""
    example: dict[str, str] | None = None
    """The first row that was no record as it came: `given` and the `record` that it became."""

    def add(self, shape: str, record: Record, value: object, *, filled: bool = False) -> None:
        """One more accepted row, whose prompt was `filled` in by a template or was there."""
        self.shapes[shape] += 1
        self.name_extra(record.extra or ())
        if filled or shape not in ("prompt_completion", "prompt_choices", "messages"):
            self.show(value, record)

    def name_extra(self, names: Iterable[str]) -> None:
        """Columns that travel as `extra`, as far as an answer names them."""
        if len(self.extra) < MAX_EXTRA_NAMES:
            self.extra.update(islice(names, MAX_EXTRA_NAMES - len(self.extra)))

    def show(self, value: object, record: Record) -> None:
        """Keep a row that was changed as the example, if it is the first one."""
        if self.example is None:
            self.example = {"given": _cut(value), "record": _cut(fields_of(record))}

    def as_json(self) -> Told:
        """As answers carry it."""
        return {"shapes": dict(self.shapes), "extra": sorted(self.extra), "example": self.example}


def read_row(
    value: object, layout: Layout, prompt: Filled | InvalidRecord | None = None
) -> tuple[Record, str]:
    """The record of one decoded row, and the name of its shape; raises InvalidRecord.

    `prompt` is what the layout's template made of the row, or why it made nothing.
    """
    if type(value) is not dict:
        raise InvalidRecord("not_an_object", f"A record is a JSON object; got {kind_of(value)}.")
    if isinstance(prompt, InvalidRecord):
        raise prompt
    if prompt is not None:
        return _filled(value, layout, prompt)
    if layout.columns:
        return _parsed(_mapped(value, layout.columns)), MAPPED
    if layout.format == AUTO and value.keys() <= FIELDS and not _foreign(value):
        return _canonical(value)
    shape = shape_of(value) if layout.format == AUTO else _named(value, layout.format)
    common = _common(value, shape.columns)
    taken = (shape.columns - shape.keeps) | common.keys()
    return _parsed(_with_extra({**common, **shape.convert(value)}, value, taken)), shape.name


def fields_of(record: Record) -> dict[str, object]:
    """What the model and the selection see of it."""
    names = ("prompt", "messages", "completion", "choices", "answer", "group", "quality", "extra", "tool_use")
    return {name: value for name in names if (value := getattr(record, name)) is not None}


def _foreign(row: Row) -> bool:
    """Whether fields of a record hold what is none of theirs: turns as a prompt, a text as an answer."""
    return type(row.get("prompt")) is list or type(row.get("answer")) is str


def _canonical(row: Row) -> tuple[Record, str]:
    """A row of nothing but fields of a record."""
    if row.get("messages") is not None:
        return _parsed({**row, **chat("messages", row["messages"])}), "messages"
    return _parsed(row), "prompt_completion" if row.get("choices") is None else "prompt_choices"


def _parsed(fields: Row) -> Record:
    """The record; a whole number as its id is kept as text."""
    id = fields.get("id")
    return parse_record({**fields, "id": str(id)} if type(id) is int else fields)


def _common(row: Row, columns: frozenset[str]) -> Row:
    """Fields of a record that stand beside these columns of a shape, where they are what they must be."""
    return {
        name: row[name]
        for name, kinds in COMMON_KINDS.items()
        if name not in columns and type(row.get(name)) in kinds
    }


def _named(row: Row, name: str) -> Shape:
    shape = SHAPES[name]
    if missing := sorted(column for column in shape.needs if row.get(column) is None):
        there = ", ".join(sorted(row)[:20]) or "none"
        raise InvalidRecord(
            "wrong_shape", f"format is {name}, and the row has no {missing[0]}; its columns are {there:.200}."
        )
    return shape


def _filled(row: Row, layout: Layout, filled: Filled) -> tuple[Record, str]:
    """The record with the template's prompt, and an answer from where the row's shape has it."""
    if not filled.prompt or filled.prompt.isspace():
        raise InvalidRecord(
            "empty_prompt",
            "The template makes an empty prompt of this row; leave such rows out by on_invalid=skip.",
        )
    if layout.columns:
        return _parsed(_mapped(row, layout.columns, filled)), MAPPED
    shape = _answered(row, layout.format)
    if shape.texts:
        fields, asking = {"completion": row[shape.texts.answer]}, ASKING | {*shape.texts.parts}
    else:
        fields, asking = shape.convert({"prompt": filled.prompt, **row}), ASKING
    if "messages" in fields:
        raise _no_template(shape.name)
    common = _common(row, shape.columns)
    taken = (shape.columns - shape.keeps - asking) | common.keys() | filled.used
    return _parsed(_with_extra({**common, **fields, "prompt": filled.prompt}, row, taken)), shape.name


def _answered(row: Row, format: str) -> Shape:
    """The shape that says where the answer is, though the row may have no prompt; raises InvalidRecord."""
    if format != AUTO:
        return _named({"prompt": "", **row}, format)
    try:
        shape = shape_of(row)
    except InvalidRecord as fault:
        if fault.code == "ambiguous_shape":
            raise
        if row.get("completion") is None:
            there = ", ".join(sorted(row)[:20]) or "none"
            raise InvalidRecord(
                "no_completion",
                "The template makes the prompt, and no column is known to hold the answer: name it by "
                f"columns=completion:...; there are {there:.200}.",
            ) from None
        return SHAPES["prompt_completion"]
    if shape.name in CHATS:
        raise _no_template(shape.name)
    return shape


def _no_template(shape: str) -> InvalidRecord:
    return InvalidRecord(
        "template_on_turns",
        f"The row has turns ({shape}), and a template makes a prompt of texts: leave the template out, or "
        "send these rows apart.",
    )


def _mapped(row: Row, columns: dict[str, str], filled: Filled | None = None) -> Row:
    """The row with the named columns as fields of a record, the others in `extra`."""
    for name in columns.values():
        if name not in row:
            there = ", ".join(sorted(row)[:20]) or "none"
            raise InvalidRecord("no_such_column", f"There is no column {name!r:.60}; there are {there:.200}.")
    given = {name: row[column] for name, column in columns.items()}
    shape = SHAPES["messages" if given.get("messages") is not None else "prompt_completion"]
    used = frozenset(columns.values())
    if filled:
        given["prompt"], used = filled.prompt, used | filled.used
    common = _common(row, used | columns.keys())
    return _with_extra({**common, **shape.convert(given)}, row, used | common.keys())


def _with_extra(fields: Row, row: Row, taken: frozenset[str]) -> Row:
    """The fields, and the columns that were not taken for them."""
    left = {name: value for name, value in row.items() if name not in taken and value is not None}
    if left:
        own = fields.get("extra")
        fields["extra"] = {**left, **own} if type(own) is dict else left
    return fields


def _cut(value: object) -> str:
    """JSON, cut to what an answer can carry."""
    return orjson.dumps(value, default=str).decode()[:MAX_EXAMPLE_CHARS]
