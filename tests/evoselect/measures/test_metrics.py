"""The Vendi score at its ends and by its definition."""

import math

import pytest
import torch

from evoselect.measures.metrics import vendi_score
from tests.evoselect.instances import instance


def test_copies_count_once_and_orthogonal_rows_each() -> None:
    assert vendi_score(torch.eye(8)[:1].repeat(5, 1)) == pytest.approx(1.0)
    assert vendi_score(torch.eye(8)) == pytest.approx(8.0)


@pytest.mark.parametrize(("n", "d"), [(40, 8), (8, 40)])
def test_it_is_the_exponential_of_the_entropy_of_the_spectrum(n: int, d: int) -> None:
    rows = instance(n, 1, d, seed=1).candidates.double()
    values = [value for value in torch.linalg.eigvalsh(rows @ rows.T / n).tolist() if value > 1e-12]
    slow = math.exp(-sum(value * math.log(value) for value in values))
    assert vendi_score(rows) == pytest.approx(slow, rel=1e-6)
