"""The cheap look against a plain one that holds everything, and the recall that it has."""

import numpy as np
import pytest

from evoselect import funnel
from evoselect.arrays import Floats
from evoselect.baselines.dsir import BUCKETS, hashed_ngrams

WORDS = np.array(
    [
        "red",
        "blue",
        "green",
        "round",
        "square",
        "small",
        "large",
        "cat",
        "dog",
        "bird",
        "sings",
        "runs",
        "sleeps",
    ]
)


def texts(count: int, seed: int) -> list[str]:
    draw = np.random.default_rng(seed)
    return [" ".join(draw.choice(WORDS, draw.integers(1, 9))) for _ in range(count)]


def plain(pool: list[str], targets: list[str]) -> Floats:
    """(N, M) cosines of centred rows, all of them at once."""

    def rows(some: list[str]) -> Floats:
        found = np.zeros((len(some), BUCKETS))
        for row, text in enumerate(some):
            np.add.at(found[row], hashed_ngrams(text), 1)
        logs = np.log1p(found)
        return np.asarray(logs / np.linalg.norm(logs, axis=1, keepdims=True))

    mean = rows(pool).mean(axis=0)
    sides = [rows(some) - mean for some in (pool, targets)]
    unit = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in sides]
    return np.asarray(unit[0] @ unit[1].T)


def looked(pool: list[str], targets: list[str], step: int, listed: int) -> funnel.Near:
    groups = [pool[start : start + step] for start in range(0, len(pool), step)]
    mean = funnel.mean_of(map(funnel.counted, groups))
    near = funnel.Near(funnel.counted(targets), mean, listed)
    for group in groups:
        near.add(funnel.counted(group))
    return near


@pytest.mark.parametrize("step", [7, 64, 500])
def test_groups_of_candidates_give_what_all_at_once_give(step: int) -> None:
    pool, targets = [f"{text} {row}" for row, text in enumerate(texts(300, 0))], texts(9, 1)
    cosines = plain(pool, targets)
    near = looked(pool, targets, step, listed=40)
    for wanted in (1, 9, 40):
        found = near.nearest(np.zeros(300, dtype=np.int64), np.array([wanted]))
        assert found.tolist() == sorted(funnel.in_turn(cosines, wanted).tolist())


def test_each_group_has_its_own_and_what_no_list_holds_comes_last() -> None:
    pool, targets = [f"{text} {row}" for row, text in enumerate(texts(120, 2))], texts(3, 3)
    group = np.arange(120) % 3
    near = looked(pool, targets, 50, listed=2)
    assert np.bincount(group[near.nearest(group, np.array([5, 0, 40]))]).tolist() == [5, 0, 40]
    assert near.nearest(group, np.array([40, 40, 40])).tolist() == list(range(120))
    rest = near.nearest(np.zeros(120, dtype=np.int64), np.array([30]))
    listed = {*near.nearest(np.zeros(120, dtype=np.int64), np.array([3])).tolist()}
    assert listed < {*rest.tolist()}


def test_recall_counts_the_best_rows_that_went_through() -> None:
    cosines = np.array([[0.9, 0.0], [0.1, 0.8], [0.2, 0.2], [0.0, 0.1]] + [[-0.5, -0.5]] * 36)
    near = np.zeros(40, dtype=bool)
    near[0] = True
    found = funnel.recall(cosines, near, 0.2)
    assert (found.share, found.best) == (0.5, 2)
    assert found.interval == pytest.approx((0.0126, 0.9874), abs=1e-4)
    near[:] = True
    assert funnel.recall(cosines, near, 0.2).interval[1] == 1.0
    assert funnel.recall(cosines, ~near, 0.2).interval[0] == 0.0


def test_a_sample_is_drawn_by_its_seed_and_never_exceeds_the_pool() -> None:
    assert len(funnel.drawn(50, 0)) == 50
    assert len(funnel.drawn(10_000, 0)) == 500
    assert len(funnel.drawn(10_000_000, 0)) == 2_000
    assert funnel.drawn(5_000, 3).tolist() == funnel.drawn(5_000, 3).tolist()
    assert funnel.drawn(5_000, 3).tolist() != funnel.drawn(5_000, 4).tolist()
