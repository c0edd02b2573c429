"""Rows that were put into a file are read like the tensors that they were."""

from pathlib import Path

import pytest
import torch

from evoselect.features import gather
from workers.features.file_rows import Spill


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_matrices_of_one_file_are_read_like_those_in_memory(tmp_path: Path, dtype: torch.dtype) -> None:
    spill, held = Spill(tmp_path), [torch.randn(n, 8).to(dtype) for n in (5, 0, 700)]
    kept = [spill.put(rows) for rows in held]
    for rows, own in zip(held, kept, strict=True):
        assert (own.shape, own.dtype, own.device) == (rows.shape, rows.dtype, rows.device)
        assert torch.equal(own[:], rows)
        assert torch.equal(own[1:3], rows[1:3])
        assert torch.equal(own[::3], rows[::3])
        assert torch.equal(own[2::600], rows[2::600])
    for index in (torch.tensor([699, 0, 5, 5]), torch.arange(0, 700, 2).flip(0), torch.arange(0)):
        assert torch.equal(gather(kept[2], index), held[2][index].float())
    assert list(tmp_path.iterdir()) == []  # the file has no name, and is gone with its last reader


def test_rows_here_and_there_are_read_in_pieces(tmp_path: Path) -> None:
    """Rows of 4 KiB: near ones in one read of 2 MiB at most, far ones each by itself, in any order."""
    held = torch.randn(1_500, 2_048).half()
    kept = Spill(tmp_path).put(held)
    draw = torch.randperm(1_500, generator=torch.Generator().manual_seed(0))
    for index in (draw, draw[:20], draw[:300].sort().values, torch.tensor([1_499, 0, 1_499])):
        assert torch.equal(kept[index], held[index])
