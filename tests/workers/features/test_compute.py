"""Features of records: every row accounted for, the same whatever the batches, resumable, cancellable."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evoselect.errors import InvalidInput
from evoselect.spec.features import FeatureSpec
from evoselect.spec.training import EvaluationSpec
from store.records.record import Record
from tests.workers.proxy import ALIAS, questions, record, register, write_proxy
from workers.evaluations.records import evaluate
from workers.features.block import FeatureBlock
from workers.features.compute import compute_features
from workers.features.fingerprint import block_key, sketch_fingerprint
from workers.models.loading import LoadedModel, load

FLOAT32 = FeatureSpec(dtype="float32")


def features(records: list[Record], loaded: LoadedModel, spec: FeatureSpec = FLOAT32) -> FeatureBlock:
    return compute_features(records, loaded, spec, progress=lambda done: None)


def test_rows_come_in_order_with_blocks_of_norm_one(proxy: LoadedModel) -> None:
    records = questions(6)
    block = features(records, proxy)
    assert block.values.shape == (6, 14, 576)
    assert block.status == ["ok"] * 6
    np.testing.assert_allclose(np.linalg.norm(block.values, axis=2), 1.0, rtol=1e-5)
    alone = np.concatenate([features([item], proxy).values for item in records])
    np.testing.assert_allclose(block.values, alone, atol=1e-4)
    assert (block.norms > 0).all()


def test_batches_and_shards_do_not_change_the_features(proxy: LoadedModel) -> None:
    records = questions(12)
    whole = features(records, proxy)
    small = features(records, proxy, FLOAT32.model_copy(update={"batch_tokens": 16}))
    assert small.stats["micro_batches"] > whole.stats["micro_batches"]
    np.testing.assert_allclose(small.values, whole.values, atol=1e-4)
    halves = np.concatenate([features(records[:5], proxy).values, features(records[5:], proxy).values])
    np.testing.assert_allclose(halves, whole.values, atol=1e-4)
    np.testing.assert_allclose(small.nll, whole.nll, rtol=1e-4)


def test_bad_rows_are_zero_and_named_and_leave_the_others_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(write_proxy(tmp_path / "nan", nan_token="broken"), monkeypatch)
    loaded = load(ALIAS, dtype="float32")
    good = questions(3)
    bad = [
        record("please " * 64, "lima"),
        record("please " * 60, "it is called lima"),
        record("capital of peru", "\u200b"),
        record("is it broken", "it is broken"),
    ]
    block = features([good[0], bad[0], bad[1], good[1], bad[2], bad[3], good[2]], loaded)
    expected = ["ok", "too_long", "truncated_answer", "ok", "no_answer_tokens", "non_finite", "ok"]
    assert block.status == expected
    usable = np.array([status == "ok" for status in expected])
    assert not block.values[~usable].any()
    assert np.isfinite(block.values).all()
    np.testing.assert_allclose(block.values[usable], features(good, loaded).values, atol=1e-4)


def test_zero_gradients_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(write_proxy(tmp_path / "zero", zero_head=True), monkeypatch)
    block = features(questions(2), load(ALIAS, dtype="float32"))
    assert block.status == ["zero_gradient"] * 2
    assert not block.values.any()


def test_progress_counts_every_row_and_may_stop_the_work(proxy: LoadedModel) -> None:
    spec = FLOAT32.model_copy(update={"batch_tokens": 16})
    seen: list[int] = []
    compute_features([*questions(6), record("please " * 70, "x")], proxy, spec, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 7

    class Cancelled(Exception):
        pass

    def cancel(done: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        compute_features(questions(6), proxy, spec, progress=cancel)
    assert features(questions(6), proxy).status == ["ok"] * 6


def test_no_usable_row_still_answers(proxy: LoadedModel) -> None:
    block = features([record("please " * 70, "x")], proxy)
    assert block.status == ["too_long"]
    assert block.values.shape == (1, 14, 576)


def test_memory_that_does_not_suffice_halves_the_batch(proxy: LoadedModel) -> None:
    whole = features(questions(8), proxy)
    handle = proxy.model.register_forward_pre_hook(_demand_memory_by_rows, with_kwargs=True)
    try:
        block = features(questions(8), proxy)
    finally:
        handle.remove()
    assert block.stats["largest_micro_batch"] == 2
    np.testing.assert_allclose(block.values, whole.values, atol=1e-4)


def test_a_record_that_memory_does_not_suffice_for_is_named(proxy: LoadedModel) -> None:
    handle = proxy.model.register_forward_pre_hook(_demand_memory_by_tokens, with_kwargs=True)
    try:
        with pytest.raises(InvalidInput, match=r"suffice for record long, \d+ tokens: lower max_length"):
            features([*questions(3), record("peru", "please " * 40, id="long")], proxy)
        with pytest.raises(InvalidInput, match="suffice for record long, "):
            evaluate(
                [record("peru", "please " * 40, id="long")],
                proxy,
                EvaluationSpec(),
                progress=lambda done: None,
            )
    finally:
        handle.remove()


def _demand_memory_by_tokens(_model: object, _args: object, kwargs: dict[str, object]) -> None:
    """More than any machine has for a row of more than 32 tokens."""
    import torch

    tokens = kwargs["input_ids"].shape[1]  # type: ignore[attr-defined]  # a tensor
    torch.empty(max(0, tokens - 32) * 2**40, dtype=torch.uint8)


def _demand_memory_by_rows(_model: object, _args: object, kwargs: dict[str, object]) -> None:
    """More than any machine has (a terabyte for each row above two): the allocator itself refuses."""
    import torch

    rows = len(kwargs["input_ids"])  # type: ignore[arg-type]  # a tensor
    torch.empty(max(0, rows - 2) * 2**40, dtype=torch.uint8)


def test_another_process_computes_the_same_bytes(proxy: LoadedModel) -> None:
    code = (
        "import sys; from workers.models.loading import load;"
        "from workers.features.compute import compute_features;"
        "from evoselect.spec.features import FeatureSpec; from tests.workers.proxy import questions;"
        "b = compute_features(questions(6), load('tiny', dtype='float32'), FeatureSpec(dtype='float32'),"
        " progress=lambda n: None); sys.stdout.buffer.write(b.values.tobytes())"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert other.stdout == features(questions(6), proxy).values.tobytes()


def test_fingerprint_changes_with_everything_that_changes_the_numbers(
    proxy: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = sketch_fingerprint(proxy, FLOAT32)
    changed: list[dict[str, Any]] = [
        {"seed": 1},
        {"sketch": "sparse"},
        {"sketch_in": 4},
        {"dim": 512},
        {"layers": "top-1"},
        {"positions": "all"},
        {"modules": "q_proj"},
        {"max_length": 32},
        {"kind": "hidden"},
    ]
    others = [sketch_fingerprint(proxy, FLOAT32.model_copy(update=change)) for change in changed]
    others.append(sketch_fingerprint(load(ALIAS, dtype="bfloat16"), FLOAT32))
    folder = write_proxy(tmp_path / "other")
    template = folder / "chat_template.jinja"
    template.write_text(template.read_text() + " ")
    register(folder, monkeypatch)
    others.append(sketch_fingerprint(load(ALIAS, dtype="float32"), FLOAT32))
    register(write_proxy(tmp_path / "weights", zero_head=True), monkeypatch)
    others.append(sketch_fingerprint(load(ALIAS, dtype="float32"), FLOAT32))
    assert len({first, *others}) == len(others) + 1


def test_fingerprint_keeps_with_what_does_not_change_the_numbers(proxy: LoadedModel) -> None:
    later = {"conditioning": "none", "match": "content", "hidden_share": 0.3, "hidden_conditioning": "none"}
    same = {"batch_tokens": 64, **later, "on_bad_row": "reject", "max_length": 64}
    assert sketch_fingerprint(proxy, FLOAT32.model_copy(update=same)) == sketch_fingerprint(proxy, FLOAT32)


def test_block_keys_differ_by_tenant_rows_and_order() -> None:
    rows = questions(3)
    keys = {
        block_key("sketch", rows, "a"),
        block_key("sketch", rows, "b"),
        block_key("other", rows, "a"),
        block_key("sketch", rows[:2], "a"),
        block_key("sketch", rows[::-1], "a"),
    }
    assert len(keys) == 5
    assert block_key("sketch", questions(3), "a") in keys
