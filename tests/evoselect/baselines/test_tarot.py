"""TAROT: whitening, layers of nearest candidates, and what is trimmed."""

import numpy as np
import torch

from evoselect.baselines import tarot
from tests.evoselect.baselines.tasks import CASE, task
from tests.evoselect.instances import unit


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
