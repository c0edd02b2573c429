"""Records as token ids with an answer span: the one place that decides what a model sees of a record.

Features, training, evaluation and generation all read these ids. Prompt and answer are tokenised together, as
the model's own library does; the answer begins where the tokens leave those of the prompt alone (as in TRL),
so a token that holds the end of the prompt and the start of the answer is the answer's. Nothing that the
tokenizer puts behind a text by itself is kept: a chat ends as its template says, any other answer with the
end token.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from evoselect.gradients.examples import Example
from evoselect.spec.features import Rendering
from store.records.record import Record
from workers.models.conventions import TemplateMismatch, opening, token_ids
from workers.models.loading import LoadedModel
from workers.models.rendering import Text, prompt_of, require_template, resolve, text_of

Status = Literal[
    "ok",
    "too_long",
    "truncated_answer",
    "no_answer_tokens",
    "non_finite",
    "zero_gradient",
    "shard_failed",
    "template_mismatch",
]


@dataclass(frozen=True, slots=True)
class TokenizedRecord:
    """The example, if the record has one that fits; ``status`` says why not.

    too_long: the prompt alone leaves no room for an answer. truncated_answer: the answer does not fit whole.
    no_answer_tokens: the tokenizer makes nothing of the answer, or one first token of it and the prompt.
    template_mismatch: the chat template refuses it. Other statuses come from the gradient.
    """

    example: Example | None
    status: Status
    tokens: int
    why: str = ""
    """A sentence, for template_mismatch."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Several answers to one prompt, none of them ended: what an evaluation scores."""

    prompt: list[int]
    """The tokens that all of them begin with."""
    tails: list[list[int]]
    """What follows for each: the prompt's last tokens where they differ by the answer, then its own."""
    lengths: list[int]
    """How many tokens at the end of each tail are the answer's."""

    @property
    def starts(self) -> list[int]:
        """How many tokens stand before each answer."""
        pairs = zip(self.tails, self.lengths, strict=True)
        return [len(self.prompt) + len(tail) - length for tail, length in pairs]


def tokenize(
    records: Sequence[Record], loaded: LoadedModel, max_length: int, rendering: Rendering = "plain"
) -> list[TokenizedRecord]:
    """One TokenizedRecord per record, in order; at most ``max_length`` tokens of prompt and answer.

    Raises NoChatTemplate where the model cannot render a record at all.
    """
    require_template(loaded.alias, list(records), loaded.tokenizer, rendering)
    rendering = resolve(rendering, loaded.tokenizer)
    texts: list[Text | TemplateMismatch] = []
    for record in records:
        try:
            texts.append(text_of(record, record.completion, loaded.tokenizer, rendering))
        except TemplateMismatch as error:
            texts.append(error)
    found = iter(_examples([text for text in texts if isinstance(text, Text)], loaded))
    return [
        _judged(*next(found), max_length)
        if isinstance(text, Text)
        else TokenizedRecord(None, "template_mismatch", 0, text.detail)
        for text in texts
    ]


def answers_of(record: Record, answers: Sequence[str], loaded: LoadedModel) -> Answers:
    """Each answer after the record's prompt; a length is 0 where the tokenizer makes nothing of it.

    Raises TemplateMismatch.
    """
    texts = [text_of(record, answer, loaded.tokenizer, "plain") for answer in answers]
    spans = [_unended(ids, start, loaded) for ids, start in _spans(texts, loaded, ended=False)]
    shared = min(start for _, start in spans)
    for ids, _ in spans:
        shared = common_prefix([spans[0][0][:shared], ids])
    return Answers(
        spans[0][0][:shared], [ids[shared:] for ids, _ in spans], [len(ids) - start for ids, start in spans]
    )


def prompt_ids(record: Record, loaded: LoadedModel) -> list[int]:
    """Tokens that the model is asked with: before any answer."""
    ids = token_ids([prompt_of(record, loaded.tokenizer)], loaded.tokenizer)[0]
    return ids if record.messages is not None else [*opening(loaded.tokenizer), *ids]


def common_prefix(rows: Sequence[Sequence[int]]) -> int:
    """How many tokens all rows begin with."""
    shortest = min(map(len, rows))
    return next((at for at in range(shortest) if len({row[at] for row in rows}) > 1), shortest)


def _spans(texts: Sequence[Text], loaded: LoadedModel, *, ended: bool) -> list[tuple[list[int], int]]:
    """Token ids of each text, and where its answer begins."""
    tokenizer = loaded.tokenizer
    before = opening(tokenizer)
    prompts = token_ids([text.prompt for text in texts], tokenizer)
    wholes = token_ids([text.prompt + text.answer + text.end * ended for text in texts], tokenizer)
    found = []
    for text, prompt, whole in zip(texts, prompts, wholes, strict=True):
        start, head = common_prefix([prompt, whole]), [] if text.chat else before
        found.append(([*head, *whole], len(head) + start))
    return found


def _examples(texts: Sequence[Text], loaded: LoadedModel) -> list[tuple[list[int], int]]:
    """Spans whose answers end: as the template ends them, or with the end token."""
    end = int(loaded.tokenizer.eos_token_id)
    written = list(dict.fromkeys(text.end for text in texts))
    ends = dict(zip(written, token_ids(written, loaded.tokenizer), strict=True))
    found = []
    for text, (ids, start) in zip(texts, _spans(texts, loaded, ended=True), strict=True):
        if ids[start:] == ends[text.end]:  # an end of no answer
            found.append((ids[:start], start))
        else:
            found.append((ids if text.end or ids[-1] == end else [*ids, end], start))
    return found


def _unended(ids: list[int], start: int, loaded: LoadedModel) -> tuple[list[int], int]:
    """Without an end token that stands in the answer's text."""
    return (ids[:-1] if len(ids) > start and ids[-1] == loaded.tokenizer.eos_token_id else ids), start


def _judged(ids: list[int], start: int, max_length: int) -> TokenizedRecord:
    if start == 0 or start == len(ids):
        return TokenizedRecord(None, "no_answer_tokens", len(ids))
    if start >= max_length:
        return TokenizedRecord(None, "too_long", len(ids))
    if len(ids) > max_length:
        return TokenizedRecord(None, "truncated_answer", len(ids))
    return TokenizedRecord(Example(ids, start), "ok", len(ids))
