"""Methods that spread over the pool, against their definitions."""

import numpy as np

from evoselect.baselines import diverse
from tests.evoselect.baselines.tasks import CASE, COSINE, posed, task
from tests.evoselect.instances import unit


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
