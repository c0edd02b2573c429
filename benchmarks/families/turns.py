"""Which tokens of chats are learnt, against transformers and TRL, over the chat templates that TRL ships.

A template with marks ({% generation %}): ids and mask are transformers' (return_assistant_tokens_mask). One
without: each turn's span is the completion that TRL finds where that turn is the last, with white space
behind its end left out, and the ids up to there are those of the whole chat.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import trl
from transformers import PreTrainedTokenizerFast

from benchmarks.families.tokenizers import PIECES, byte_level, spaced, wrapped
from store.records.layout import Layout, read_row
from workers.models.conventions import TemplateMismatch, special_ids
from workers.models.spans import MARKS
from workers.models.tokenization import tokenize

FOLDER = Path(trl.__file__).parent / "chat_templates"
SPECIAL = re.compile(
    r"<[|｜][^<>'\"{}]{1,40}[|｜]>|<\|[a-z_]+>|<[a-z_]+\|>|</?(?:start|end)_of_turn>|\[/?[A-Z_]+\]"
)
REASON = re.compile(r"^record \S+ does not fit the chat template: ")
LENGTH = 2**20  # tokens; no chat is longer
USER, OTHER = ({"role": "user", "content": text} for text in ("What is 2 + 2?", "And the sky?\nSay it."))
FOUR, BLUE, NOTHING = (
    {"role": "assistant", "content": text} for text in ("It is 4.", "The sky is blue.\n\nSo it is", "")
)
SYSTEM = {"role": "system", "content": "Be brief."}
TOOLS = [{"type": "function", "function": {"name": "add", "description": "Adds.", "parameters": {}}}]
CALL = {"type": "function", "id": "c12345678", "function": {"name": "add", "arguments": {"a": 2, "b": 2}}}
CALLS = {"role": "assistant", "content": "", "tool_calls": [CALL]}
RESULT = {"role": "tool", "name": "add", "tool_call_id": "c12345678", "content": "4"}
CHATS: dict[str, dict[str, Any]] = {
    "one turn": {"messages": [USER, FOUR]},
    "two turns": {"messages": [USER, FOUR, OTHER, BLUE]},
    "system and three turns": {"messages": [SYSTEM, USER, FOUR, OTHER, BLUE, USER, FOUR]},
    "call of a tool": {"messages": [USER, CALLS, RESULT, FOUR], "tools": TOOLS},
    "empty turn": {"messages": [USER, NOTHING, OTHER, BLUE]},
    "two answers in a row": {"messages": [USER, FOUR, BLUE]},
}
"""A chat that ends with the user's turn is refused as a record (no_completion)."""

Learnt = tuple[
    list[int], list[int]
]  # token ids up to the last that is learnt, and the places of those learnt


@dataclass(frozen=True, slots=True)
class Comparison:
    """One chat under one template."""

    template: str
    chat: str
    refused: str
    """Why this project leaves the row out; empty where it does not."""
    equal: bool
    """Whether ids and places are the libraries' own; false where either refuses."""


def compare() -> Iterator[Comparison]:
    """Every template with every chat, each template with tokenizers of two kinds."""
    for path in sorted(FOLDER.glob("*.jinja")):
        for name, make in TOKENIZERS.items():
            tokenizer = make(path.read_text())
            for chat, row in CHATS.items():
                yield _compared(f"{path.stem}, {name}", chat, row, tokenizer)


def counted() -> dict[str, Any]:
    """How many chats were compared, how many were equal, and why others were refused."""
    found = list(compare())
    compared = [one for one in found if not one.refused]
    return {
        "turns_compared": len(compared),
        "turns_equal": sum(one.equal for one in compared),
        "turns_differ": [f"{one.template}: {one.chat}" for one in compared if not one.equal],
        "turns_refused": dict(Counter(REASON.sub("", one.refused) for one in found if one.refused)),
    }


def of_template(name: str) -> list[Comparison]:
    """One template with every chat."""
    tokenizer = tokenizer_of(name)
    return [_compared(name, chat, row, tokenizer) for chat, row in CHATS.items()]


def tokenizer_of(name: str) -> PreTrainedTokenizerFast:
    """One template with a tokenizer of bytes."""
    return _bytes((FOLDER / f"{name}.jinja").read_text())


def _compared(
    template: str, chat: str, row: dict[str, Any], tokenizer: PreTrainedTokenizerFast
) -> Comparison:
    record, _ = read_row(row, Layout())
    loaded: Any = SimpleNamespace(alias=template, tokenizer=tokenizer)
    [item] = tokenize([record], loaded, LENGTH)
    if item.example is None:
        return Comparison(template, chat, item.why or item.status, equal=False)
    gaps = {at for first, stop in item.example.between for at in range(first, stop)}
    count = len(item.example.ids)
    ours = list(item.example.ids), [at for at in range(item.example.start, count) if at not in gaps]
    try:
        theirs = libraries(row, tokenizer)
    except TemplateMismatch:
        return Comparison(template, chat, "", equal=False)
    return Comparison(template, chat, "", equal=ours == theirs)


def libraries(row: dict[str, Any], tokenizer: Any) -> Learnt:
    """What transformers and TRL learn of the chat."""
    turns, tools = row["messages"], row.get("tools")
    if MARKS.search(tokenizer.get_chat_template(tools=tools)):
        found = tokenizer.apply_chat_template(
            turns, tools=tools, return_dict=True, return_assistant_tokens_mask=True
        )
        places = [at for at, mark in enumerate(found["assistant_masks"]) if mark]
        return found["input_ids"][: places[-1] + 1], places
    whole = _trimmed(tokenizer.apply_chat_template(turns, tools=tools)["input_ids"], tokenizer)
    places = [
        place
        for number, turn in enumerate(turns)
        if turn["role"] == "assistant"
        for place in _completion(turns[: number + 1], tools, tokenizer, whole)
    ]
    if whole[-1] not in special_ids(tokenizer):
        return [*whole, tokenizer.eos_token_id], [*places, len(whole)]
    return whole, places


def _completion(turns: list[Any], tools: Any, tokenizer: Any, whole: list[int]) -> list[int]:
    """Places that TRL's completion_only_loss learns where the last of the turns is the completion.

    An end of the text that the template writes there alone is left out.
    """
    prompt = tokenizer.apply_chat_template(turns[:-1], tools=tools, add_generation_prompt=True)["input_ids"]
    own = _trimmed(tokenizer.apply_chat_template(turns, tools=tools)["input_ids"], tokenizer)
    start, stop = _shared(prompt, own), _shared(own, whole)
    if start > stop or any(token not in special_ids(tokenizer) for token in own[stop:]):
        raise TemplateMismatch("the turn is another one in the whole chat")
    return list(range(start, len(_trimmed(own[:stop], tokenizer))))


def _shared(one: list[int], other: list[int]) -> int:
    pairs = zip(one, other, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _trimmed(ids: list[int], tokenizer: Any) -> list[int]:
    while not tokenizer.decode(ids[-1:]).strip():
        ids = ids[:-1]
    return ids


def _bytes(template: str) -> PreTrainedTokenizerFast:
    return wrapped(byte_level(_special(template), pieces=PIECES), template, bos="<s>", eos="</s>")


def _spaces(template: str) -> PreTrainedTokenizerFast:
    return wrapped(
        spaced(["<unk>", *_special(template)], prefix=True, before="<s>"), template, bos="<s>", eos="</s>"
    )


def _special(template: str) -> list[str]:
    return sorted({"<s>", "</s>", *SPECIAL.findall(template)})


TOKENIZERS: dict[str, Callable[[str], PreTrainedTokenizerFast]] = {"bytes": _bytes, "words": _spaces}
