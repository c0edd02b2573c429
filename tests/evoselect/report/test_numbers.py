"""The numbers of a report against brute force."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from evoselect.neighbours import matrix
from evoselect.neighbours.both_ways import nearest_both_ways
from evoselect.report import plane, similarity
from evoselect.report.neighbourhoods import labels, neighbourhoods
from evoselect.report.numbers import numbers
from evoselect.select import select
from evoselect.spec.selection import SelectionSpec


def rows(count: int, d: int, seed: int) -> Tensor:
    return normalize(torch.randn(count, d, generator=torch.Generator().manual_seed(seed)), dim=1)


@pytest.mark.parametrize(("n", "d"), [(40, 12), (12, 40), (5, 1), (1, 3)])
def test_the_plane_is_that_of_the_singular_value_decomposition(n: int, d: int) -> None:
    features = rows(n, d, 0)
    fitted = plane.fit(features)
    centred = (features - features.mean(dim=0)).double()
    scale = torch.linalg.svdvals(centred)
    shares = (scale**2 / (scale**2).sum().clamp_min(1e-30)).tolist()[:2]
    assert plane.shares(fitted, features) == pytest.approx([*shares, 0.0][:2], abs=1e-6)
    points = fitted.of(features)
    spread = np.sqrt((points**2).sum(axis=0))
    assert spread == pytest.approx([*scale.tolist(), 0.0][:2], abs=1e-5)


def slow_trustworthiness(features: Tensor, points: np.ndarray, t: int) -> float:
    """Venna and Kaski's definition, word by word."""
    n, penalty = len(points), 0
    for i in range(n):
        far = np.argsort(((features - features[i]) ** 2).sum(dim=1).numpy(), kind="stable")
        near = np.argsort(((points - points[i]) ** 2).sum(axis=1), kind="stable")
        rank = {int(j): place for place, j in enumerate(j for j in far if j != i)}
        shown = [int(j) for j in near if j != i][:t]
        penalty += sum(rank[j] + 1 - t for j in shown if rank[j] + 1 > t)
    return 1.0 - 2.0 * penalty / (n * t * (2 * n - 3 * t - 1))


def test_trustworthiness_is_that_of_its_definition() -> None:
    features = rows(60, 8, 1).double()
    points = plane.fit(features).of(features)
    found = plane.trustworthiness(features, points, 5)
    assert found == pytest.approx(slow_trustworthiness(features, points, 5), abs=1e-12)
    flat = rows(60, 2, 2).double()
    assert plane.trustworthiness(flat, flat.numpy()) == pytest.approx(1.0)
    assert plane.trustworthiness(features[:20], points[:20]) is None


def test_nearest_both_ways_in_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    candidates, targets = rows(50, 6, 3), rows(23, 6, 4)
    whole = (candidates @ targets.T).double()
    for tile in (7, 4_096):
        monkeypatch.setattr(matrix, "TILE", tile)
        found = nearest_both_ways(candidates, targets)
        assert found.cosine == pytest.approx(whole.amax(dim=1).numpy(), abs=1e-6)
        assert found.target.tolist() == whole.argmax(dim=1).tolist()
        assert found.best == pytest.approx(whole.amax(dim=0).numpy(), abs=1e-6)


def test_twins_and_pairs_by_brute_force() -> None:
    pool = rows(40, 5, 5)
    pool[7] = pool[3]
    order = np.array([3, 9, 7, 20, 1])
    cosine = (pool[order] @ pool[order].T).double()
    cosine.fill_diagonal_(-2.0)
    found = similarity.nearest_twins(pool, order, np.arange(5))
    assert found == pytest.approx(cosine.amax(dim=1).numpy(), abs=1e-6)
    twin = order[cosine.argmax(dim=1).numpy()]
    pairs = similarity.near_duplicates(pool, order, twin)
    assert (pairs[0].first, pairs[0].second) == (0, 2)
    assert pairs[0].cosine == pytest.approx(1.0)
    assert similarity.nearest_twins(pool, order[:1], np.arange(1)).size == 0


def test_a_plane_that_is_used_again_gives_the_same_axes() -> None:
    candidates, targets = rows(200, 8, 6), rows(10, 8, 7)
    chosen = [select(candidates[:at], targets, 20, SelectionSpec(), seed=0) for at in (200, 150)]
    near = [nearest_both_ways(candidates[:at], targets) for at in (200, 150)]
    _, first = numbers(candidates, targets, chosen[0], near=near[0], seed=0)
    found, second = numbers(candidates[:150], targets, chosen[1], near=near[1], seed=0, axes=first.plane)
    assert second.points[-20:] == pytest.approx(first.plane.of(candidates[chosen[1].indices]), abs=1e-6)
    own, _ = numbers(candidates[:150], targets, chosen[1], near=near[1], seed=0)
    held, most = (sum(part["map"]["explained_variance"]) for part in (found, own))
    assert 0 < held < most  # axes of other rows hold less than the rows' own


def test_all_numbers_of_one_selection() -> None:
    candidates, targets = rows(200, 8, 6), rows(10, 8, 7)
    chosen = select(candidates, targets, 30, SelectionSpec(), seed=0)
    near = nearest_both_ways(candidates, targets)
    found, picture = numbers(candidates, targets, chosen, near=near, seed=0)
    assert picture.points.shape == (210, 2)
    assert sum(found["relevance"]["pool"]) == 200
    assert sum(found["relevance"]["selected"]) == sum(found["twins"]["selected"]) == 30
    best = (targets @ candidates[chosen.indices].T).amax(dim=1).double()
    assert found["coverage"]["selected"][-1] == pytest.approx(float(best.mean()), abs=1e-6)
    assert found["coverage"]["rows"][-1] == 30
    listed = found["targets"]["listed"]
    assert [row["best_selected"] for row in listed] == pytest.approx(sorted(best.tolist()), abs=1e-6)
    assert sum(row["mass"] for row in listed) == pytest.approx(1.0)
    cost = sum(row["mass"] * (1.0 - row["mean_cosine"]) for row in listed)
    assert cost == pytest.approx(float(str(chosen.diagnostics["transport"])), abs=1e-5)
    for place, ids in enumerate(picture.neighbours):
        assert place not in ids


@pytest.mark.parametrize(("n", "m", "k"), [(1, 1, 1), (2, 1, 1), (3, 2, 3)])
def test_the_smallest_selections_have_a_report(n: int, m: int, k: int) -> None:
    candidates, targets = rows(n, 4, 8), rows(m, 4, 9)
    chosen = select(candidates, targets, k, SelectionSpec(tradeoff=True), seed=0)
    found, picture = numbers(candidates, targets, chosen, near=nearest_both_ways(candidates, targets), seed=0)
    assert picture.points.shape == (n + m, 2)
    assert found["coverage"]["rows"][-1] == k


def test_neighbours_stay_together_in_the_picture_of_neighbourhoods() -> None:
    centres = rows(4, 16, 10)
    which = torch.arange(120) % 4
    features = normalize(centres[which] + 0.1 * rows(120, 16, 11), dim=1)
    points = plane.fit(features).of(features)
    drawn = np.arange(0, 120, 2)  # of two of the centres
    found = neighbourhoods(features, points, drawn, seed=1)
    again = neighbourhoods(features, points, drawn, seed=1)
    assert found is not None
    assert again is not None
    assert found.points.tolist() == again.points.tolist()
    own = plane.trustworthiness(features[::2], found.points)
    assert found.trustworthiness == pytest.approx(own)
    assert own is not None
    assert own > 0.9
    mixed = found.points[np.random.default_rng(0).permutation(60)]
    assert own > (plane.trustworthiness(features[::2], mixed) or 1.0)
    for number in range(int(found.cluster.max()) + 1):
        assert len(set(which[torch.from_numpy(found.cluster == number)][::2].tolist())) <= 2
    assert neighbourhoods(features, points, drawn[:20], seed=1) is None
    equal = neighbourhoods(features[:1].repeat(30, 1), np.zeros((30, 2)), np.arange(30), seed=1)
    assert equal is not None
    assert np.isfinite(equal.points).all()
    assert equal.cluster.tolist() == [0] * 30


def test_a_cluster_goes_by_the_words_that_set_it_apart() -> None:
    texts = ["the red apple", "the red pear", "the blue sea", "the blue sky", "a whale"]
    assert labels(texts, np.array([0, 0, 1, 1, 2])) == ["red", "blue", ""]
    assert labels([], np.array([], dtype=np.int64)) == []
