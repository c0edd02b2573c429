"""What a feature job is predicted to need."""

from dataclasses import replace

import pytest

from evoselect.gradients.extractor import GradientExtractor, extractor_bytes
from evoselect.spec.features import FeatureSpec
from store.errors import Invalid
from store.records.record import Record
from tests.workers.proxy import questions, record
from workers.features.block import FeatureBlock
from workers.features.block_files import to_bytes
from workers.features.compute import compute_features
from workers.features.prediction import Prediction, TooLarge, predict, require, require_memory
from workers.models.loading import LoadedModel
from workers.process import memory

SPEC = FeatureSpec(dtype="float32", batch_tokens=64)


def compute(records: list[Record], loaded: LoadedModel) -> FeatureBlock:
    return compute_features(records, loaded, SPEC, progress=lambda done: None)


def prediction(records: list[Record], loaded: LoadedModel, rows: int) -> Prediction:
    return predict(records, compute(records, loaded), loaded, SPEC, rows=rows)


def test_counts_are_those_of_the_job(proxy: LoadedModel) -> None:
    records = [*questions(12), record("please " * 70, "x")]
    block = compute(records, proxy)
    needs = predict(records, block, proxy, SPEC, rows=13)
    assert (needs.rows, needs.tokens, needs.gpu_bytes) == (13, block.stats["tokens"], 0)
    assert needs.seconds == pytest.approx(block.stats["seconds_extract"])  # the same work at its own pace
    assert needs.disk_bytes == pytest.approx(len(to_bytes(block)), rel=0.02)
    assert needs.select_ram_bytes == block.values.nbytes
    assert needs.scratch_bytes == 0
    large = predict(records, block, proxy, SPEC, rows=13_000_000)
    assert large.scratch_bytes == 1_000_000 * block.values.astype("float16").nbytes
    assert large.select_ram_bytes == 2**27
    assert needs.ram_bytes > 2**27  # PyTorch alone is larger


def test_a_sample_stands_for_the_whole_pool(proxy: LoadedModel) -> None:
    records = questions(24)
    block = compute(records, proxy)
    small, large = (predict(records, block, proxy, SPEC, rows=rows) for rows in (24, 240))
    assert large.seconds == pytest.approx(10 * small.seconds)
    assert (large.tokens, large.disk_bytes) == (10 * small.tokens, 10 * small.disk_bytes)


def test_what_does_not_fit_is_refused_with_the_numbers_and_the_setting(proxy: LoadedModel) -> None:
    needs = replace(prediction(questions(6), proxy, 6), scratch_bytes=1_000)
    require(needs, ram_bytes=2**40, disk_bytes=2**40)
    with pytest.raises(
        TooLarge, match=r"6 rows need .* GiB of memory and there are 0.00: lower features.batch_tokens"
    ):
        require(needs, ram_bytes=2**20, disk_bytes=2**40)
    with pytest.raises(TooLarge, match=r"GiB of disk, .* there are 0.00: lower features.dim"):
        require(needs, ram_bytes=2**40, disk_bytes=0)
    enough = needs.disk_bytes + needs.scratch_bytes
    require(needs, ram_bytes=2**40, disk_bytes=enough)
    require(needs, ram_bytes=2**40, disk_bytes=needs.disk_bytes, selects_there=False)
    with pytest.raises(TooLarge, match="of disk"):
        require(needs, ram_bytes=2**40, disk_bytes=enough - 1)


def test_sketches_are_predicted_exactly_and_refused_before_they_are_made(
    proxy: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    for spec in (FeatureSpec(), FeatureSpec(sketch_in=48, sketch_out=40, dim=4096, modules=["*_proj"])):
        extractor = GradientExtractor(proxy.model, spec)
        made = [one for sketch in extractor._sketches for one in (sketch.left, sketch.right, sketch.mix)]
        sides = sum(one.nbytes for sketch in extractor._sketches for one in (sketch.left, sketch.right))
        largest = max(sketch.left.nbytes + sketch.right.nbytes for sketch in extractor._sketches)
        taken = sum(one.nbytes for one in made if one is not None)
        assert extractor_bytes(extractor.layers, spec, 4) == taken + largest
        assert sides < taken or extractor.block_dim == 576
    wide = FeatureSpec(sketch_in=128, sketch_out=128, dim=2**16)
    require_memory(proxy, FeatureSpec(), rows=64)
    monkeypatch.setattr(memory, "available", lambda: 2**30)
    with pytest.raises(
        Invalid, match=r"sketches of 14 modules need 8\.\d+ GiB .*there are 1\.00: lower"
    ) as no:
        require_memory(proxy, wide, rows=64)
    assert no.value.code == "does_not_fit"


def test_a_pool_without_usable_rows_needs_no_time(proxy: LoadedModel) -> None:
    needs = prediction([record("please " * 70, "x")], proxy, 1)
    assert (needs.tokens, needs.seconds) == (0, 0.0)
