"""Edges and nearest of one product are those of a pass each."""

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from evoselect.neighbours.both_ways import nearest_both_ways
from evoselect.neighbours.one_pass import reached_and_nearest
from evoselect.neighbours.priced import edges_below, edges_of


@pytest.mark.parametrize(
    ("n", "m", "dtype"), [(2_500, 37, torch.float16), (1_024, 16, torch.float32), (3, 1, torch.float16)]
)
def test_one_pass_finds_what_two_do(n: int, m: int, dtype: torch.dtype) -> None:
    draw = torch.Generator().manual_seed(n)
    rows = normalize(torch.randn(n, 24, generator=draw), dim=1).to(dtype)
    targets = normalize(torch.randn(m, 24, generator=draw), dim=1)
    for price in (np.full(m, 0.6), np.full(m, -1.0)):  # some edges, and none
        reached, near = reached_and_nearest(rows, targets, price + 0.2)
        edges = edges_of(reached, price, 0.1)
        for one, other in (
            (edges, edges_below(rows, targets, price, 0.1)),
            (near, nearest_both_ways(rows, targets)),
        ):
            for name, part in vars(other).items():
                assert getattr(one, name).dtype == part.dtype, name
                np.testing.assert_array_equal(getattr(one, name), part, err_msg=name)
    assert n < 10 or len(reached_and_nearest(rows, targets, np.full(m, 0.6))[0].cosine) > 100
