"""What is done to every row of a pool without a copy of a copy, against the same done plainly."""

from collections import Counter

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evoselect.budget import Budget
from evoselect.measures.metrics import bought
from evoselect.neighbours.both_ways import nearest_both_ways
from evoselect.pools.part import Rows
from evoselect.pools.pool import Pool
from evoselect.report.numbers import BINS, _histograms
from evoselect.task import top
from evoselect.usable import distinct_rows, repeated
from tests.evoselect.instances import unit

FEW = st.lists(st.integers(0, 9), min_size=1, max_size=40)


def drawn(n: int, d: int, seed: int) -> torch.Tensor:
    """(n, d) unit rows."""
    return unit(np.random.default_rng(seed).normal(size=(n, d)))


def ordered(score: np.ndarray) -> list[int]:
    """Rows, largest first, ties by index."""
    return sorted(range(len(score)), key=lambda row: (-score[row], row))


@settings(deadline=None)
@given(FEW, st.integers(0, 45))
def test_the_largest_are_those_of_the_whole_order(values: list[int], k: int) -> None:
    score = np.array(values, dtype=np.float64)
    assert top(score, k).tolist() == ordered(score)[:k]


@settings(deadline=None)
@given(FEW, st.data())
def test_a_budget_buys_what_it_buys_of_the_whole_order(values: list[int], data: st.DataObject) -> None:
    score, n = np.array(values, dtype=np.float64), len(values)
    pinned = data.draw(st.lists(st.integers(0, n - 1), unique=True, max_size=n))
    total = data.draw(st.integers(max(1, len(pinned)), n))
    tokens = np.array(data.draw(st.lists(st.integers(1, 9), min_size=n, max_size=n)))
    for budget in (Budget.of_rows(n, total, pinned), Budget.of_tokens(tokens, int(tokens.sum()), pinned)):
        assert bought(budget, score).tolist() == budget.fill(np.array(ordered(score))).tolist()


@settings(deadline=None)
@given(FEW)
def test_what_is_repeated_is_there_more_than_once(values: list[int]) -> None:
    counts = Counter(values)
    assert repeated(np.array(values)).tolist() == [counts[value] > 1 for value in values]


@settings(deadline=None)
@given(FEW, st.integers(1, 3))
def test_distinct_rows_are_the_first_of_their_kind(values: list[int], keys: int) -> None:
    pool = Pool((Rows(drawn(10, 8, seed=0)[torch.tensor(values)]),))
    first = {value: row for row, value in reversed(list(enumerate(values)))}
    assert distinct_rows(pool, np.array(values) % keys).tolist() == sorted(first.values())


def test_answers_of_parts_are_those_of_the_whole() -> None:
    rows, targets = drawn(500, 16, seed=1), drawn(7, 16, seed=2)
    pool = Pool.in_shards([Rows(rows[:100]), Rows(rows[100:101]), Rows(rows[101:])])
    one, g = Pool.of(rows), np.zeros(7)
    assert pool.keys().tolist() == one.keys().tolist()
    assert pool.scores(targets[0]).tobytes() == one.scores(targets[0]).tobytes()
    assert pool.cheapest(targets, g).tobytes() == one.cheapest(targets, g).tobytes()


def test_histograms_are_those_of_all_numbers_at_once_in_double_precision() -> None:
    near = nearest_both_ways(drawn(500, 16, seed=1), drawn(7, 16, seed=2)).cosine
    columns = {"pool": near, "selected": near[::9], "none": near[:0]}
    found = _histograms(columns)
    wide = {name: values.astype(np.float64) for name, values in columns.items()}
    edges = np.histogram_bin_edges(np.concatenate(list(wide.values())), BINS)
    assert found["edges"] == edges.tolist()
    for name, values in wide.items():
        assert found[name] == np.histogram(values, edges)[0].tolist()
    assert _histograms({"none": near[:0]}) == {"edges": [], "none": []}
