"""Twenty-five shapes in which people keep training data: one row each, and what becomes of it."""

import json
from typing import Any, NamedTuple

SHOWN = 100  # characters of a row in the table
USER = {"role": "user", "content": "What is 2 + 2?"}
ASSISTANT = {"role": "assistant", "content": "4"}
SYSTEM = {"role": "system", "content": "Be brief."}
CALL = {"type": "function", "function": {"name": "add", "arguments": "{}"}}


class OnDisk(NamedTuple):
    """A row as it lies on a disk."""

    name: str
    row: dict[str, Any]
    found: str
    """The shape that is recognised, or the code of the refusal."""
    prompt: str | list[dict[str, str]] | None = None
    """What a record has of it: its prompt, or its turns before the answer."""
    extra: dict[str, Any] | None = None
    used: dict[str, Any] | None = None
    """Its tool use."""


ROWS = [
    OnDisk("prompt and completion", {"prompt": "2 + 2?", "completion": "4"}, "prompt_completion", "2 + 2?"),
    OnDisk(
        "the same with more columns",
        {"prompt": "2 + 2?", "completion": "4", "source": "sums", "tags": ["a"]},
        "prompt_completion",
        "2 + 2?",
        {"source": "sums", "tags": ["a"]},
    ),
    OnDisk(
        "whole numbers as ids",
        {"id": 7, "prompt": "2 + 2?", "completion": "4"},
        "prompt_completion",
        "2 + 2?",
    ),
    OnDisk(
        "choices",
        {"prompt": "2 + 2?", "choices": ["3", "4"], "answer": 1, "subject": "sums"},
        "prompt_choices",
        "2 + 2?",
        {"subject": "sums"},
    ),
    OnDisk("messages", {"messages": [USER, ASSISTANT]}, "messages", [USER]),
    OnDisk(
        "messages with a system turn", {"messages": [SYSTEM, USER, ASSISTANT]}, "messages", [SYSTEM, USER]
    ),
    OnDisk(
        "messages with a developer turn",
        {"messages": [{**SYSTEM, "role": "developer"}, USER, ASSISTANT]},
        "messages",
        [SYSTEM, USER],
    ),
    OnDisk(
        "content in parts",
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "What is 2 + 2?"}]}, ASSISTANT]},
        "messages",
        [USER],
    ),
    OnDisk(
        "names of turns",
        {"messages": [{**USER, "name": "Ada"}, ASSISTANT], "n": 1},
        "messages",
        [USER],
        {"n": 1},
    ),
    OnDisk(
        "prompt beside messages",
        {"prompt": "2 + 2?", "prompt_id": "x", "messages": [USER, ASSISTANT]},
        "messages",
        [USER],
        {"prompt": "2 + 2?", "prompt_id": "x"},
    ),
    OnDisk(
        "calls of tools",
        {
            "messages": [
                USER,
                {"role": "assistant", "content": None, "tool_calls": [CALL]},
                {"role": "tool", "tool_call_id": "c1", "content": "4"},
                ASSISTANT,
            ]
        },
        "messages",
        [USER, {"role": "assistant", "content": ""}, {"role": "tool", "content": "4"}],
        used={"turns": {"1": {"tool_calls": [CALL]}, "2": {"tool_call_id": "c1"}}},
    ),
    OnDisk(
        "offered tools",
        {"messages": [USER, ASSISTANT], "tools": [CALL]},
        "messages",
        [USER],
        used={"tools": [CALL]},
    ),
    OnDisk(
        "reasoning",
        {"messages": [USER, {**ASSISTANT, "reasoning_content": "Two and two."}]},
        "not_only_text",
    ),
    OnDisk(
        "alpaca", {"instruction": "Add.", "input": "2 and 2", "output": "4"}, "alpaca", "Add.\n\n2 and 2\n\n"
    ),
    OnDisk("alpaca without input", {"instruction": "Add.", "input": "", "output": "4"}, "alpaca", "Add.\n\n"),
    OnDisk(
        "alpaca with a system turn",
        {"instruction": "What is 2 + 2?", "output": "4", "system": "Be brief.", "history": []},
        "alpaca",
        [SYSTEM, USER],
    ),
    OnDisk(
        "sharegpt",
        {
            "id": "a_0",
            "conversations": [{"from": "human", "value": "What is 2 + 2?"}, {"from": "gpt", "value": "4"}],
        },
        "sharegpt",
        [USER],
    ),
    OnDisk(
        "sharegpt with a system text",
        {
            "conversations": [{"from": "human", "value": "What is 2 + 2?"}, {"from": "gpt", "value": "4"}],
            "system": "Be brief.",
        },
        "sharegpt",
        [SYSTEM, USER],
    ),
    OnDisk("trl's conversations", {"prompt": [USER], "completion": [ASSISTANT]}, "prompt_completion", [USER]),
    OnDisk(
        "preference",
        {"prompt": "2 + 2?", "chosen": "4", "rejected": "5"},
        "preference",
        "2 + 2?",
        {"rejected": "5"},
    ),
    OnDisk(
        "preference of chats",
        {"chosen": [USER, ASSISTANT], "rejected": [USER, {**ASSISTANT, "content": "5"}], "score": 2.5},
        "preference",
        [USER],
        {"rejected": [USER, {**ASSISTANT, "content": "5"}], "score": 2.5},
    ),
    OnDisk(
        "dolly",
        {"instruction": "Add.", "context": "2 and 2", "response": "4", "category": "sums"},
        "dolly",
        "2 and 2\n\nAdd.\n\n",
        {"category": "sums"},
    ),
    OnDisk("question and answer", {"question": "2 + 2?", "answer": "4"}, "question_answer", "2 + 2?\n\n"),
    OnDisk("prompt and answer", {"prompt": "2 + 2?", "answer": "4"}, "prompt_answer", "2 + 2?\n\n"),
    OnDisk(
        "query and response",
        {"query": "2 + 2?", "response": "4", "type": "MATH"},
        "query_response",
        "2 + 2?\n\n",
        {"type": "MATH"},
    ),
    OnDisk("text alone", {"text": "2 + 2? 4"}, "no_prompt"),
]


def table() -> str:
    """The rows as docs/data.md shows them."""
    lines = ["| on the disk | a row | becomes |", "|---|---|---|"]
    for kept in ROWS:
        text = json.dumps(kept.row)
        text = text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."
        found = kept.found if kept.prompt is not None else f"refused: `{kept.found}`"
        lines.append(f"| {kept.name} | `{text}` | {found} |")
    return "\n".join(lines)
