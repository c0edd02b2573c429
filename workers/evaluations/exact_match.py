"""Greedy generation: whether a model answers a prompt with exactly the expected words.

Prompts of the same number of tokens are answered together, so that no padding stands before any of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby

import torch

from evoselect.gradients.examples import halving
from store.records.record import Record
from workers.models.conventions import special_ids, token_ids
from workers.models.loading import LoadedModel
from workers.models.rendering import text_of
from workers.models.tokenization import prompt_ids

SLACK = 8  # tokens beyond the expected answer's: a longer one is another one


@dataclass(frozen=True, slots=True)
class _Asked:
    """A prompt, and how an answer is told to be right."""

    prompt: list[int]
    most: int
    """Tokens of an answer: a longer one is another one."""
    ends: list[int]
    end: str
    """Text behind an answer that may be no token of its own; empty where there is none."""
    right: list[str]


def answers(
    loaded: LoadedModel, records: Sequence[Record], budget: int, progress: Callable[[int], None]
) -> list[bool]:
    """Whether the model's greedy continuation up to its end is each record's answer, white space aside.

    budget: tokens at once, prompts and answers. progress(records done) is called after every batch.
    Greedy decoding is deterministic. The comparison knows no synonyms: a lower bound of what is right. Where
    the tokenizer writes the answer otherwise (in small letters, say), so does the model, and that is right.
    """
    asked = [_asked(loaded, record) for record in records]
    found, done = [False] * len(records), 0
    for batch in _batches(asked, budget):
        names = [
            f"record {record.id}, {len(one.prompt)} tokens"
            for record, one in zip(records, asked, strict=True)
        ]
        for part, said in halving(batch, partial(_said, loaded, asked), names.__getitem__):
            for at, text in zip(part, said, strict=True):
                found[at] = text in asked[at].right
            done += len(part)
            progress(done)
    return found


def answer(loaded: LoadedModel, record: Record) -> bool:
    """The slow twin of `answers`, one prompt at a time."""
    asked = _asked(loaded, record)
    return _said(loaded, [asked], [0])[0] in asked.right


def _batches(asked: Sequence[_Asked], budget: int) -> list[list[int]]:
    def length(at: int) -> int:
        return len(asked[at].prompt)

    found = []
    for size, same in groupby(sorted(range(len(asked)), key=length), key=length):
        rows = list(same)
        fit = max(1, budget // (size + max(asked[at].most for at in rows)))
        found += [rows[at : at + fit] for at in range(0, len(rows), fit)]
    return found


def _asked(loaded: LoadedModel, record: Record) -> _Asked:
    text = text_of(record, record.completion, loaded.tokenizer, "plain")
    expected, end = token_ids([text.answer, text.end], loaded.tokenizer)
    right = [text.answer]
    if loaded.tokenizer.unk_token_id not in expected:  # it would stand for any text
        right.append(_text(loaded, expected))
    return _Asked(
        prompt=prompt_ids(record, loaded),
        most=len(expected) + max(SLACK, len(end)),
        ends=_ends(loaded, end),
        end=text.end,
        right=[" ".join(answer.split()) for answer in right],
    )


def _said(loaded: LoadedModel, asked: Sequence[_Asked], part: Sequence[int]) -> list[str]:
    """What the model answers to some prompts of the same length."""
    rows = [asked[at] for at in part]
    ids = torch.tensor([one.prompt for one in rows], device=loaded.device)
    with torch.no_grad():
        made = loaded.model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=max(one.most for one in rows),
            do_sample=False,
            eos_token_id=rows[0].ends,  # the same for all records of a model
            pad_token_id=loaded.tokenizer.eos_token_id,
        )
    return [_own(loaded, one, row[ids.shape[1] :].tolist()) for one, row in zip(rows, made, strict=True)]


def _own(loaded: LoadedModel, asked: _Asked, made: list[int]) -> str:
    """An answer up to its end: others of the batch may have gone on for longer."""
    made = made[: asked.most]
    over = next((at for at, token in enumerate(made) if token in asked.ends), len(made))
    said = _text(loaded, made[: over + 1])
    if asked.end:  # one that is no token of its own is written out
        said = said.partition(asked.end)[0]
    return " ".join(said.split())


def _text(loaded: LoadedModel, ids: list[int]) -> str:
    """As the tokens stand: some tokenizers would take the space before a comma out."""
    return str(loaded.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))


def _ends(loaded: LoadedModel, end: list[int]) -> list[int]:
    """Tokens that end an answer: the end of the text, the template's end of a turn, the model's own."""
    own = loaded.model.generation_config.eos_token_id
    turn = end[:1] if end and end[0] in special_ids(loaded.tokenizer) else []
    return sorted({int(loaded.tokenizer.eos_token_id), *turn, *_listed(own)})


def _listed(value: int | list[int] | None) -> list[int]:
    return [] if value is None else [value] if isinstance(value, int) else value
