"""A pool in shards answers and selects as one does, to the last bit."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor

from evoselect.arrays import Ints
from evoselect.budget import Budget
from evoselect.capacity import foreseen, shortlist
from evoselect.errors import InvalidInput
from evoselect.pools import asked as asked_file
from evoselect.pools.kept import Kept
from evoselect.pools.left import Questions, from_tensors, leave, to_tensors
from evoselect.pools.part import Rows
from evoselect.pools.pool import Pool
from evoselect.report import numbers
from evoselect.select import select
from evoselect.selection import Selection
from evoselect.spec.selection import SelectionSpec
from evoselect.usable import usable_rows
from tests.evoselect.instances import instance

CASE = instance(2_003, 25, 24, seed=11)
LARGE = instance(18_011, 60, 32, seed=12)
SEED = 3
UNEVEN = (0, 1, 2, 4_000, 4_001, 9_000, 9_064, 18_011)  # some shards are shorter than any list


def cut(rows: Tensor, bounds: Sequence[int]) -> Pool:
    return Pool.in_shards([Rows(rows[a:b]) for a, b in itertools.pairwise(bounds)])


def kept(rows: Tensor, bounds: Sequence[int], targets: Tensor, k: int) -> Pool:
    """Shards of which only what they left is there, in two rounds: copies and sample, then lists."""
    shards = [Rows(rows[a:b]) for a, b in itertools.pairwise(bounds)]
    sample = foreseen.sample(len(rows), len(targets), k)

    def answered(questions: Questions, every: Ints) -> Pool:
        own = [every[(every >= a) & (every < b)] - a for a, b in itertools.pairwise(bounds)]
        left = [leave(part, questions, rows_of) for part, rows_of in zip(shards, own, strict=True)]
        left = [from_tensors(load(save(to_tensors(answers)))) for answers in left]
        pairs = zip(left, shards, strict=True)
        return Pool.in_shards([Kept.of(one, questions, partial(replace, shard)) for one, shard in pairs])

    budget, masses = Budget.of_rows(len(rows), k), np.full(len(targets), 1.0 / len(targets))
    first = answered(Questions(), sample)
    usable = usable_rows(first, budget)
    wanted = foreseen.questions(first.among(usable), targets, masses, budget.among(usable))
    assert asked(first) == 0
    written = asked_file.from_tensors(load(save(asked_file.to_tensors(wanted))))
    return answered(written, np.union1d(sample, numbers.foreseen(len(rows), usable, budget, SEED)))


def asked(pool: Pool) -> int:
    return sum(part.store.asked for part in pool.parts if isinstance(part, Kept))


def chosen(rows: Tensor | Pool, k: int) -> Selection:
    return select(rows, LARGE.targets, k, SelectionSpec(), seed=SEED, compare_with_baselines=False)


def even(count: int, n: int) -> list[int]:
    return [int(at) for at in np.linspace(0, n, count + 1)]


def assert_same(one: Selection, other: Selection) -> None:
    """Not nearly: bit by bit."""
    assert one.indices.tolist() == other.indices.tolist()
    assert one.weights.tobytes() == other.weights.tobytes()
    assert one.reasons.score.tobytes() == other.reasons.score.tobytes()
    assert one.reasons.redundancy.tobytes() == other.reasons.redundancy.tobytes()
    assert one.served.cost.tobytes() == other.served.cost.tobytes()
    assert one.diagnostics == other.diagnostics


@pytest.mark.parametrize("count", [1, 70, 400, 2_003])
def test_the_lists_of_shards_merge_to_those_of_the_whole(count: int) -> None:
    whole = CASE.pool.nearest(CASE.targets, count)
    for bounds in (even(2, 2_003), even(7, 2_003), [0, 3, 1_999, 2_000, 2_003]):
        cosine, rows = cut(CASE.candidates, bounds).nearest(CASE.targets, count)
        assert cosine.tobytes() == whole[0].tobytes()
        assert rows.tolist() == whole[1].tolist()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_one_two_and_seven_shards_select_the_same(dtype: torch.dtype) -> None:
    rows = LARGE.candidates.to(dtype)
    one = chosen(rows, 900)
    assert one.diagnostics["certified"]
    for bounds in (even(2, 18_011), even(7, 18_011), UNEVEN):
        assert_same(chosen(cut(rows, bounds), 900), one)


def test_shards_select_the_same_where_scalings_stand_for_the_programme(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shortlist, "EXACT_NODES", 10)
    one = chosen(LARGE.candidates, 900)
    assert not one.diagnostics["transport_exact"]
    for pool in (cut(LARGE.candidates, UNEVEN), kept(LARGE.candidates, even(7, 18_011), LARGE.targets, 900)):
        assert_same(chosen(pool, 900), one)


def test_what_shards_left_selects_as_their_features_do() -> None:
    rows = LARGE.candidates.half()
    rows[17_000:17_100] = rows[5_000:5_100]
    one = chosen(rows, 900)
    assert one.diagnostics["shortlist_widenings"] == 1  # from what is listed beyond the prices
    assert one.diagnostics["equal_features_collapsed"] == 100
    for bounds in (even(1, 18_011), even(7, 18_011)):
        pool = kept(rows, bounds, LARGE.targets, 900)
        assert_same(chosen(pool, 900), one)
        assert asked(pool) <= 1  # rows of a list that is longer than was foreseen


def test_longer_lists_of_some_targets_are_known_from_what_shards_left() -> None:
    """However the pool is ordered; what is not reached is asked of the shards that could have it alone."""
    nearest_first = torch.argsort((LARGE.candidates @ LARGE.targets[7]), descending=True)
    for rows in (LARGE.candidates.half(), LARGE.candidates[nearest_first].half()):
        pool = kept(rows, even(7, 18_011), LARGE.targets, 900)
        some, whole = LARGE.targets[[40, 7, 11]], Pool.of(rows)
        for count, again in ((64, 0), (150, 0), (4_000, 7)):
            found, wanted = pool.nearest(some, count), whole.nearest(some, count)
            assert found[1].tolist() == wanted[1].tolist()
            assert found[0].tobytes() == wanted[0].tobytes()
            assert asked(pool) == again
        assert pool.nearest(LARGE.targets[:1] * 0.5, 9)[1].shape == (1, 9)
        assert asked(pool) == 14


def test_equal_targets_have_a_list_each() -> None:
    targets = torch.cat([LARGE.targets, LARGE.targets[3:4]])
    pool = kept(LARGE.candidates, even(7, 18_011), targets, 900)
    found = pool.nearest(targets[[3, 60]], 64)[1]
    assert found[0].tolist() == found[1].tolist()
    assert found[0].tolist() == Pool.of(LARGE.candidates).nearest(targets[3:4], 64)[1][0].tolist()
    assert asked(pool) == 0


def test_comparison_and_report_read_what_shards_left() -> None:
    rows, targets = LARGE.candidates.half(), LARGE.targets
    results = []
    for pool in (Pool.of(rows), kept(rows, even(7, 18_011), targets, 900)):
        found = select(pool, targets, 900, SelectionSpec(), seed=SEED)
        told, picture = numbers.numbers(pool, targets, found, near=pool.near(targets), seed=SEED)
        results.append((found.diagnostics["metrics"], told, picture.points.tobytes()))
        assert asked(pool) == 0
    assert results[0] == results[1]


def test_a_shard_is_asked_again_for_what_was_not_foreseen_and_for_its_rows_once() -> None:
    shard, goal = Rows(CASE.candidates[:900]), CASE.targets
    questions = Questions(((goal, 20),), None, (goal[0],))
    part = Kept.of(leave(shard, questions, np.arange(0, 900, 100)), questions, lambda: shard)
    few = part.among(np.arange(5, 900, 9))
    assert (part.scores(goal[0]) == shard.scores(goal[0])).all()
    assert Pool((part,)).nearest(goal, 20)[1].tolist() == shard.nearest(goal, 20)[1].tolist()
    assert part.store.asked == 0
    prices = np.full(25, 0.4)
    assert part.cheapest(goal, prices).tobytes() == shard.cheapest(goal, prices).tobytes()
    assert (
        few.nearest(goal, 20)[1].tolist() == shard.among(np.arange(5, 900, 9)).nearest(goal, 20)[1].tolist()
    )
    assert part.store.asked == 2
    for _ in range(2):
        assert torch.equal(part.gather(np.array([850, 3, 851])), CASE.candidates[[850, 3, 851]])
    assert part.store.asked == 3


def test_what_was_left_damaged_is_refused() -> None:
    shard = Rows(CASE.candidates[:50])
    named = to_tensors(leave(shard, Questions(), np.arange(50)))
    named["values"][7, 0] = torch.nan
    damaged = Kept.of(from_tensors(named), Questions(), lambda: shard)
    with pytest.raises(InvalidInput, match="a shard from row 120 on left rows that are not finite"):
        damaged.check(120)
    del named["hashes"]
    with pytest.raises(KeyError, match="hashes"):
        from_tensors(named)


def test_groups_pinned_rows_and_tokens_select_the_same() -> None:
    tokens = np.random.default_rng(0).integers(5, 400, 2_003)
    budget = Budget.of_tokens(tokens, 9_000, (1_999, 3))
    spec, groups = SelectionSpec(group_mode="max"), ["a"] * 20 + ["b"] * 5
    one, seven = (
        select(pool, CASE.targets, budget, spec, seed=1, groups=groups)
        for pool in (CASE.candidates, cut(CASE.candidates, even(7, 2_003)))
    )
    assert_same(one, seven)


def test_copies_in_different_shards_count_once() -> None:
    rows = CASE.candidates.clone()
    rows[1_500:1_700] = rows[100:300]
    rows[2_000] = rows[1_999]
    one = select(rows, CASE.targets, 150, SelectionSpec(), seed=0)
    assert one.diagnostics["equal_features_collapsed"] == 201
    for bounds in (even(7, 2_003), [0, 2_000, 2_003]):
        assert_same(select(cut(rows, bounds), CASE.targets, 150, SelectionSpec(), seed=0), one)


def test_equal_distances_go_to_the_first_row_however_the_pool_is_cut() -> None:
    """Rows that differ in nothing a target sees: more of them than a search finds beyond those asked for."""
    rows = torch.zeros(9_000, 3)
    angle = torch.arange(9_000) * 1e-3
    rows[:, 0], rows[:, 1], rows[:, 2] = 0.6, 0.8 * angle.cos(), 0.8 * angle.sin()
    target = torch.tensor([[1.0, 0.0, 0.0]])
    for bounds in ([0, 9_000], [0, 10, 5_000, 9_000]):
        cosine, found = cut(rows, bounds).nearest(target, 100)
        assert found[0].tolist() == list(range(100))
        assert np.unique(cosine).tolist() == [float(np.float32(0.6))]


def test_bad_rows_and_shards_that_do_not_fit_are_refused() -> None:
    rows = CASE.candidates.clone()
    rows[1_234, 5] = torch.nan
    with pytest.raises(InvalidInput, match="candidates row 1234 has norm nan"):
        select(cut(rows, even(7, 2_003)), CASE.targets, 10, SelectionSpec(), seed=0)
    with pytest.raises(InvalidInput, match="none of the 2 shards has a usable row"):
        Pool.in_shards([Rows(rows[:0]), Rows(rows[:0])])
    with pytest.raises(InvalidInput, match=r"rows of \[20, 24\] numbers"):
        Pool.in_shards([Rows(rows), Rows(rows[:, :20])])
    with pytest.raises(InvalidInput, match=r"outside 1\.\.2003"):
        select(cut(CASE.candidates, even(7, 2_003)), CASE.targets, 2_004, SelectionSpec(), seed=0)
    with pytest.raises(InvalidInput, match="they lie in 7 shards: use method capacity"):
        select(cut(CASE.candidates, even(7, 2_003)), CASE.targets, 9, SelectionSpec(method="tsds"), seed=0)


def test_empty_shards_are_left_out() -> None:
    pool = cut(CASE.candidates, [0, 0, 900, 900, 2_003, 2_003])
    assert pool.starts.tolist() == [0, 900, 2_003]
    one = select(CASE.candidates, CASE.targets, 2_003, SelectionSpec(), seed=0)
    assert_same(select(pool, CASE.targets, 2_003, SelectionSpec(), seed=0), one)


def test_memory_mapped_half_precision_selects_as_the_array_does(tmp_path: Path) -> None:
    half = CASE.candidates.half().numpy()
    np.save(tmp_path / "features.npy", half)
    mapped = np.load(tmp_path / "features.npy", mmap_mode="c")
    spec = SelectionSpec()
    first = select(torch.from_numpy(mapped), CASE.targets, 100, spec, seed=0)
    second = select(torch.from_numpy(half.copy()), CASE.targets, 100, spec, seed=0)
    assert first.indices.tolist() == second.indices.tolist()
