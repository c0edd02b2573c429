"""A record as pages print it: who says what, its choices, what travels along. Pure."""

import zlib
from collections.abc import Mapping
from difflib import SequenceMatcher
from typing import Any, TypedDict

import orjson

from store.kit.json import Json

SIDES = {"prompt": "user", "user": "user", "completion": "assistant", "assistant": "assistant"}
BEGINNING = 400  # characters of a text that stands beside another one
ID = 64  # characters: an id that is the content's hash says nothing
CHIP = 120  # characters of a value beside a record
ASKED = 1024  # of one that a filter takes
COLOURS = 8  # of values; base.css has them
MARKED = 4_000  # characters of texts whose differences are marked: comparing takes their product


class Turn(TypedDict):
    """A text and who says it."""

    role: str
    side: str
    text: str


class AnswerChoice(TypedDict):
    """One of the answers to choose from."""

    text: str
    right: bool


class Chip(TypedDict):
    """A value beside a record."""

    name: str
    text: str
    whole: str | None
    """What a filter may ask for."""
    group: int
    """Its colour."""


class Shown(TypedDict):
    """What the template `record` prints of one."""

    name: str
    turns: list[Turn]
    choices: list[AnswerChoice]
    extra: list[Chip]
    tools: str


def shown(record: Json) -> Shown:
    """What the template `record` prints of one."""
    return {
        "name": named(record),
        "turns": turns(record),
        "choices": [
            {"text": text, "right": number == record.get("answer")}
            for number, text in enumerate(record.get("choices") or ())
        ],
        "extra": [_chip(name, value, record) for name, value in sorted(_beside(record).items())],
        "tools": _indented(record["tool_use"]) if record.get("tool_use") else "",
    }


def named(record: Json) -> str:
    """The id that its owner gave it; empty where that is the hash of its content."""
    own = str(record.get("id") or "")
    return "" if own == record.get("content_hash") or len(own) == ID else own


def turns(record: Json) -> list[Turn]:
    """Each text with who says it."""
    if record.get("messages"):
        told = [(turn["role"], turn["content"]) for turn in record["messages"]]
        last = told[-1][1] if told else None
        if record.get("completion") and record["completion"] != last:
            told.append(("assistant", record["completion"]))
    else:
        told = [("prompt", record.get("prompt") or ""), ("completion", record.get("completion") or "")]
    return [{"role": role, "side": SIDES.get(role, "other"), "text": text or ""} for role, text in told]


def beginning(record: Json, room: int = BEGINNING) -> str:
    """Its first words, in one line."""
    text = " ".join(" ".join(turn["text"] for turn in turns(record)).split())
    return text if len(text) <= room else f"{text[:room]}…"


def whole(record: Json) -> str:
    """All of its texts, one after another."""
    return "\n".join(turn["text"] for turn in turns(record))


def marked(own: str, other: str) -> list[tuple[bool, str]]:
    """`other` in pieces, each with whether `own` has it too; by words."""
    first, second = own[:MARKED].split(), other[:MARKED].split()
    pieces: list[tuple[bool, str]] = []
    for what, _, _, start, stop in SequenceMatcher(None, first, second, autojunk=False).get_opcodes():
        if start < stop:
            pieces.append((what == "equal", " ".join(second[start:stop]) + " "))
    return pieces


def _beside(record: Json) -> Mapping[str, Any]:
    own = {name: record[name] for name in ("group", "quality") if record.get(name) is not None}
    return {**(record.get("metadata") or {}), **(record.get("extra") or {}), **own}


def _chip(name: str, value: Any, record: Json) -> Chip:
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    asked = name in (record.get("extra") or {}) and len(text) <= ASKED
    return {
        "name": name,
        "text": text if len(text) <= CHIP else f"{text[:CHIP]}…",
        "whole": text if asked else None,
        "group": zlib.crc32(text.encode()) % COLOURS,
    }


def _indented(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
