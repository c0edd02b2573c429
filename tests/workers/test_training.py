"""LoRA training on a small proxy: it learns, it is repeatable, it leaves the loaded model alone."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from evoselect.spec.features import FeatureSpec
from evoselect.spec.training import EvaluationSpec, TrainingSpec
from store.errors import Invalid
from tests.workers.proxy import ALIAS, questions, record, register, write_proxy
from workers import moments
from workers.evaluation import evaluate
from workers.features import compute_features
from workers.models import LoadedModel, load
from workers.training import LossDiverged, TrainingResult, UntrainableRecord, train_lora

SPEC = TrainingSpec(max_steps=6, batch_size=4, learning_rate=1e-2, dtype="float32")


def train(
    loaded: LoadedModel,
    folder: Path,
    spec: TrainingSpec = SPEC,
    seed: int = 0,
    repeats: list[int] | None = None,
) -> TrainingResult:
    return train_lora(questions(6), repeats, loaded, spec, folder, seed=seed, progress=lambda state: None)


def adapter(folder: Path) -> dict[str, Any]:
    return dict(load_file(folder / "adapter_model.safetensors"))


def nll(loaded: LoadedModel) -> float:
    result = evaluate(questions(6), loaded, EvaluationSpec(), progress=lambda done: None)
    return float(result.summary()["answer_nll"])


def test_learns_writes_an_adapter_and_leaves_the_loaded_model_alone(
    proxy: LoadedModel, tmp_path: Path
) -> None:
    before = {name: weight.clone() for name, weight in proxy.model.state_dict().items()}
    base = nll(proxy)
    seen: list[dict[str, Any]] = []
    result = train_lora(questions(6), None, proxy, SPEC, tmp_path, seed=0, progress=seen.append)
    assert result.steps == 6
    assert len(result.loss_history) == 6
    assert result.loss_history[-1] < result.loss_history[0]
    assert [state["step"] for state in seen] == [1, 2, 3, 4, 5, 6]
    assert seen[-1]["rows_done"] == seen[-1]["rows_total"]
    after = proxy.model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "adam_second_moments.safetensors",
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    trained = load(ALIAS, tmp_path, dtype="float32")
    assert nll(trained) < base - 0.5
    assert trained.fingerprint != proxy.fingerprint


def test_second_moments_stay_beside_the_adapter_and_scale_its_gradients(
    proxy: LoadedModel, tmp_path: Path
) -> None:
    train(proxy, tmp_path)
    trained = load(ALIAS, tmp_path, dtype="float32")
    spec = FeatureSpec(precondition="adam", dtype="float32")
    found = moments.read(trained, spec)
    assert found is not None
    weights = {name: weight.shape for name, weight in adapter(tmp_path).items()}
    kept = {f"base_model.model.{name}.weight": moment.shape for name, moment in found.items()}
    assert kept == weights
    assert all(bool((moment >= 0).all()) and bool(moment.any()) for moment in found.values())
    block = compute_features(questions(4), trained, spec, progress=lambda done: None)
    assert block.status == ["ok"] * 4
    with pytest.raises(Invalid, match="model 'tiny' has no optimizer state beside it"):
        compute_features(questions(4), proxy, spec, progress=lambda done: None)


def test_the_same_seed_gives_the_same_adapter_and_another_another(proxy: LoadedModel, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train(proxy, tmp_path / name, seed=seed)
    first, second, third = (adapter(tmp_path / name) for name in "abc")
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], third[name]) for name in first)


def test_only_answers_are_learnt(proxy: LoadedModel, tmp_path: Path) -> None:
    result = train(proxy, tmp_path)
    assert result.answer_tokens == 6 * 2  # the word and the end of the text
    assert result.tokens > 3 * result.answer_tokens


def test_repeats_are_examples(proxy: LoadedModel, tmp_path: Path) -> None:
    spec = SPEC.model_copy(update={"max_steps": None, "epochs": 1.0, "batch_size": 2})
    result = train(proxy, tmp_path, spec, repeats=[3, 1, 0, 1, 1, 2])
    assert (result.examples, result.steps) == (8, 4)


def test_micro_batches_make_the_same_steps(proxy: LoadedModel, tmp_path: Path) -> None:
    whole = train(proxy, tmp_path / "a")
    split = train(proxy, tmp_path / "b", SPEC.model_copy(update={"micro_batch_size": 2}))
    assert split.steps == whole.steps
    assert split.loss_history[0] == pytest.approx(whole.loss_history[0], rel=1e-3)


def test_an_adapter_is_trained_on(proxy: LoadedModel, tmp_path: Path) -> None:
    begun = train(proxy, tmp_path / "first")
    first = load(ALIAS, tmp_path / "first", dtype="float32")
    result = train(first, tmp_path / "second")
    assert result.loss_history[0] < begun.loss_history[0]
    assert nll(load(ALIAS, tmp_path / "second", dtype="float32")) < nll(proxy)


def test_progress_may_stop_it(proxy: LoadedModel, tmp_path: Path) -> None:
    class Cancelled(Exception):
        pass

    def cancel(state: dict[str, Any]) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        train_lora(questions(6), None, proxy, SPEC, tmp_path, seed=0, progress=cancel)


def test_records_that_cannot_be_learnt_are_refused_by_name(proxy: LoadedModel, tmp_path: Path) -> None:
    long = record("please " * 70, "lima", id="the-long-one")
    with pytest.raises(UntrainableRecord, match=r"the-long-one cannot be trained on \(too_long\)"):
        train_lora([long], None, proxy, SPEC, tmp_path, seed=0, progress=lambda state: None)
    with pytest.raises(UntrainableRecord, match="no records"):
        train_lora([], None, proxy, SPEC, tmp_path, seed=0, progress=lambda state: None)


def test_a_loss_that_is_not_finite_stops_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(write_proxy(tmp_path / "nan", nan_token="broken"), monkeypatch)
    broken = [*questions(6), record("is it broken", "it is broken")]
    with pytest.raises(LossDiverged, match=r"loss of step \d is nan: lower learning_rate"):
        train_lora(
            broken,
            None,
            load(ALIAS, dtype="float32"),
            SPEC,
            tmp_path / "out",
            seed=0,
            progress=lambda state: None,
        )
