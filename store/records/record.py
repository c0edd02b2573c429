"""A record: one example to train or to evaluate on, as users send it and as Parquet keeps it.

    {"prompt": str | "messages": [{"role", "content"}, ...],  exactly one of the two
     "completion": str,                     what is learnt; see below for when it may be left out
     "choices": [str, ...], "answer": int,  both or neither; answer is an index into choices, from 0
     "group": str, "quality": 0 to 1, "metadata": {...}, "id": str,   optional
     "tool_use": {"tools": [...], "turns": {"1": {"tool_calls": [...]}}},   beside messages, see tool_use.py;
                                            it says too which of the assistant's turns are not learnt
     "extra": {...}}                        columns of the row that are none of these

The completion may be left out where it follows from the rest: it is the last assistant turn of `messages`,
or else choices[answer]. A completion may explain its choice, but may not be another choice than `answer`.

The input is what a JSON decoder returns. The checks are plain Python, because they run once for each of up
to 10 million records.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson
import pyarrow as pa

from store.records.faults import InvalidRecord, kind_of, shown
from store.records.tool_use import MAX_TOOL_BYTES, check_tool_use

MAX_TEXT_CHARS = 262_144  # of one record; far above any model window that is served
MAX_MESSAGES = 256
MAX_CHOICES = 64
MAX_ID_CHARS = 256
MAX_METADATA_BYTES = 16_384  # as compact JSON
MAX_EXTRA_BYTES = 65_536  # likewise
ROLES = frozenset(("system", "user", "assistant", "tool"))
FIELDS = frozenset(
    (
        "id",
        "prompt",
        "messages",
        "completion",
        "choices",
        "answer",
        "group",
        "quality",
        "metadata",
        "extra",
        "tool_use",
    )
)

_TURN = pa.struct(
    [pa.field("role", pa.string(), nullable=False), pa.field("content", pa.string(), nullable=False)]
)
SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("content_hash", pa.string(), nullable=False),
        pa.field("prompt", pa.string()),
        pa.field("messages", pa.list_(_TURN)),
        pa.field("completion", pa.string(), nullable=False),
        pa.field("choices", pa.list_(pa.string())),
        pa.field("answer", pa.int32()),
        pa.field("group", pa.string()),
        pa.field("quality", pa.float64()),
        pa.field("metadata", pa.string()),  # compact JSON: keys differ from record to record
        pa.field("extra", pa.string()),  # likewise
        pa.field("tool_use", pa.string()),  # likewise
    ]
)

LATER = ("quality", "extra", "tool_use")
OBJECTS = ("metadata", "extra", "tool_use")


@dataclass(frozen=True, slots=True)
class Record:
    """One example; exactly one of `prompt` and `messages` is set."""

    id: str  # the user's, or `content_hash`
    content_hash: str  # sha256 (hex) of what training sees: prompt or messages, and completion
    prompt: str | None
    messages: tuple[dict[str, str], ...] | None  # the turns before the final assistant turn
    completion: str
    choices: tuple[str, ...] | None
    answer: int | None  # index into `choices`
    group: str | None
    quality: float | None  # 0 to 1, from whatever checked the record: a verifier, a judge, a person
    metadata: dict[str, Any] | None
    extra: dict[str, Any] | None = None  # what else stood in the row
    tool_use: dict[str, Any] | None = None  # tools that the turns offer and call, and turns not learnt


def parse_record(value: object) -> Record:
    """Check one decoded JSON value; raises InvalidRecord with the first fault found."""
    if type(value) is not dict:
        raise InvalidRecord("not_an_object", f"A record is a JSON object; got {kind_of(value)}.")
    if not value.keys() <= FIELDS:
        raise _unknown_field(value)
    get = value.get
    prompt, messages, completion = get("prompt"), get("messages"), get("completion")
    if messages is None:
        size = _check_prompt(prompt)
    elif prompt is None:
        messages, completion, size = _check_messages(messages, completion)
    else:
        raise InvalidRecord("prompt_and_messages", "The record has both prompt and messages; send only one.")
    choices, answer = get("choices"), get("answer")
    if choices is not None or answer is not None:
        choices, answer, completion = _check_choices(choices, answer, completion)
    if type(completion) is not str or not completion or completion.isspace():
        raise _bad_completion(completion, messages)
    if size + len(completion) > MAX_TEXT_CHARS:
        raise _too_large(size + len(completion))
    group, quality, id = get("group"), get("quality"), get("id")
    metadata, extra, used = get("metadata"), get("extra"), get("tool_use")
    if group is not None:
        _check_name("group", group)
    if quality is not None:
        quality = _check_quality(quality)
    if metadata is not None:
        _check_object("metadata", metadata, MAX_METADATA_BYTES)
    if extra is not None:
        _check_object("extra", extra, MAX_EXTRA_BYTES)
    if used is not None:
        _check_object("tool_use", used, MAX_TOOL_BYTES)
        check_tool_use(used, len(messages or ()))
    if id is not None:
        _check_name("id", id)
    content = _content_hash(prompt, messages, completion, used)
    id = content if id is None else id
    return Record(
        id, content, prompt, messages, completion, choices, answer, group, quality, metadata, extra, used
    )


def to_table(records: Iterable[Record]) -> pa.Table:
    """Records as a Parquet-ready table with SCHEMA, in the order given."""
    rows = list(records)
    columns = {name: [getattr(row, name) for row in rows] for name in SCHEMA.names}
    for name in OBJECTS:
        columns[name] = [None if item is None else orjson.dumps(item).decode() for item in columns[name]]
    return pa.table(columns, schema=SCHEMA)


def from_table(table: pa.Table) -> list[Record]:
    """The inverse of to_table; raises KeyError when the table lacks a column of SCHEMA.

    Tables of earlier releases lack the columns LATER.
    """
    for name in LATER:
        if name not in table.column_names:
            table = table.append_column(SCHEMA.field(name), pa.nulls(table.num_rows, SCHEMA.field(name).type))
    columns = {name: table.column(name).to_pylist() for name in SCHEMA.names}
    columns["messages"] = [None if item is None else tuple(item) for item in columns["messages"]]
    columns["choices"] = [None if item is None else tuple(item) for item in columns["choices"]]
    for name in OBJECTS:
        columns[name] = [None if item is None else orjson.loads(item) for item in columns[name]]
    return [Record(*row) for row in zip(*columns.values(), strict=True)]


def to_json(record: Record) -> dict[str, Any]:
    """The record as a user may send it again: parse_record(to_json(r)) == r. Fields not set are left out."""
    value = {name: getattr(record, name) for name in SCHEMA.names if name != "content_hash"}
    return {
        name: list(item) if type(item) is tuple else item for name, item in value.items() if item is not None
    }


def plain_text(record: Record) -> str:
    """Its turns and its completion, line by line: what methods and tools that read text see of it."""
    return f"{prompt_text(record)}\n{record.completion}"


def prompt_text(record: Record) -> str:
    """Its prompt, or its turns line by line."""
    if record.prompt is not None:
        return record.prompt
    return "\n".join(turn["content"] for turn in record.messages or ())


def has_extra(extra: Mapping[str, Any] | None, wanted: Mapping[str, str]) -> bool:
    """Whether the record's `extra` has these values: texts as they are, others as JSON."""
    for name, text in wanted.items():
        value = (extra or {}).get(name)
        if value is None or text != (value if type(value) is str else orjson.dumps(value).decode()):
            return False
    return True


def _content_hash(
    prompt: str | None,
    messages: tuple[dict[str, str], ...] | None,
    completion: str,
    tool_use: dict[str, Any] | None,
) -> str:
    """Over prompt FF completion, or FE role FE content per turn, FF completion: no text has these bytes.

    Where tools are used, FF and their JSON with sorted keys follow.
    """
    try:
        used = b"" if tool_use is None else b"\xff" + orjson.dumps(tool_use, option=orjson.OPT_SORT_KEYS)
        if prompt is not None:
            return sha256(b"\xff".join((prompt.encode(), completion.encode()))).hexdigest()
        turns = [part.encode() for turn in messages or () for part in (turn["role"], turn["content"])]
        return sha256(b"\xfe".join((b"", *turns)) + b"\xff" + completion.encode() + used).hexdigest()
    except UnicodeEncodeError as error:
        raise InvalidRecord("bad_text", f"The text cannot be written as UTF-8: {error}.") from None


def _check_prompt(prompt: object) -> int:
    if prompt is None:
        raise InvalidRecord("no_prompt", "The record has neither prompt nor messages; send one of them.")
    if type(prompt) is not str:
        raise InvalidRecord(
            "wrong_type", f"prompt must be text, got {kind_of(prompt)}; use messages for chat."
        )
    if not prompt or prompt.isspace():
        raise InvalidRecord("empty_prompt", "prompt is empty; send the text that completion answers.")
    return len(prompt)


def _check_messages(messages: object, completion: object) -> tuple[tuple[dict[str, str], ...], object, int]:
    """The turns before the answer, the answer, and the characters of the turns."""
    if type(messages) is not list:
        raise InvalidRecord("wrong_type", f"messages must be a list of turns, got {kind_of(messages)}.")
    if len(messages) > MAX_MESSAGES:
        raise InvalidRecord("too_large", f"messages has {len(messages)} turns; send at most {MAX_MESSAGES}.")
    size = sum(_check_turn(number, turn) for number, turn in enumerate(messages))
    ends_with_answer = bool(messages) and messages[-1]["role"] == "assistant"
    if ends_with_answer and completion is not None:
        raise InvalidRecord(
            "two_completions", "messages ends with an assistant turn and completion is set; send one."
        )
    if ends_with_answer:
        completion, messages = messages[-1]["content"], messages[:-1]
        size -= len(str(completion))
    if not any(turn["role"] == "user" for turn in messages):
        raise InvalidRecord("no_user_turn", "messages has no user turn before the answer; add the question.")
    return tuple(messages), completion, size


def _check_turn(number: int, turn: object) -> int:
    if type(turn) is not dict or turn.keys() != {"role", "content"}:
        raise InvalidRecord(
            "bad_message", f"messages[{number}] must be an object of exactly role and content: {shown(turn)}."
        )
    role, content = turn["role"], turn["content"]
    if type(role) is not str or role not in ROLES:
        raise InvalidRecord("bad_role", f"messages[{number}].role is {shown(role)}; use {sorted(ROLES)}.")
    if type(content) is not str:
        raise InvalidRecord("wrong_type", f"messages[{number}].content is {kind_of(content)}; send text.")
    return len(content)


def _check_choices(
    choices: object, answer: object, completion: object
) -> tuple[tuple[str, ...], int, object]:
    """The choices, the right one, and the completion: the one given, or the right choice."""
    if choices is None or answer is None:
        missing = "choices" if choices is None else "answer"
        raise InvalidRecord(
            "incomplete_choices",
            f"choices and answer come together; {missing} is missing: send both or neither.",
        )
    if type(choices) is not list or not all(type(choice) is str for choice in choices):
        raise InvalidRecord("wrong_type", f"choices must be a list of texts, got {kind_of(choices)}.")
    if not 2 <= len(choices) <= MAX_CHOICES:
        raise InvalidRecord("bad_choices", f"choices has {len(choices)} entries; give 2 to {MAX_CHOICES}.")
    stripped = [choice.strip() for choice in choices]
    if not all(stripped) or len(set(stripped)) != len(stripped):
        raise InvalidRecord("bad_choices", "choices must be distinct texts that are not empty.")
    if type(answer) is float and answer.is_integer():  # pandas makes floats of a column with one null
        answer = int(answer)
    if type(answer) is not int or not 0 <= answer < len(choices):
        raise InvalidRecord(
            "bad_answer",
            f"answer is {shown(answer)}; send the right choice's index, 0 to {len(choices) - 1}.",
        )
    if sum(map(len, choices)) > MAX_TEXT_CHARS:
        raise _too_large(sum(map(len, choices)))
    if type(completion) is str and completion.strip() != stripped[answer] and completion.strip() in stripped:
        number = stripped.index(completion.strip())
        raise InvalidRecord("contradicting_answer", f"completion is choice {number} but answer is {answer}.")
    return tuple(choices), answer, choices[answer] if completion is None else completion


def _check_name(field: str, value: object) -> None:
    if type(value) is not str:
        raise InvalidRecord("wrong_type", f"{field} must be text, got {kind_of(value)}.")
    if not 1 <= len(value) <= MAX_ID_CHARS or not value.isprintable():
        raise InvalidRecord(
            f"bad_{field}", f"{field} must be 1 to {MAX_ID_CHARS} printable characters, got {shown(value)}."
        )


def _check_quality(quality: object) -> float:
    if type(quality) not in (int, float):
        raise InvalidRecord("wrong_type", f"quality must be a number, got {kind_of(quality)}.")
    if not 0 <= quality <= 1:  # type: ignore[operator]  # a number, by the line before; NaN is refused too
        raise InvalidRecord("bad_quality", f"quality is {shown(quality)}; send a number from 0 to 1.")
    return float(quality)  # type: ignore[arg-type]


def _check_object(field: str, value: object, limit: int) -> None:
    if type(value) is not dict:
        raise InvalidRecord("wrong_type", f"{field} must be an object, got {kind_of(value)}.")
    try:
        size = len(orjson.dumps(value))
    except orjson.JSONEncodeError as error:
        raise InvalidRecord(f"bad_{field}", f"{field} cannot be stored as JSON: {error}.") from None
    if not is_finite(value):  # which orjson writes as null
        raise InvalidRecord(f"bad_{field}", f"{field} holds NaN or infinity, which JSON has no number for.")
    if size > limit:
        raise InvalidRecord("too_large", f"{field} takes {size} bytes as JSON; the limit is {limit}.")


def is_finite(value: object) -> bool:
    """Whether every number in a JSON value is one that JSON has."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(map(is_finite, value.values()))
    return not isinstance(value, list) or all(map(is_finite, value))


def _unknown_field(value: dict[Any, Any]) -> InvalidRecord:
    unknown = sorted(str(name) for name in value.keys() - FIELDS)
    known = ", ".join(sorted(FIELDS))
    return InvalidRecord(
        "unknown_field", f"Unknown field {shown(unknown[0])}: use {known}; put more into metadata."
    )


def _bad_completion(completion: object, messages: object) -> InvalidRecord:
    if completion is None and messages:
        return InvalidRecord(
            "no_completion",
            "messages ends with a turn that nobody answers: end with the assistant's, or send completion.",
        )
    if completion is None:
        return InvalidRecord("no_completion", "completion is missing; send the text to learn.")
    if type(completion) is not str:
        return InvalidRecord("wrong_type", f"completion must be text, got {kind_of(completion)}.")
    return InvalidRecord("empty_completion", "completion is empty; send the text to learn.")


def _too_large(size: int) -> InvalidRecord:
    return InvalidRecord(
        "too_large", f"The record has {size} characters of text; the limit is {MAX_TEXT_CHARS}."
    )
