"""What a shard leaves when its features go (ours).

It is told the questions that a selection will ask, answers them, and keeps the rows that the answers name.
Two shards that were asked the same of the same rows leave the same bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from evoselect.arrays import Floats, Ints
from evoselect.features import Matrix
from evoselect.neighbours.both_ways import Nearest
from evoselect.neighbours.priced import Priced
from evoselect.pools.part import Part

NEAR = ("near.target", "near.cosine", "near.best")  # names in the file of what `Left.near` holds


@dataclass(frozen=True)
class Questions:
    """What is asked of every shard before its features go."""

    lists: tuple[tuple[Tensor, int], ...] = ()
    """Targets (m, d), and how many nearest candidates of each."""
    below: tuple[Tensor, Floats, float] | None = None
    """Targets (M, d), prices (M,) and window of `edges_below`."""
    directions: tuple[Tensor, ...] = ()  # (d,) whose scores are asked for
    high: tuple[tuple[int, float], ...] = ()
    """Which of the directions, and the least score by it of a row that is kept."""
    near: Tensor | None = None  # targets (M, d) of `nearest_both_ways`


@dataclass(frozen=True)
class Left:
    """A shard's answers; rows are numbered within the shard."""

    shape: torch.Size  # (n, d)
    hashes: Ints  # (n,)
    rows: Ints  # (r,) ascending: those that answers name, and the sample
    values: Matrix  # (r, d) of the shard's dtype, in memory or where they are read from
    lists: tuple[tuple[Floats, Ints], ...] = ()  # (m, l) cosines and rows, as the questions' lists
    below: Priced | None = None
    scores: tuple[Tensor, ...] = ()  # (n,) float32, as the questions' directions
    near: tuple[Tensor, Tensor, Tensor] | None = None  # (n,) int32, (n,) and (M,) float32: as in `Nearest`


def leave(part: Part, questions: Questions, sample: Ints) -> Left:
    """Answer the questions, and keep the rows named and those of the ``sample`` (s,), ascending."""
    n = part.shape[0]
    lists = tuple(part.nearest(targets, min(count, n)) for targets, count in questions.lists)
    below, near = _of_all_targets(part, questions)
    scores = [part.scores(direction) for direction in questions.directions]
    high = [np.flatnonzero(scores[number] >= least) for number, least in questions.high]
    named = [sample, *(rows.ravel() for _, rows in lists), *([] if below is None else [below.rows]), *high]
    rows = np.unique(np.concatenate(named))
    return Left(
        part.shape,
        part.hashes(np.arange(n)),
        rows,
        part.gather(rows).to(part.dtype),
        lists,
        below,
        tuple(torch.from_numpy(score).float() for score in scores),
        None if near is None else _kept(near),
    )


def _of_all_targets(part: Part, questions: Questions) -> tuple[Priced | None, Nearest | None]:
    """Edges and nearest, by one pass where both are asked of the same targets."""
    below, near = questions.below, questions.near
    if below is not None and near is not None and torch.equal(below[0], near):
        return part.edges_and_near(*below)
    return (
        None if below is None else part.edges_below(*below),
        None if near is None else part.near(near),
    )


def to_tensors(left: Left) -> dict[str, Tensor]:
    """The answers by name, as one file holds them; values (r, d), the others as in `Left`."""
    named = {
        "shape": torch.tensor(left.shape),
        "hashes": torch.from_numpy(left.hashes),
        "rows": torch.from_numpy(left.rows),
        "values": left.values[:],
    }
    for place, (cosine, rows) in enumerate(left.lists):
        named |= {
            f"cosine.{place}": torch.from_numpy(cosine).float(),
            f"list.{place}": torch.from_numpy(rows),
        }
    if left.below is not None:
        named |= {f"below.{name}": torch.from_numpy(part) for name, part in vars(left.below).items()}
    if left.near is not None:
        named |= dict(zip(NEAR, left.near, strict=True))
    return named | {f"score.{place}": score for place, score in enumerate(left.scores)}


def from_tensors(named: Mapping[str, Tensor]) -> Left:
    """The inverse of `to_tensors`: named (r, d) and others; raises KeyError where a name is missing."""
    lists = sum(name.startswith("list.") for name in named)
    below = {name.removeprefix("below."): part.numpy() for name, part in named.items() if "below." in name}
    return Left(
        torch.Size(named["shape"].tolist()),
        named["hashes"].numpy(),
        named["rows"].numpy(),
        named["values"],
        tuple(
            (named[f"cosine.{place}"].double().numpy(), named[f"list.{place}"].numpy())
            for place in range(lists)
        ),
        Priced(**below) if below else None,
        tuple(named[f"score.{place}"] for place in range(sum("score." in name for name in named))),
        (named[NEAR[0]], named[NEAR[1]], named[NEAR[2]]) if NEAR[0] in named else None,
    )


def _kept(near: Nearest) -> tuple[Tensor, Tensor, Tensor]:
    target, cosine, best = (torch.from_numpy(part) for part in (near.target, near.cosine, near.best))
    return target, cosine, best.float()
