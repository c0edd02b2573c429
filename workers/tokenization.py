"""Records as token ids with an answer span: the one place that decides what a model sees of a record.

Features, training and evaluation all read these ids. Prompt and answer are tokenised apart, so that the span
is exact whatever the tokenizer would merge across it. Chat messages go through the tokenizer's own template;
a plain prompt is used as it stands. The answer ends with the end-of-text token, as in training.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from transformers import PreTrainedTokenizerBase

from evoselect.gradients.examples import Example
from store.errors import Invalid
from store.records import Record

Status = Literal[
    "ok", "too_long", "truncated_answer", "no_answer_tokens", "non_finite", "zero_gradient", "shard_failed"
]


class TemplateMismatch(Invalid):
    """The chat template cannot be split into prompt and answer."""

    code = "template_mismatch"


@dataclass(frozen=True, slots=True)
class TokenizedRecord:
    """The example, if the record has one that fits; ``status`` says why not.

    too_long: the prompt alone leaves no room for an answer. truncated_answer: the answer does not fit whole.
    no_answer_tokens: the tokenizer makes nothing of the answer. Other statuses come from the gradient.
    """

    example: Example | None
    status: Status
    tokens: int


def tokenize(
    records: Sequence[Record], tokenizer: PreTrainedTokenizerBase, max_length: int
) -> list[TokenizedRecord]:
    """One TokenizedRecord per record, in order; at most ``max_length`` tokens of prompt and answer."""
    return [_judged(record, tokenizer, max_length) for record in records]


def prompt_ids(record: Record, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Tokens before the answer, with whatever the tokenizer puts at the start of a text."""
    if record.prompt is not None:
        return list(tokenizer(record.prompt)["input_ids"])
    text = _template(list(record.messages or ()), tokenizer, generation=True)
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def answer_ids(record: Record, answer: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Tokens of an answer to the record's prompt, without the end-of-text token."""
    text = answer if record.prompt is not None else _templated(record, answer, tokenizer)
    ids = list(tokenizer(text, add_special_tokens=False)["input_ids"])
    return ids[:-1] if ids and ids[-1] == tokenizer.eos_token_id else ids


def _templated(record: Record, answer: str, tokenizer: PreTrainedTokenizerBase) -> str:
    """The answer as the chat template writes it, up to the white space after the end of the turn."""
    turns = list(record.messages or ())
    prompt = _template(turns, tokenizer, generation=True)
    whole = _template([*turns, {"role": "assistant", "content": answer}], tokenizer, generation=False)
    if not whole.startswith(prompt):
        raise TemplateMismatch(
            f"the chat template writes the prompt of record {record.id} differently once the answer follows: "
            "send it as prompt and completion instead"
        )
    return whole[len(prompt) :].rstrip()


def _template(turns: list[dict[str, str]], tokenizer: PreTrainedTokenizerBase, *, generation: bool) -> str:
    return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=generation))


def _judged(record: Record, tokenizer: PreTrainedTokenizerBase, max_length: int) -> TokenizedRecord:
    prompt = prompt_ids(record, tokenizer)
    answer = answer_ids(record, record.completion, tokenizer)
    total = len(prompt) + len(answer) + 1
    if not answer or not prompt:
        return TokenizedRecord(None, "no_answer_tokens", total)
    if len(prompt) >= max_length:
        return TokenizedRecord(None, "too_long", total)
    if total > max_length:
        return TokenizedRecord(None, "truncated_answer", total)
    return TokenizedRecord(Example([*prompt, *answer, tokenizer.eos_token_id], len(prompt)), "ok", total)
