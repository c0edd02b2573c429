"""Records as token ids with an answer span: the one place that decides what a model sees of a record.

Features, training, evaluation and generation all read these ids. Prompt and answer are tokenised together, as
the model's own library does; the answer begins where the tokens leave those of the prompt alone (as in TRL),
so a token that holds the end of the prompt and the start of the answer is the answer's. Nothing that the
tokenizer puts behind a text by itself is kept: a chat ends as its template says, any other answer with the
end token. Of a chat all turns of the assistant are learnt, or the last one: workers.models.spans says where.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from evoselect.gradients.examples import Example, example_of
from evoselect.spec.reading import OnLong, Reading, Rendering, Turns
from store.records.record import Record
from workers.models.conventions import TemplateMismatch, opening, token_ids
from workers.models.loading import LoadedModel
from workers.models.rendering import (
    Text,
    chat_of,
    mismatch_names,
    prompt_of,
    require_template,
    resolve,
    text_of,
)
from workers.models.shortening import head_of, shortened
from workers.models.spans import Tokens, by_marks, by_prefixes, common_prefix, has_marks, learnt_turns
from workers.models.status import Status


@dataclass(frozen=True, slots=True)
class TokenizedRecord:
    """The example, if the record has one that fits; ``status`` says why not.

    too_long: the prompt alone leaves no room for an answer. truncated_answer: the answer does not fit whole.
    Both only where it could not be shortened, or was not to be.
    no_answer_tokens: the tokenizer makes nothing of the answer, or one first token of it and the prompt.
    template_mismatch: the chat template refuses it. Other statuses come from the gradient.
    """

    example: Example | None
    status: Status
    tokens: int
    why: str = ""
    """A sentence, for template_mismatch."""
    shortened: bool = False
    """Whether ``tokens`` are more than the example has."""


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


READING = Reading()


def tokenize(
    records: Sequence[Record], loaded: LoadedModel, max_length: int, reading: Reading = READING
) -> list[TokenizedRecord]:
    """One TokenizedRecord per record, in order; at most ``max_length`` tokens of prompt and answer.

    Raises NoChatTemplate where the model cannot render a record at all.
    """
    require_template(loaded.alias, list(records), loaded.tokenizer, reading.rendering)
    rendering = resolve(reading.rendering, loaded.tokenizer)
    read = [_read(record, loaded, rendering, reading.turns) for record in records]
    found = iter(_examples([one for one in read if isinstance(one, Text)], loaded))
    items = []
    for record, one in zip(records, read, strict=True):
        try:
            if isinstance(one, TemplateMismatch):
                raise one
            if isinstance(one, Text):
                one = _learnt(
                    record, one, answered=next(found), loaded=loaded, reading=reading, most=max_length
                )
            items.append(_judged(one, max_length, reading.on_long, loaded))
        except TemplateMismatch as error:
            items.append(TokenizedRecord(None, "template_mismatch", 0, error.detail))
    return items


def _read(
    record: Record, loaded: LoadedModel, rendering: Rendering, turns: Turns
) -> Text | Tokens | TemplateMismatch:
    """The record as text, which is tokenised beside others; or as tokens, where the template marks them."""
    try:
        chat = chat_of(record, record.completion, rendering)
        if chat is None or not has_marks(loaded.tokenizer, chat):
            return text_of(record, record.completion, loaded.tokenizer, rendering)
        with mismatch_names(record):
            return by_marks(chat, learnt_turns(record, turns), loaded.tokenizer)
    except TemplateMismatch as error:
        return error


def _learnt(
    record: Record,
    text: Text,
    *,
    answered: tuple[list[int], int],
    loaded: LoadedModel,
    reading: Reading,
    most: int,
) -> Tokens:
    """Of a text's tokens, those of its answer, and of earlier ones where it is a chat with several.

    They are not looked for in a chat that is left out for its length.
    """
    ids, start = answered
    numbers = learnt_turns(record, reading.turns)
    last = len(record.messages or (None,))
    left_out = len(ids) > most and reading.on_long == "drop" and last in numbers
    chat = None
    if text.chat and numbers != [last] and not left_out:
        chat = chat_of(record, record.completion, "chat")
    if chat is None:
        return ids, [(start, len(ids))]
    with mismatch_names(record):
        return by_prefixes(chat, numbers, text=text, answered=answered, tokenizer=loaded.tokenizer)


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


def _judged(tokens: Tokens, most: int, on_long: OnLong, loaded: LoadedModel) -> TokenizedRecord:
    """Of tokens behind the last learnt one nothing is read."""
    ids, learnt = tokens
    if not learnt or learnt[0][0] == 0 or any(first == stop for first, stop in learnt):
        return TokenizedRecord(None, "no_answer_tokens", len(ids))
    ids = ids[: learnt[-1][1]]
    if len(ids) <= most:
        return TokenizedRecord(example_of(ids, learnt), "ok", len(ids))
    head = head_of(ids, opening(loaded.tokenizer), loaded.tokenizer.bos_token_id)
    found = shortened((ids, learnt), most, on_long, head)
    if found is None:
        status: Status = "too_long" if learnt[0][0] >= most else "truncated_answer"
        return TokenizedRecord(None, status, len(ids))
    return TokenizedRecord(example_of(*found), "ok", len(ids), shortened=True)
