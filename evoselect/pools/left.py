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
from evoselect.neighbours.priced import Priced, Reached, edges_of
from evoselect.pools.part import Part

NEAR = ("near.target", "near.cosine", "near.best")  # names in the file of what `Left.near` holds,
REACHED = ("reached.row", "reached.target", "reached.cosine")  # and `Left.reached`


@dataclass(frozen=True)
class Reach:
    """Lists that may be asked for where a price turns out to be too low."""

    most: Floats  # (M,) costs, no less than the prices, up to which each target's candidates are listed
    long: float  # how many a longer list has, over the candidates of the whole pool
    short: float  # how many one has that is too short, most likely

    def rows(self, found: Reached, price: Floats, n: int) -> Ints:
        """Those of a shard of n rows that longer lists of targets name -> (r,), with repeats.

        Of the targets that have few below ``price`` (M,); chance is given two deviations.
        """
        few, most = (share * n + 2 * np.sqrt(share * n) for share in (self.short, self.long))
        under = np.bincount(found.within(price).target, minlength=len(price))
        order = np.lexsort((found.row, -found.cosine, found.target))
        target = found.target[order]
        rank = np.arange(len(order)) - np.searchsorted(target, target)
        kept = (under[target] <= few) & (rank < most)
        return np.asarray(found.row[order[kept]])


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
    near: Tensor | None = None  # targets (M, d) of `nearest_both_ways`, those of ``below`` where it is asked
    reach: Reach | None = None  # beyond the prices of ``below``


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
    reached: Reached | None = None  # pairs up to the costs of the questions' reach


def leave(part: Part, questions: Questions, sample: Ints) -> Left:
    """Answer the questions, and keep the rows named and those of the ``sample`` (s,), ascending."""
    n = part.shape[0]
    lists = tuple(part.nearest(targets, min(count, n)) for targets, count in questions.lists)
    below, near, reached = _of_all_targets(part, questions)
    scores = [part.scores(direction) for direction in questions.directions]
    high = [np.flatnonzero(scores[number] >= least) for number, least in questions.high]
    named = [sample, *(rows.ravel() for _, rows in lists), *([] if below is None else [below.rows]), *high]
    if questions.below is not None and questions.reach is not None and reached is not None:
        named.append(questions.reach.rows(reached, questions.below[1], n))
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
        reached,
    )


def _of_all_targets(part: Part, questions: Questions) -> tuple[Priced | None, Nearest | None, Reached | None]:
    """Edges, nearest and what is reached, by one pass where all are asked of the same targets."""
    below, near, reach = questions.below, questions.near, questions.reach
    if below is None or near is None or not torch.equal(below[0], near):
        edges = None if below is None else part.edges_below(*below)
        return edges, None if near is None else part.near(near), None
    targets, price, window = below
    pairs, nearest = part.reached_and_near(targets, price if reach is None else reach.most)
    return edges_of(pairs, price, window), nearest, None if reach is None else pairs


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
    if (reached := left.reached) is not None:
        pairs = (torch.from_numpy(part).int() for part in (reached.row, reached.target))
        named |= dict(zip(REACHED, (*pairs, torch.from_numpy(reached.cosine).float()), strict=True))
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
        _reached(named) if REACHED[0] in named else None,
    )


def _reached(named: Mapping[str, Tensor]) -> Reached:
    row, target, cosine = (named[name] for name in REACHED)
    return Reached(row.long().numpy(), target.long().numpy(), cosine.double().numpy())


def _kept(near: Nearest) -> tuple[Tensor, Tensor, Tensor]:
    target, cosine, best = (torch.from_numpy(part) for part in (near.target, near.cosine, near.best))
    return target, cosine, best.float()
