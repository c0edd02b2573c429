"""Exact nearest candidates of every target, by FAISS on the host and by blocked products elsewhere.

Both are exhaustive: an approximate index would void the certificate of the shortlist.
"""

import faiss
import torch
from torch import Tensor

from evoselect.features import row_blocks


def nearest(candidates: Tensor, targets: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The ``count`` candidates of largest inner product for every target, best first.

    candidates (N, d), targets (M, d), unit rows -> similarity (M, count) float32, index (M, count) int64.
    """
    if candidates.device.type == "cpu" and candidates.dtype == torch.float32:
        return _nearest_faiss(candidates, targets, count)
    return nearest_blocked(candidates, targets, count)


def _nearest_faiss(candidates: Tensor, targets: Tensor, count: int) -> tuple[Tensor, Tensor]:
    similarity, index = faiss.knn(
        targets.float().contiguous().numpy(),
        candidates.contiguous().numpy(),
        count,
        metric=faiss.METRIC_INNER_PRODUCT,
    )
    return torch.from_numpy(similarity), torch.from_numpy(index)


def nearest_blocked(candidates: Tensor, targets: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The slow twin of the FAISS search: one block of candidates at a time, merged into the best so far."""
    queries = targets.to(candidates.device).float()
    best = torch.empty(len(queries), 0, device=candidates.device)
    index = torch.empty(len(queries), 0, dtype=torch.int64, device=candidates.device)
    for rows in row_blocks(candidates):
        similarity = queries @ candidates[rows].float().T
        block = torch.arange(rows.start, rows.stop, device=candidates.device).expand_as(similarity)
        merged = torch.cat([best, similarity], dim=1)
        best, place = merged.topk(min(count, merged.shape[1]), dim=1)
        index = torch.cat([index, block], dim=1).gather(1, place)
    return best.cpu(), index.cpu()
