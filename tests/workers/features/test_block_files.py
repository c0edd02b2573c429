"""Feature blocks as files: the same features are the same bytes, and only alike ones are joined."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from evoselect.errors import InvalidInput
from tests.chaos.disks import small_disk
from tests.workers.proxy import record
from workers.features.block import FeatureBlock
from workers.features.block_files import from_bytes, in_original_order, join, side_by_side, to_bytes
from workers.features.file_rows import scratch_rows
from workers.features.known import Known, at_every_checkpoint
from workers.features.ordering import by_length
from workers.features.statuses import Statuses


def block(sketch: str = "s") -> FeatureBlock:
    return FeatureBlock(
        values=np.array([[[0.5, -0.5]], [[0.0, 0.0]]], dtype=np.float32),
        norms=np.array([[2.0], [0.0]], dtype=np.float32),
        nll=np.array([1.25, np.nan], dtype=np.float32),
        tokens=np.array([7, 9], dtype=np.int32),
        status=["ok", "too_long"],
        sketch=sketch,
        stats={"seconds_extract": 1.0},
    )


def test_a_block_comes_back_as_it_was() -> None:
    found = from_bytes(to_bytes(block()))
    assert (found.status, found.sketch, found.stats) == (["ok", "too_long"], "s", {})
    for name in ("values", "norms", "nll", "tokens"):
        np.testing.assert_array_equal(getattr(found, name), getattr(block(), name))


def test_hidden_states_go_with_their_rows() -> None:
    combined = block()
    combined.hidden = np.array([[0.5, 0.25, 0.0], [0.0, 0.0, 0.0]], dtype=np.float32)
    found = join([from_bytes(to_bytes(combined)), combined])
    assert found.hidden is not None
    np.testing.assert_array_equal(found.hidden, [*combined.hidden, *combined.hidden])
    turned = in_original_order(found, [3, 1, 2, 0]).hidden
    assert turned is not None
    np.testing.assert_array_equal(turned[3], combined.hidden[0])
    assert len({to_bytes(combined) for _ in range(50)}) == 1


def test_equal_features_are_equal_bytes() -> None:
    assert len({to_bytes(block()) for _ in range(50)}) == 1


def test_blocks_are_joined_in_order_and_only_of_one_sketch() -> None:
    assert join([block(), block()]).status == ["ok", "too_long", "ok", "too_long"]
    with pytest.raises(InvalidInput, match="2 different sketches"):
        join([block("s"), block("t")])


def test_checkpoints_stand_side_by_side_and_a_row_must_be_usable_at_each() -> None:
    other = block("t")
    first, second = (Known(one.tokens, Statuses.of(one.status), one.sketch, 1) for one in (block(), other))
    third = replace(second, status=Statuses.of(["non_finite", "ok"]))
    assert at_every_checkpoint([first]) is first
    found = at_every_checkpoint([first, second, third])
    assert (list(found.status), found.sketch, found.shortened) == (["non_finite", "too_long"], "s+t+t", 1)
    np.testing.assert_array_equal(side_by_side([block(), other]).values[0], [[0.5, -0.5], [0.5, -0.5]])
    other.values = other.values[:, :, :1]
    with pytest.raises(InvalidInput, match="features of 2 shapes"):
        side_by_side([block(), other])


def test_rows_are_computed_by_length_and_come_back_in_their_order() -> None:
    records = [record("long " * 9, "a"), record("p", "answer"), record("long", "a"), record("q", "answer")]
    order = by_length(records, 4)
    assert order == [1, 3, 0, 2]
    assert by_length(records, 2) == [1, 0, 3, 2]  # windows of two rows
    computed = join([block(), block()])
    computed.tokens = np.array(order, dtype=np.int32)
    found = in_original_order(computed, order)
    assert found.tokens.tolist() == [0, 1, 2, 3]
    assert found.status == [computed.status[order.index(row)] for row in range(4)]
    np.testing.assert_array_equal(found.norms[order], computed.norms)


def test_a_file_that_a_disk_has_no_room_for_is_an_error_and_not_a_death(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 4) as reason:
        if reason:
            pytest.skip(reason)
        with pytest.raises(OSError, match="No space left"):
            scratch_rows(tmp_path / "disk", np.float16, (2**20, 8))
        rows = scratch_rows(tmp_path / "disk", np.float16, (2**10, 8))
        rows.write(3, torch.ones(2, 8, dtype=torch.float16))
        assert rows[:].sum(dim=1).nonzero().ravel().tolist() == [3, 4]
