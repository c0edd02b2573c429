"""Records as texts: what stands before the answer, the answer, and how the template ends it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase

from evoselect.spec.reading import Rendering
from store.records.record import Record
from store.records.tool_use import WEIGHT, function_of
from workers.models.conventions import NoChatTemplate, TemplateMismatch, Turns, has_template, rendered

INSTEAD = "send it as prompt and completion instead"


@dataclass(frozen=True, slots=True)
class Text:
    """One record's text, in three parts that follow each other."""

    prompt: str
    answer: str
    end: str
    """What the template writes after the answer, white space at the end left out; empty for a plain text."""
    chat: bool
    """Whether a template wrote it: then it begins as the template says, else as the tokenizer does."""


@dataclass(frozen=True, slots=True)
class Chat:
    """Turns as a template gets them, the answer last, and the tools that are offered."""

    turns: Turns
    tools: list[dict[str, Any]] | None


def resolve(rendering: Rendering, tokenizer: PreTrainedTokenizerBase) -> Rendering:
    """``auto`` as what it means for this model."""
    if rendering != "auto":
        return rendering
    return "chat" if has_template(tokenizer) else "plain"


def require_template(
    alias: str, records: list[Record], tokenizer: PreTrainedTokenizerBase, rendering: Rendering
) -> None:
    """Raises NoChatTemplate where a record needs a template and the model has none."""
    if has_template(tokenizer):
        return
    if rendering == "chat":
        raise NoChatTemplate(
            f"features.rendering is 'chat', but model {alias!r} has no chat template: set rendering to plain "
            "or auto, or add chat_template.jinja to the model's folder"
        )
    chat = next((record for record in records if record.messages is not None), None)
    if chat is not None:
        raise NoChatTemplate(
            f"record {chat.id} has messages, but model {alias!r} has no chat template: send prompt and "
            "completion, take another model, or add chat_template.jinja to the model's folder"
        )


def text_of(record: Record, answer: str, tokenizer: PreTrainedTokenizerBase, rendering: Rendering) -> Text:
    """The record's text with that answer; raises TemplateMismatch, which names the record."""
    chat = chat_of(record, answer, rendering)
    if chat is None:
        return Text(record.prompt or "", answer, "", chat=False)
    with mismatch_names(record):
        return _split(chat, tokenizer)


def chat_of(record: Record, answer: str, rendering: Rendering) -> Chat | None:
    """What a template is given of the record and that answer; None where none is asked."""
    if record.messages is None and rendering == "plain":
        return None
    if record.messages is None:  # white space at the seam belongs to the plain form
        turns, answer = [{"role": "user", "content": (record.prompt or "").strip()}], answer.strip()
    else:
        turns = turns_of(record)
    return Chat([*turns, {"role": "assistant", "content": answer}], (record.tool_use or {}).get("tools"))


@contextmanager
def mismatch_names(record: Record) -> Iterator[None]:
    """Inside, a TemplateMismatch names the record."""
    try:
        yield
    except TemplateMismatch as error:
        raise TemplateMismatch(
            f"record {record.id} does not fit the chat template: {error.detail}"
        ) from error


def prompt_of(record: Record, tokenizer: PreTrainedTokenizerBase) -> str:
    """The text that a model is asked with, in the record's own form."""
    if record.messages is None:
        return record.prompt or ""
    tools = (record.tool_use or {}).get("tools")
    return rendered(turns_of(record), tokenizer, tools, add_generation_prompt=True)


def turns_of(record: Record) -> Turns:
    """The turns before the answer as templates read them: calls with arguments as objects."""
    of_turns = (record.tool_use or {}).get("turns", {})
    turns = [{**turn, **of_turns.get(str(number), {})} for number, turn in enumerate(record.messages or ())]
    for turn in turns:
        turn.pop(WEIGHT, None)  # not for templates
    return [
        {**turn, "tool_calls": [_with_arguments(call) for call in turn["tool_calls"]]}
        if "tool_calls" in turn
        else turn
        for turn in turns
    ]


def _with_arguments(call: dict[str, Any]) -> dict[str, Any]:
    """OpenAI has arguments as JSON text; templates write them as JSON themselves (as transformers asks)."""
    function = function_of(call)
    arguments = function.get("arguments")
    if not isinstance(arguments, str):
        return call
    try:
        function = {**function, "arguments": json.loads(arguments)}
    except ValueError:
        return call
    return {**call, "function": function} if "function" in call else function


def _split(chat: Chat, tokenizer: PreTrainedTokenizerBase) -> Text:
    """Refuses what would be learnt in silence otherwise: a prompt or an answer that the template rewrites."""
    turns, tools = chat.turns, chat.tools
    prompt = rendered(turns[:-1], tokenizer, tools, add_generation_prompt=True)
    require_tools(prompt, turns, tools or [])
    whole = rendered(turns, tokenizer, tools)
    if not whole.startswith(prompt):
        raise TemplateMismatch(f"the prompt is written differently once the answer follows: {INSTEAD}")
    try:
        upto = rendered(turns, tokenizer, tools, continue_final_message=True)
    except TemplateMismatch:  # it was rendered a moment ago: now the answer was looked for in it
        upto = ""
    if not (whole.startswith(upto) and upto.startswith(prompt)):
        raise TemplateMismatch(f"the answer is not written as it stands: {INSTEAD}")
    return Text(prompt, upto[len(prompt) :], whole[len(upto) :].rstrip(), chat=True)


def require_tools(prompt: str, turns: Turns, tools: list[dict[str, Any]]) -> None:
    """Refuses a template that leaves tools out: the model would learn answers to what it has not seen."""
    calls = [call for turn in turns for call in turn.get("tool_calls", ())]
    for what, given in (("the tools that are offered", tools), ("calls of tools", calls)):
        unseen = [name for tool in given if (name := function_of(tool)["name"]) not in prompt]
        if unseen:
            raise TemplateMismatch(f"it does not write {what}, such as {unseen[0]!r:.60}: {INSTEAD}")
