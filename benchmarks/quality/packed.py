"""A prompt and several answers to it as one row, so that no token runs twice.

Each answer sees the prompt and itself: its positions follow the prompt's, and a mask keeps the answers apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from store.records.record import Record
from workers.models.loading import LoadedModel
from workers.models.tokenization import answers_of

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


def packed(record: Record, loaded: LoadedModel) -> Row:
    """All choices of a record, or its completion where it has none."""
    found = answers_of(record, record.choices or (record.completion,), loaded)
    if found.lengths != [len(tail) for tail in found.tails]:
        raise ValueError(f"answers of {record.id} change the tokens of its prompt: score them one by one")
    return pack(found.prompt, found.tails)


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


def by_length(rows: Sequence[Row], tokens: int) -> list[list[int]]:
    """Indices in batches of rows of similar length, at most ``tokens`` with padding."""
    batches: list[list[int]] = []
    for i in sorted(range(len(rows)), key=lambda i: -len(rows[i].ids)):
        if batches and len(rows[batches[-1][0]].ids) * (len(batches[-1]) + 1) <= tokens:
            batches[-1].append(i)
        else:
            batches.append([i])
    return batches
