"""A prompt and several answers to it as one row, so that no token runs twice.

Each answer sees the prompt and itself: its positions follow the prompt's, and a mask keeps the answers apart.
A training example is the case of one answer, with its end of text.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from store.records import Record
from workers.models import LoadedModel
from workers.tokenization import answers_of

PADDING = -1  # as the answer's number of a token that is not there


@dataclass(frozen=True, slots=True)
class Row:
    """Token ids that a model reads, and what it should predict where."""

    ids: list[int]
    positions: list[int]
    part: list[int]
    """Of each token: 0 in the prompt, else the number of its answer, from 1."""
    at: list[int]
    """Of each token to be predicted: the place in ``ids`` that predicts it."""
    labels: list[int]
    answer: list[int]
    """Of each token to be predicted: the number of its answer, from 0."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows padded on the right to the longest, b x t."""

    ids: Tensor  # (b, t)
    positions: Tensor  # (b, t)
    mask: Tensor  # (b, 1, t, t) bool: who sees whom
    at: Tensor  # (n,) in the flattened (b * t) places
    labels: Tensor  # (n,)
    row: Tensor  # (n,) which row of the batch
    answer: Tensor  # (n,)


def packed(record: Record, loaded: LoadedModel, *, ended: bool = False) -> Row:
    """All choices of a record, or its completion where it has none; ``ended`` ends the right one."""
    texts = list(record.choices or (record.completion,))
    answers = answers_of(record, texts, loaded)
    if ended:
        answers.tails[right(record)].append(int(loaded.tokenizer.eos_token_id or 0))
    return pack(answers.prompt, answers.tails)


def pack(prompt: Sequence[int], answers: Sequence[Sequence[int]]) -> Row:
    """A prompt and its answers, none of them empty."""
    row = Row(list(prompt), list(range(len(prompt))), [0] * len(prompt), [], [], [])
    for number, answer in enumerate(answers):
        seen = answer[:-1]  # the last token is predicted, not read
        row.at.extend([len(prompt) - 1, *range(len(row.ids), len(row.ids) + len(seen))])
        row.ids.extend(seen)
        row.positions.extend(range(len(prompt), len(prompt) + len(seen)))
        row.part.extend([number + 1] * len(seen))
        row.labels.extend(answer)
        row.answer.extend([number] * len(answer))
    return row


def right(record: Record) -> int:
    """Number of the record's answer among its answers."""
    return record.answer or 0


def only(row: Row, answer: int) -> tuple[Row, list[int]]:
    """The row with one answer alone, as a training sees it, and which of its places are left."""
    kept = [place for place, part in enumerate(row.part) if part in (0, answer + 1)]
    moved = {place: new for new, place in enumerate(kept)}
    wanted = [n for n, number in enumerate(row.answer) if number == answer]
    return Row(
        ids=[row.ids[place] for place in kept],
        positions=[row.positions[place] for place in kept],
        part=[min(row.part[place], 1) for place in kept],
        at=[moved[row.at[n]] for n in wanted],
        labels=[row.labels[n] for n in wanted],
        answer=[0] * len(wanted),
    ), kept


def unended(row: Row, end: int) -> Row:
    """The row without the prediction of the end of text: its choices compare as in an evaluation."""
    wanted = [n for n, label in enumerate(row.labels) if label != end]
    return replace(
        row,
        at=[row.at[n] for n in wanted],
        labels=[row.labels[n] for n in wanted],
        answer=[row.answer[n] for n in wanted],
    )


def collate(rows: Sequence[Row]) -> Batch:
    """The rows as tensors; padding is seen by itself alone."""
    part = _padded([row.part for row in rows], PADDING)
    longest = part.shape[1]
    mine, theirs = part[:, :, None], part[:, None, :]
    earlier = torch.ones(longest, longest, dtype=torch.bool).tril()
    seen = earlier & ((theirs == 0) | (theirs == mine)) & (theirs != PADDING)
    counts = torch.tensor([len(row.labels) for row in rows])
    return Batch(
        ids=_padded([row.ids for row in rows], 0),
        positions=_padded([row.positions for row in rows], 0),
        mask=(seen | torch.eye(longest, dtype=torch.bool))[:, None],
        at=torch.tensor([number * longest + place for number, row in enumerate(rows) for place in row.at]),
        labels=torch.tensor([label for row in rows for label in row.labels]),
        row=torch.arange(len(rows)).repeat_interleave(counts),
        answer=torch.tensor([number for row in rows for number in row.answer]),
    )


def _padded(rows: Sequence[Sequence[int]], value: int) -> Tensor:
    return pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=value)
