"""The health of a round against what can be worked out by hand, and by definition."""

import numpy as np
import pytest
import torch
from torch import Tensor

from evoselect.errors import InvalidInput
from evoselect.measures.health import ROWS, length_ratio, opening_share, separation, spread
from evoselect.transport import transport_distance


def unit(n: int, d: int = 16, seed: int = 0) -> Tensor:
    rows = torch.randn(n, d, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(rows, dim=1)


def test_rows_like_the_targets_are_as_diverse_and_lie_upon_them() -> None:
    targets = unit(12)
    found = spread(targets.flip(0), targets, seed=0)
    assert found.diversity == pytest.approx(1.0)
    assert found.distance == pytest.approx(0.0, abs=1e-6)
    eigenvalues = np.linalg.eigvalsh((targets @ targets.T).double().numpy() / 12)
    entropy = -(eigenvalues[eigenvalues > 1e-12] * np.log(eigenvalues[eigenvalues > 1e-12])).sum()
    assert found.vendi == pytest.approx(np.exp(entropy), rel=1e-4)


def test_one_row_again_and_again_has_diversity_one_over_the_targets() -> None:
    targets = torch.eye(8)
    found = spread(targets[:1].repeat(50, 1), targets, seed=0)
    assert found.vendi == pytest.approx(1.0)
    assert found.diversity == pytest.approx(1 / 8)
    assert found.distance == pytest.approx(7 / 8)  # an eighth of the mass is at its place


def test_the_ratio_takes_as_many_rows_of_each_side() -> None:
    """Orthogonal rows are as diverse as orthogonal targets, however many more they are."""
    rows = torch.eye(40)
    assert spread(rows, torch.eye(40)[:5], seed=0).diversity == pytest.approx(1.0)
    assert spread(rows[:5], torch.eye(40), seed=0).diversity == pytest.approx(1.0)


def test_large_sides_are_drawn_from_by_the_seed() -> None:
    rows, targets = unit(3 * ROWS), unit(2 * ROWS, seed=1)
    first, again, other = (spread(rows, targets, seed=seed) for seed in (3, 3, 4))
    assert first == again != other
    assert first.distance == pytest.approx(transport_distance(rows, targets), abs=0.1)
    assert first.diversity == pytest.approx(1.0, abs=0.05)


def test_half_precision_rows_are_read_as_they_are() -> None:
    rows, targets = unit(20), unit(6, seed=1)
    assert spread(rows.half(), targets, 0).distance == pytest.approx(
        spread(rows, targets, 0).distance, abs=2e-3
    )


def test_lengths_and_openings() -> None:
    assert length_ratio([4, 6, 100], [2, 2, 8]) == 3.0
    assert length_ratio([4], [0, 0]) is None
    assert opening_share(["What is the sum?", "What is  the rest?", "Why", ""]) == 0.5
    assert opening_share(["a"]) == 1.0


def test_separation_is_the_share_of_pairs_in_the_right_order() -> None:
    right, wrong = [0.9, 0.5, 0.4], [0.5, 0.1]
    pairs = [1.0 if a > b else 0.5 if a == b else 0.0 for a in right for b in wrong]
    assert separation(right, wrong) == pytest.approx(sum(pairs) / 6)
    assert separation([1.0], [0.0]) == 1.0
    assert separation([0.5], [0.5]) == 0.5
    assert separation([], [0.5]) is None


def test_a_side_without_rows_is_refused() -> None:
    with pytest.raises(InvalidInput, match="0 rows and 3 targets"):
        spread(torch.empty(0, 4), unit(3, 4), seed=0)
    with pytest.raises(InvalidInput, match="one has none"):
        length_ratio([], [1])
    with pytest.raises(InvalidInput, match="there are none"):
        opening_share([])
