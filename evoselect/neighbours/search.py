"""Exhaustive searches for the nearest candidates: by a threshold in large pools, else by blocks.

An approximate index would void the certificate of the shortlist. Products of blocks decide here, so ties and
last bits depend on the blocks; `lists.nearest` settles them.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from evoselect.features import Matrix, row_blocks
from evoselect.hardware import multiplies_faster_coarsely
from evoselect.neighbours.pairs import pair_cosines
from evoselect.neighbours.priced import BFLOAT16_ERROR, BLOCK_BYTES, LARGE_PRODUCT

PRODUCT_ENTRIES = 2**24  # of targets and a block of candidates, held at once
SAMPLE_SHARE = 1 / 16  # of the candidates, to place a threshold just below a target's list
MIN_SAMPLE = 8_192


def search(candidates: Matrix, targets: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The ``count`` candidates of largest inner product for every target, best first.

    candidates (N, d), targets (M, d), unit rows -> similarity (M, count) float32, index (M, count) int64.
    """
    if candidates.shape[0] > 2 * MIN_SAMPLE and 4 * count < candidates.shape[0]:
        return nearest_above(candidates, targets, count)
    return nearest_blocked(candidates, targets, count)


def nearest_above(candidates: Matrix, targets: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Keep what reaches a threshold that a sample places below the list.

    Targets that the threshold fails are searched in full.

    candidates (N, d), targets (M, d), unit rows -> similarity (M, count) float32, index (M, count) int64.
    """
    queries = targets.to(candidates.device).float()
    threshold = _threshold(candidates, queries, count)
    coarse = candidates.shape[0] * len(queries) > LARGE_PRODUCT and multiplies_faster_coarsely(
        candidates.device
    )
    dtype, error = (torch.bfloat16, BFLOAT16_ERROR) if coarse else (torch.float32, 0.0)
    factor, least = queries.to(dtype), (threshold - error).to(dtype)[:, None]
    owner, member, value = [], [], []
    for rows in row_blocks(candidates, BLOCK_BYTES):
        similarity = factor @ candidates[rows].to(dtype).T
        which, place = torch.nonzero(similarity >= least, as_tuple=True)
        owner.append(which)
        member.append(place + rows.start)
        value.append(similarity[which, place])
    if coarse:
        owner, member, value = _priced(
            candidates, queries, threshold, which=torch.cat(owner), place=torch.cat(member)
        )
    which = torch.cat(owner)
    order = torch.argsort(which, stable=True)
    counts = torch.bincount(which, minlength=len(queries))
    similarity, index = _padded(counts, torch.cat(value)[order], torch.cat(member)[order], count)
    short = torch.nonzero(counts < count).ravel()
    if len(short):
        full_similarity, full_index = nearest_blocked(candidates, queries[short], count)
        similarity[short.cpu()], index[short.cpu()] = full_similarity, full_index
    return similarity, index


def _priced(
    candidates: Matrix, queries: Tensor, threshold: Tensor, *, which: Tensor, place: Tensor
) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Of targets ``which`` (E,) and rows ``place`` (E,) the pairs that reach the threshold, with cosines."""
    order = torch.argsort(place, stable=True)
    which, place = which[order], place[order]
    cosine = pair_cosines(candidates, queries, place.cpu().numpy(), which.cpu().numpy())
    value = torch.from_numpy(cosine).float().to(which.device)
    kept = value >= threshold[which]
    return [which[kept]], [place[kept]], [value[kept]]


def _threshold(candidates: Matrix, queries: Tensor, count: int) -> Tensor:
    """(M,) a similarity that more than ``count`` candidates most likely reach.

    By a sample, and three deviations below what it says.
    """
    n = candidates.shape[0]
    step = max(1, min(int(1 / SAMPLE_SHARE), n // MIN_SAMPLE))
    sample = candidates[::step].float()
    expected = count / step
    rank = min(sample.shape[0], int(np.ceil(expected + 3.0 * np.sqrt(expected) + 3.0)))
    return (queries @ sample.T).topk(rank, dim=1).values[:, -1]


def _padded(counts: Tensor, value: Tensor, member: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The ``count`` largest of each target's run of values; -inf and -1 where a run is shorter."""
    width = max(count, int(counts.max()))
    start = torch.cumsum(counts, 0) - counts
    row = torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts)
    column = torch.arange(len(value), device=counts.device) - start[row]
    padded = torch.full((len(counts), width), float("-inf"), device=value.device)
    index = torch.full((len(counts), width), -1, dtype=torch.int64, device=value.device)
    padded[row, column], index[row, column] = value, member
    best, place = padded.topk(count, dim=1)
    return best.cpu(), index.gather(1, place).cpu()


def nearest_blocked(candidates: Matrix, targets: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """A block of either side at a time, merged into the best so far.

    candidates (N, d), targets (M, d), unit rows -> similarity (M, count) float32, index (M, count) int64.
    """
    queries = targets.to(candidates.device).float()
    blocks = list(row_blocks(candidates))
    step = max(1, PRODUCT_ENTRIES // (blocks[0].stop + count))
    turns = [_best(candidates, queries[at : at + step], blocks, count) for at in range(0, len(queries), step)]
    return torch.cat([turn[0] for turn in turns]), torch.cat([turn[1] for turn in turns])


def _best(candidates: Matrix, queries: Tensor, blocks: Sequence[slice], count: int) -> tuple[Tensor, Tensor]:
    """Of few enough queries (q, d) that their products with a block can be held -> (q, count) twice."""
    best = torch.empty(len(queries), 0, device=candidates.device)
    index = torch.empty(len(queries), 0, dtype=torch.int64, device=candidates.device)
    for rows in blocks:
        similarity = queries @ candidates[rows].float().T
        block = torch.arange(rows.start, rows.stop, device=candidates.device).expand_as(similarity)
        merged = torch.cat([best, similarity], dim=1)
        best, place = merged.topk(min(count, merged.shape[1]), dim=1)
        index = torch.cat([index, block], dim=1).gather(1, place)
    return best.cpu(), index.cpu()
