"""The shapes in which people keep training data, and what of a row becomes which field of a record.

A row has a shape where it has a value in each column that the shape needs. Columns that no shape takes travel
as the record's `extra`. Prompts that are put together from several columns end with an empty line, so that
the answer does not run into the question (ours; a template of the model comes with `messages`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from store.records.faults import InvalidRecord, kind_of, shown
from store.records.turns import chat

Row = dict[str, Any]
TOLD = ("system", "history")  # columns with turns that stand before the question
GAP = "\n\n"  # between the parts of a prompt, and behind it
COMMON = frozenset(("id", "group", "quality", "metadata", "extra", "tool_use", "choices", "answer"))
"""Fields of a record that mean the same in a row of any shape with text."""


@dataclass(frozen=True, slots=True)
class Texts:
    """The columns whose texts make up the prompt, and the one with the answer."""

    parts: tuple[str, ...]
    answer: str
    optional: tuple[str, ...] = ()
    """Parts that may be left out."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One way to write an example down."""

    name: str
    needs: frozenset[str]
    """Columns with a value."""
    takes: frozenset[str]
    """Columns that become something else than `extra` where they are there."""
    convert: Callable[[Row], Row]
    """The fields of the record that the needed and taken columns become; raises InvalidRecord."""
    keeps: frozenset[str] = frozenset()
    """Needed columns that no field takes: they travel as `extra` too."""
    texts: "Texts | None" = None
    """Of shapes that are nothing but texts in columns."""
    last: bool = False
    """Found only in a row that has no other shape: its columns stand beside those of others as well."""

    @property
    def columns(self) -> frozenset[str]:
        """All that the shape says something about."""
        return self.needs | self.takes


def _own(row: Row) -> Row:
    """Fields of a record, as they are."""
    fields = {name: row[name] for name in ("prompt", "completion", *COMMON) if name in row}
    if type(row.get("prompt")) is list or type(row.get("completion")) is list:
        del fields["prompt"]
        fields.pop("completion", None)
        return {**fields, **_joined(row["prompt"], row.get("completion"), row.get("tools"))}
    return fields


def _joined(prompt: object, completion: object, tools: object) -> Row:
    """Prompt and completion as one chat; either may be text."""
    before = [{"role": "user", "content": prompt}] if type(prompt) is str else prompt
    after = [{"role": "assistant", "content": completion}] if type(completion) is str else completion
    for name, turns in (("prompt", before), ("completion", after)):
        if type(turns) is not list:
            raise InvalidRecord("wrong_type", f"{name} must be text or turns, got {kind_of(turns)}.")
    return chat("prompt and completion", [*before, *after], tools)  # type: ignore[misc]  # lists, as checked


def _messages(row: Row) -> Row:
    fields = {name: row[name] for name in ("completion", *COMMON) if name in row}
    return {**fields, **chat("messages", row["messages"], row.get("tools"))}


def _sharegpt(row: Row) -> Row:
    turns = row["conversations"]
    if row.get("system") and type(turns) is list:
        turns = [{"role": "system", "content": row["system"]}, *turns]
    return chat("conversations", turns, row.get("tools"))


def _preference(row: Row) -> Row:
    """The chosen answer; the rejected one stays in `extra`."""
    chosen, prompt = row["chosen"], row.get("prompt")
    if type(chosen) is not list:
        return _own({"prompt": prompt, "completion": chosen})
    if prompt is None or len(chosen) > 1:  # the whole chat, its prompt included
        return chat("chosen", chosen, row.get("tools"))
    return _joined(prompt, chosen, row.get("tools"))


def _choice(row: Row) -> Row:
    return {"prompt": row["question"], "choices": row["choices"], "answer": row["answer"]}


def _asked(name: str, texts: Texts, *, last: bool = False) -> Shape:
    """Texts in columns, of which the prompt's may be empty, or a chat where turns stand before."""

    def convert(row: Row) -> Row:
        found = [_text_of(row, part) for part in texts.parts]
        prompt = GAP.join(text for text in found if text) + GAP
        before = _before(row)
        if not before:
            return {"prompt": prompt, "completion": row[texts.answer]}
        turns = [*before, {"role": "user", "content": prompt.removesuffix(GAP)}]
        return {"messages": [*turns, {"role": "assistant", "content": row[texts.answer]}]}

    needs = frozenset((*texts.parts, texts.answer)) - frozenset(texts.optional)
    return Shape(name, needs, frozenset((*texts.optional, *TOLD)), convert, texts=texts, last=last)


def _text_of(row: Row, column: str) -> str:
    value = row.get(column)
    if value is not None and type(value) is not str:
        raise InvalidRecord("wrong_type", f"{column} must be text, got {kind_of(value)}.")
    return value or ""


def _before(row: Row) -> list[Row]:
    """The turns that stand before the question: those of `system` and `history`."""
    turns = [{"role": "system", "content": row["system"]}] if row.get("system") else []
    for pair in row.get("history") or ():
        if type(pair) not in (list, tuple) or len(pair) != 2:
            raise InvalidRecord("bad_history", f"history holds {shown(pair)}; send pairs of texts.")
        turns += [{"role": "user", "content": pair[0]}, {"role": "assistant", "content": pair[1]}]
    return turns


SHAPES = {
    shape.name: shape
    for shape in (
        Shape("prompt_completion", frozenset(("prompt", "completion")), COMMON | {"tools"}, _own),
        Shape("prompt_choices", frozenset(("prompt", "choices", "answer")), COMMON, _own),
        Shape("messages", frozenset(("messages",)), COMMON | {"completion", "tools"}, _messages),
        _asked("alpaca", Texts(("instruction", "input"), "output", ("input",))),
        _asked("dolly", Texts(("context", "instruction"), "response", ("context",))),
        Shape("sharegpt", frozenset(("conversations",)), frozenset(("system", "tools")), _sharegpt),
        Shape(
            "preference",
            frozenset(("chosen", "rejected")),
            frozenset(("prompt", "tools")),
            _preference,
            keeps=frozenset(("rejected",)),
        ),
        Shape("question_choices", frozenset(("question", "choices", "answer")), frozenset(), _choice),
        _asked("question_answer", Texts(("context", "question"), "answer", ("context",))),
        _asked("query_response", Texts(("query",), "response")),
        _asked("prompt_response", Texts(("prompt",), "response")),
        _asked("prompt_answer", Texts(("prompt",), "answer"), last=True),
        _asked("prompt_output", Texts(("prompt",), "output")),
        _asked("input_output", Texts(("input",), "output")),
    )
}


def texts_of(row: object, format: str | None) -> Shape | None:
    """The shape of texts that a row has beside no other column, so that its like can be read by columns.

    ``format`` is the name of the only shape that may be found, None for any.
    """
    if type(row) is not dict:
        return None
    there = {name for name, value in row.items() if value is not None}
    for shape in SHAPES.values():
        texts = shape.texts
        if texts and format in (None, shape.name) and shape.needs <= there:
            return shape if row.keys() <= {*texts.parts, texts.answer} else None
    return None


def shape_of(row: Row) -> Shape:
    """The one shape that the row has; raises InvalidRecord where it has none, or several."""
    there = {name for name, value in row.items() if value is not None}
    found = [shape for shape in SHAPES.values() if shape.needs <= there]
    found = [shape for shape in found if not shape.last] or found
    best = [one for one in found if not any(_covers(other, one) for other in found)]
    if len(best) == 1:
        return best[0]
    names = ", ".join(sorted(row)[:20]) or "no columns"
    if best:
        several = " and ".join(shape.name for shape in best)
        raise InvalidRecord(
            "ambiguous_shape",
            f"The row is {several} at once ({names:.200}): say format={best[0].name}, or name the columns.",
        )
    if "text" in there:
        raise InvalidRecord(
            "no_prompt",
            "The row has text alone, and nothing says where the answer begins: write it as prompt and "
            "completion, or as messages.",
        )
    raise _unknown(row, there, names)


def _unknown(row: Row, there: set[str], names: str) -> InvalidRecord:
    for have, lack in (("prompt", "completion"), ("completion", "prompt")):
        if have in there and lack not in there:
            way = f"send it, or name its column by columns={lack}:..."
            return InvalidRecord(f"no_{lack}", f"{lack} is missing; {way}; there are {names:.200}.")
    return InvalidRecord(
        "unknown_shape",
        f"The columns {names:.200} are none of the shapes {', '.join(SHAPES)}: name the right ones by "
        "columns=prompt:... and columns=completion:...",
    )


def _covers(one: Shape, other: Shape) -> bool:
    """Whether `one` says all that `other` says, and more."""
    return one is not other and other.needs <= one.columns and not one.needs <= other.columns
