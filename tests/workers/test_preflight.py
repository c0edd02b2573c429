"""What a feature job is predicted to need."""

import pytest

from evoselect.spec.features import FeatureSpec
from tests.workers.proxy import questions, record
from workers.features import compute_features
from workers.models import LoadedModel
from workers.preflight import TooLarge, predict, require

SPEC = FeatureSpec(dtype="float32", batch_tokens=64)


def test_counts_are_those_of_the_job(proxy: LoadedModel) -> None:
    records = [*questions(12), record("please " * 70, "x")]
    needs = predict(records, proxy, SPEC)
    block = compute_features(records, proxy, SPEC, progress=lambda done: None)
    assert needs.rows == 13
    assert needs.tokens == block.stats["tokens"]
    assert needs.disk_bytes == block.values.nbytes
    assert needs.largest_micro_batch == block.stats["largest_micro_batch"]
    assert needs.gpu_bytes == 0
    assert needs.ram_bytes > 2**27  # PyTorch alone is larger


def test_more_of_the_same_rows_take_proportionally_longer(proxy: LoadedModel) -> None:
    predict(questions(24), proxy, SPEC)  # warms up
    small, large = predict(questions(24), proxy, SPEC), predict(questions(240), proxy, SPEC)
    assert 0 < small.seconds < large.seconds
    assert large.disk_bytes == 10 * small.disk_bytes


def test_what_does_not_fit_is_refused_with_the_numbers_and_the_setting(proxy: LoadedModel) -> None:
    needs = predict(questions(6), proxy, SPEC)
    require(needs, ram_bytes=2**40, disk_bytes=2**40)
    with pytest.raises(
        TooLarge, match=r"6 rows need .* GiB of memory and there are 0.00: lower features.batch_tokens"
    ):
        require(needs, ram_bytes=2**20, disk_bytes=2**40)
    with pytest.raises(TooLarge, match=r"GiB of disk and there are 0.00: lower features.dim"):
        require(needs, ram_bytes=2**40, disk_bytes=0)


def test_a_pool_without_usable_rows_needs_next_to_nothing(proxy: LoadedModel) -> None:
    needs = predict([record("please " * 70, "x")], proxy, SPEC)
    assert (needs.tokens, needs.seconds, needs.largest_micro_batch) == (0, 0.0, 0)
