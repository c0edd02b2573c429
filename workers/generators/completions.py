"""Answers of a language model as records: found in the text, mended where that is safe, judged by form."""

import json
import re
from collections.abc import Iterator, Mapping

from store.records.faults import InvalidRecord
from store.records.record import Record, parse_record, to_json

FIELDS = ("prompt", "messages", "completion", "choices", "answer")
MAX_OBJECT = 20_000  # characters; a generated record is far shorter
MAX_BROKEN = 50  # beginnings of objects that are none, before an answer is given up
FENCE = re.compile(r"```[a-zA-Z]*")
TRAILING_COMMA = re.compile(r",(\s*[}\]])")
REFUSAL = re.compile(
    r"^\W*(i['’]?m sorry|i am sorry|sorry,|i can(no|['’])t|i am unable|i['’]?m unable|as an ai\b"
    r"|i won['’]t|i['’]?m not able)",
    re.IGNORECASE,
)


def objects(text: str) -> Iterator[dict[str, object]]:
    """Every outermost JSON object of the text, in order, whatever stands around them.

    Code fences, prose, lists and a cut-off end do not matter; a comma before a closing bracket is taken away.
    """
    text = FENCE.sub("", text)
    at = broken = 0
    while broken < MAX_BROKEN and (at := text.find("{", at)) >= 0:
        end = at + _length(text[at : at + MAX_OBJECT])
        value = _decoded(text[at:end])
        if value is None:
            broken += 1
            at += 1
        else:
            yield value
            at = end


def _length(text: str) -> int:
    """Of the object that a text begins with, by its brackets; of all of the text where it does not end."""
    depth, quoted, escaped = 0, False, False
    for place, character in enumerate(text):
        if quoted:
            quoted = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == '"':
            quoted = True
        else:
            depth += (character == "{") - (character == "}")
            if depth == 0:
                return place + 1
    return len(text)


def _decoded(text: str) -> dict[str, object] | None:
    for source in (text, TRAILING_COMMA.sub(r"\1", text)):
        try:
            value = json.loads(source, strict=False)  # a line break inside of a text is meant
        except (ValueError, RecursionError):
            continue
        return value if isinstance(value, dict) else None
    return None


def judge(value: Mapping[str, object], seeds: list[Record]) -> Record | str:
    """The record, or why it is none: refusal, invalid_record, other_form (than those it was to be like)."""
    try:
        record = parse_record({name: value[name] for name in FIELDS if value.get(name) is not None})
    except InvalidRecord:
        refused = any(isinstance(text, str) and REFUSAL.match(text) for text in value.values())
        return "refusal" if refused else "invalid_record"
    if REFUSAL.match(record.completion):
        return "refusal"
    choice = all(seed.choices is not None for seed in seeds)
    chat = all(seed.messages is not None for seed in seeds)
    if (choice and record.choices is None) or chat != (record.messages is not None):
        return "other_form"
    return record


def shown(record: Record) -> dict[str, object]:
    """What an endpoint is shown of an example."""
    hidden = ("id", "metadata", "group", "quality")
    return {name: value for name, value in to_json(record).items() if name not in hidden}
