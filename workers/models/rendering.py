"""Records as texts: what stands before the answer, the answer, and how the template ends it."""

from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from evoselect.spec.features import Rendering
from store.records.record import Record
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
    """The record's text with that answer; raises TemplateMismatch, naming the record."""
    if record.messages is None and rendering == "plain":
        return Text(record.prompt or "", answer, "", chat=False)
    if record.messages is None:  # white space at the seam belongs to the plain form
        turns, answer = [{"role": "user", "content": (record.prompt or "").strip()}], answer.strip()
    else:
        turns = list(record.messages)
    try:
        return _chat(turns, answer, tokenizer)
    except TemplateMismatch as error:
        raise TemplateMismatch(
            f"record {record.id} does not fit the chat template: {error.detail}"
        ) from error


def prompt_of(record: Record, tokenizer: PreTrainedTokenizerBase) -> str:
    """The text that a model is asked with, in the record's own form."""
    if record.messages is None:
        return record.prompt or ""
    return rendered(list(record.messages), tokenizer, add_generation_prompt=True)


def _chat(turns: Turns, answer: str, tokenizer: PreTrainedTokenizerBase) -> Text:
    """Refuses what would be learnt in silence otherwise: a prompt or an answer that the template rewrites."""
    prompt = rendered(turns, tokenizer, add_generation_prompt=True)
    turns = [*turns, {"role": "assistant", "content": answer}]
    whole = rendered(turns, tokenizer)
    if not whole.startswith(prompt):
        raise TemplateMismatch(f"the prompt is written differently once the answer follows: {INSTEAD}")
    try:
        upto = rendered(turns, tokenizer, continue_final_message=True)
    except TemplateMismatch:  # it was rendered a moment ago: now the answer was looked for in it
        upto = ""
    if not (whole.startswith(upto) and upto.startswith(prompt)):
        raise TemplateMismatch(f"the answer is not written as it stands: {INSTEAD}")
    return Text(prompt, upto[len(prompt) :], whole[len(upto) :].rstrip(), chat=True)
