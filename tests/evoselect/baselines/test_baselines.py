"""Every baseline against its closed form or a brute-force twin on small matrices."""

import itertools
from dataclasses import replace

import numpy as np
import ot
import pytest
import torch

from evoselect.baselines import diverse, dsir, scores, tarot, transport_scores, tsds
from evoselect.baselines.round_robin import round_robin
from evoselect.errors import InvalidInput
from evoselect.pools.pool import Pool
from evoselect.spec.selection import SelectionSpec
from evoselect.task import Method, Task
from tests.evoselect.instances import instance, unit

CASE = instance(200, 12, 16, seed=4)
COSINE = (CASE.candidates.double() @ CASE.targets.double().T).numpy()


def posed(candidates: torch.Tensor, targets: torch.Tensor, k: int, seed: int) -> Task:
    """All targets count alike."""
    return Task(Pool.of(candidates), targets, k, seed, np.full(len(targets), 1.0 / len(targets)))


def task(k: int) -> Task:
    return posed(CASE.candidates, CASE.targets, k, seed=5)


def test_random_is_a_uniform_draw() -> None:
    small = instance(10, 2, 4)
    counts = np.zeros(10)
    for seed in range(2_000):
        counts[scores.random(posed(small.candidates, small.targets, 3, seed)).order] += 1
    assert np.abs(counts - 600).max() < 5 * np.sqrt(600 * 0.7)


def test_everything_is_the_pool_in_order() -> None:
    assert scores.everything(task(200)).order.tolist() == list(range(200))


def test_mean_and_max_cosine_are_the_row_means_and_maxima() -> None:
    assert scores.mean_cosine(task(30)).order.tolist() == np.argsort(-COSINE.mean(axis=1))[:30].tolist()
    assert scores.max_cosine(task(30)).order.tolist() == np.argsort(-COSINE.max(axis=1))[:30].tolist()


def test_less_is_the_best_group_mean() -> None:
    groups = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2, 2, 1, 0])
    by_group = np.stack([COSINE[:, groups == g].mean(axis=1) for g in range(3)], axis=1).max(axis=1)
    found = scores.less(replace(task(40), groups=groups))
    assert found.order.tolist() == np.argsort(-by_group)[:40].tolist()
    assert found.score == pytest.approx(np.sort(-by_group)[:40] * -1, abs=1e-6)


def test_less_without_groups_is_mean_cosine() -> None:
    assert scores.less(task(50)).order.tolist() == scores.mean_cosine(task(50)).order.tolist()


@pytest.mark.parametrize("k", [1, 12, 13, 50, 200])
def test_round_robin_is_dealing_from_the_whole_matrix(k: int) -> None:
    taken: list[int] = []
    for turn in itertools.count():
        if len(taken) == k:
            break
        column = COSINE[:, turn % 12].copy()
        column[taken] = -np.inf
        taken.append(int(column.argmax()))
    assert round_robin(task(k)).order.tolist() == taken


def tsds_slow(
    distance: np.ndarray, index: np.ndarray, density: np.ndarray, n: int, alpha: float, c: float
) -> np.ndarray:
    """Raise the common cap 1/s until the spread is too dear, then fill each target's neighbours."""
    m, width = distance.shape
    share = 1.0 / density[index]
    filled = np.cumsum(share, axis=1)
    cost, last, cap = np.zeros(m), np.zeros(m, dtype=int), 0.0
    for mass, kth, i in sorted((filled[i, kth], kth, i) for i in range(m) for kth in range(width - 1)):
        cap = mass
        cost[i] = distance[i, kth + 1] * mass - (distance[i, : kth + 1] * share[i, : kth + 1]).sum()
        if alpha / c * cost.sum() >= (1 - alpha) * m:
            break
        last[i] = kth
    p = np.zeros(n)
    for i in range(m):
        room = 1.0 / m
        for kth in range(last[i] + 1):
            p[index[i, kth]] += share[i, kth] / (m * cap)
            room -= share[i, kth] / (m * cap)
        p[index[i, last[i] + 1]] += max(room, 0.0)
    return p


@pytest.mark.parametrize("alpha", [0.01, 0.3, 0.6, 0.9])
def test_tsds_probabilities_are_the_literal_loop_and_sum_to_one(alpha: float) -> None:
    distance = np.sqrt(np.maximum(2.0 - 2.0 * np.sort(COSINE.T, axis=1)[:, ::-1][:, :40], 0.0))
    index = np.argsort(-COSINE.T, axis=1)[:, :40]
    density = 1.0 + np.random.default_rng(0).random(200)
    found = tsds.probabilities(distance, index, density, n=200, alpha=alpha, c=5.0)
    assert found == pytest.approx(tsds_slow(distance, index, density, 200, alpha, 5.0), abs=1e-12)
    assert found.sum() == pytest.approx(1.0, abs=1e-12)


def test_tsds_all_weight_on_closeness_is_the_nearest_neighbour() -> None:
    index = np.argsort(-COSINE.T, axis=1)[:, :20]
    distance = np.sqrt(2.0 - 2.0 * np.take_along_axis(COSINE.T, index, axis=1))
    p = tsds.probabilities(distance, index, np.ones(200), n=200, alpha=1.0 - 1e-9, c=5.0)
    assert set(np.flatnonzero(p > 1e-9)) == set(index[:, 0].tolist())


def test_tsds_density_divides_the_share_of_copies() -> None:
    row = CASE.candidates[:1]
    crowd = torch.cat([row.repeat(4, 1), CASE.candidates[50:]])
    density = tsds._density(crowd, np.arange(len(crowd))[None, :], len(crowd))
    alone = tsds._density(torch.cat([row, CASE.candidates[50:]]), np.arange(151)[None, :], 151)
    assert density[0] == pytest.approx(alone[0] + 3.0, abs=1e-4)


@pytest.mark.parametrize("method", [tsds.tsds, tsds.tsds_uniform])
def test_tsds_fills_the_budget_and_says_how(method: Method) -> None:
    found = method(task(150))
    assert len(set(found.order.tolist())) == 150
    positive, topped_up = found.diagnostics["positive_probability"], found.diagnostics["topped_up"]
    assert isinstance(positive, int)
    assert topped_up == max(0, 150 - positive)
    released = method(replace(task(150), spec=SelectionSpec(method="tsds", as_released=True)))
    assert len(set(released.order.tolist())) == 150
    added = released.diagnostics["topped_up"]
    assert isinstance(added, int)
    assert isinstance(topped_up, int)
    assert added >= topped_up


def test_uniform_width_is_the_smallest_that_pays() -> None:
    distance = np.sort(np.random.default_rng(1).random((5, 30)), axis=1)
    for alpha in (0.3, 0.6, 0.9):
        spread = [
            sum(distance[i, kept] - distance[i, place] for i in range(5) for place in range(kept))
            for kept in range(1, 30)
        ]
        paying = [
            kept for kept, value in enumerate(spread, start=1) if alpha / 5.0 * value >= (1 - alpha) * 5
        ]
        assert tsds._uniform_width(distance, alpha, 5.0) == (paying[0] if paying else 30)


def test_whitening_whitens_and_the_released_one_does_not() -> None:
    mixing = np.random.default_rng(0).normal(size=(16, 16))
    candidates, targets = (unit(side.numpy() @ mixing) for side in (CASE.candidates, CASE.targets))

    def condition(as_released: bool) -> float:
        mixed = tarot.whitened(candidates, targets, as_released=as_released)
        return float(torch.linalg.cond(torch.cov(torch.cat(mixed).double().T)))

    assert condition(as_released=False) < 4.0
    assert condition(as_released=True) > 50.0


def test_tarot_takes_whole_layers_then_trims_by_potential() -> None:
    candidates, targets = tarot.whitened(CASE.candidates, CASE.targets, as_released=False)
    cosine = (candidates @ targets.T).double().numpy()
    order = np.argsort(-cosine, axis=0, kind="stable")
    found = tarot.tarot(task(30)).order.tolist()
    first, second = set(order[0].tolist()), set(order[1].tolist())
    assert first <= set(found)
    assert set(found) >= second
    assert len(set(found)) == 30
    grown = set(order[:4].ravel().tolist())
    assert set(found) <= grown


def test_tarot_trims_the_cheapest_and_released_the_dearest() -> None:
    cosine = np.array([[0.9, 0.8], [0.1, 0.2], [0.5, 0.4]])
    assert tarot._trim(cosine, np.array([0, 1, 2]), 1, largest=False) == [0]
    assert tarot._trim(cosine, np.array([0, 1, 2]), 1, largest=True) == [1]


def test_tarot_data_driven_size_is_made_of_positive_layers() -> None:
    rows = tarot.data_driven_size(task(1))
    candidates, targets = tarot.whitened(CASE.candidates, CASE.targets, as_released=False)
    assert 0 < len(rows) < 200
    assert ((candidates @ targets.T).numpy()[rows].max(axis=1) > 0).all()


def test_unbalanced_transport_keeps_the_target_marginal() -> None:
    found = transport_scores.unbalanced_ot(task(200))
    assert found.score.sum() == pytest.approx(1.0, abs=1e-3)
    assert (COSINE.max(axis=1)[found.order[:20]]).mean() > COSINE.max(axis=1).mean()


def test_source_potential_is_the_gradient_of_entropic_transport() -> None:
    cost = 1.0 - COSINE[:15]
    f, converged = transport_scores.source_potential(cost, 0.1)
    assert converged

    def value(weights: np.ndarray) -> float:
        plan, _ = ot.bregman.sinkhorn_log(
            weights, np.full(12, 1 / 12), cost, 0.1, numItermax=5_000, stopThr=1e-12, log=True
        )
        return float((plan * cost).sum() + 0.1 * (plan * np.log(plan)).sum())

    for i, j in [(0, 1), (3, 9), (14, 2)]:
        move = np.zeros(15)
        move[i], move[j] = 1e-4, -1e-4
        slope = (value(np.full(15, 1 / 15) + move) - value(np.full(15, 1 / 15) - move)) / 2e-4
        assert f[i] - f[j] == pytest.approx(slope, abs=1e-4)


def test_gotd_score_is_minus_the_potential_against_the_others() -> None:
    f = np.array([0.1, 0.4, -0.2])
    expected = [-(0.1 - 0.1), -(0.4 + 0.05), -(-0.2 - 0.25)]
    assert transport_scores.got_scores(f) == pytest.approx(expected)


def test_diversity_levels_the_clusters() -> None:
    centres = np.eye(4)[np.repeat([0, 1, 2, 3], [70, 20, 6, 4])]
    rows = unit(centres + 0.01 * np.random.default_rng(0).normal(size=centres.shape))
    label = np.repeat([0, 1, 2, 3], [70, 20, 6, 4])
    tall = posed(rows, rows[:2], 16, seed=1)
    taken = np.bincount(label[diverse.diversity(tall).order], minlength=4)
    assert taken.sum() == 16
    assert taken[0] <= 8
    assert taken[1:].min() >= 1


def test_attribution_diversity_never_takes_the_least_relevant_quarter() -> None:
    dropped = set(np.argsort(COSINE.mean(axis=1))[:50].tolist())
    assert not dropped & set(diverse.attribution_diversity(task(100)).order.tolist())
    assert len(set(diverse.attribution_diversity(task(190)).order.tolist())) == 190


def test_facility_location_is_the_plain_greedy() -> None:
    similarity = (CASE.candidates @ CASE.candidates.T).double().numpy()
    covered = np.full(200, -1.0)
    greedy: list[int] = []
    for _ in range(12):
        gain = np.maximum(similarity - covered, 0.0).sum(axis=1)
        gain[greedy] = -np.inf
        greedy.append(int(gain.argmax()))
        covered = np.maximum(covered, similarity[greedy[-1]])
    assert diverse.facility_location(task(12)).order.tolist() == greedy


def test_dsir_prefers_texts_that_read_like_the_targets() -> None:
    texts = ["the cell divides", "stock prices fell", "the cell wall", "prices of stock"]
    weight = dsir.importance(texts, ["a cell", "the cell wall divides"])
    assert set(np.argsort(-weight)[:2].tolist()) == {0, 2}
    ratio = dsir._log_frequency([dsir.hashed_ngrams(t) for t in ["a cell", "the cell wall divides"]])
    pool = dsir._log_frequency([dsir.hashed_ngrams(t) for t in texts])
    assert weight[1] == pytest.approx(sum((ratio - pool)[b] for b in dsir.hashed_ngrams(texts[1])))


def test_methods_that_cannot_hold_the_matrix_refuse() -> None:
    wide = posed(torch.zeros(10_000, 1), torch.zeros(10_000, 1), 5, 0)
    for method in (tarot.tarot, transport_scores.gotd, transport_scores.unbalanced_ot):
        with pytest.raises(InvalidInput, match="10000 x 10000"):
            method(wide)
