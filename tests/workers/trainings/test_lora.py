"""LoRA training on a small proxy: it learns, it is repeatable, it leaves the loaded model alone."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch.nn.modules.module import register_module_forward_pre_hook
from transformers import LlamaConfig, LlamaForCausalLM

from evoselect.gradients.examples import Example
from evoselect.spec.features import FeatureSpec
from evoselect.spec.training import EvaluationSpec, TrainingSpec
from store.errors import Invalid
from tests.workers.proxy import ALIAS, questions, record, register, write_proxy
from workers.evaluations.records import evaluate
from workers.features.compute import compute_features
from workers.models import adam_moments as moments
from workers.models.loading import LoadedModel, ModelUnavailable, adapted, load
from workers.models.tokenization import tokenize
from workers.trainings.lora import Checkpoints, Step, TrainingResult, UntrainableRecord, arguments, train_lora
from workers.trainings.trainer import LossDiverged, row_order

SPEC = TrainingSpec(max_steps=6, batch_size=4, learning_rate=1e-2, dtype="float32")


def train(
    loaded: LoadedModel,
    folder: Path,
    spec: TrainingSpec = SPEC,
    seed: int = 0,
    repeats: list[int] | None = None,
) -> TrainingResult:
    return train_lora(
        questions(6), repeats, loaded, spec=spec, out_dir=folder, seed=seed, progress=lambda state: None
    )


def adapter(folder: Path) -> dict[str, Any]:
    return dict(load_file(folder / "adapter_model.safetensors"))


def nll(loaded: LoadedModel, count: int = 6) -> float:
    result = evaluate(questions(count), loaded, EvaluationSpec(), progress=lambda done: None)
    return float(result.summary()["answer_nll"])


def test_learns_writes_an_adapter_and_leaves_the_loaded_model_alone(
    proxy: LoadedModel, tmp_path: Path
) -> None:
    before = {name: weight.clone() for name, weight in proxy.model.state_dict().items()}
    base = nll(proxy)
    seen: list[Step] = []
    result = train_lora(questions(6), None, proxy, spec=SPEC, out_dir=tmp_path, seed=0, progress=seen.append)
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
    with pytest.raises(Invalid, match=r"has lora_rank 16 and lora_alpha 32\.0, the spec says 8 and 32\.0"):
        train(first, tmp_path / "third", SPEC.model_copy(update={"lora_rank": 8}))
    assert nll(load(ALIAS, tmp_path / "second", dtype="float32")) < nll(proxy)


def test_progress_may_stop_it(proxy: LoadedModel, tmp_path: Path) -> None:
    class Cancelled(Exception):
        pass

    def cancel(state: Step) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        train_lora(questions(6), None, proxy, spec=SPEC, out_dir=tmp_path, seed=0, progress=cancel)


def test_records_that_cannot_be_learnt_are_left_out_and_named_where_none_is_left(
    proxy: LoadedModel, tmp_path: Path
) -> None:
    long = record("please " * 70, "lima", id="the-long-one")
    rows = [long, *questions(2)]
    found = train_lora(
        rows, [3, 1, 1], proxy, spec=SPEC, out_dir=tmp_path / "a", seed=0, progress=lambda state: None
    )
    assert (found.examples, found.left_out, found.shortened) == (2, {"too_long": 1}, 0)
    cut = SPEC.model_copy(update={"on_long": "truncate_prompt_left"})
    found = train_lora(
        rows, [3, 1, 1], proxy, spec=cut, out_dir=tmp_path / "b", seed=0, progress=lambda state: None
    )
    assert (found.examples, found.left_out, found.shortened) == (5, {}, 1)
    with pytest.raises(
        UntrainableRecord, match=r"all 1 records are left out; the first: .*the-long-one: too_long"
    ):
        train_lora([long], None, proxy, spec=SPEC, out_dir=tmp_path, seed=0, progress=lambda state: None)
    with pytest.raises(UntrainableRecord, match="no records"):
        train_lora([], None, proxy, spec=SPEC, out_dir=tmp_path, seed=0, progress=lambda state: None)


def test_a_loss_that_is_not_finite_stops_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(write_proxy(tmp_path / "nan", nan_token="broken"), monkeypatch)
    broken = [*questions(6), record("is it broken", "it is broken", id="the-broken-one")]
    with pytest.raises(LossDiverged, match=r"loss of step \d is nan: lower learning_rate.*the-broken-one"):
        train_lora(
            broken,
            None,
            load(ALIAS, dtype="float32"),
            spec=SPEC,
            out_dir=tmp_path / "out",
            seed=0,
            progress=lambda state: None,
        )


class Killed(BaseException):
    """Nothing after it runs, as after kill -9."""


def test_what_was_killed_goes_on_and_ends_as_if_nothing_had_happened(
    proxy: LoadedModel, tmp_path: Path
) -> None:
    spec = SPEC.model_copy(update={"lora_dropout": 0.3, "micro_batch_size": 2})  # the RNG's state matters
    whole = train(proxy, tmp_path / "whole", spec)
    kept = tmp_path / "kept"

    def save(folder: Path) -> None:
        if kept.exists():
            raise Killed
        shutil.copytree(folder, kept)

    points = Checkpoints(due=lambda: True, save=save)
    ignore: dict[str, Any] = {"seed": 0, "progress": lambda state: None}
    with pytest.raises(Killed):
        train_lora(questions(6), None, proxy, spec=spec, out_dir=tmp_path / "a", checkpoints=points, **ignore)
    again = Checkpoints(start=kept)
    seen: list[int] = []
    ignore["progress"] = lambda state: seen.append(state["step"])
    result = train_lora(
        questions(6), None, proxy, spec=spec, out_dir=tmp_path / "b", checkpoints=again, **ignore
    )
    assert seen == [2, 3, 4, 5, 6]
    assert (result.steps, len(result.loss_history)) == (whole.steps, 6)
    assert result.loss_history == pytest.approx(whole.loss_history, abs=1e-4)
    first, second = adapter(tmp_path / "whole"), adapter(tmp_path / "b")
    assert all(torch.allclose(first[name], second[name], atol=1e-5) for name in first)


def test_where_memory_does_not_suffice_halves_make_the_same_step(proxy: LoadedModel, tmp_path: Path) -> None:
    whole = train(proxy, tmp_path / "whole")
    sizes: list[int] = []

    def too_little_memory(module: torch.nn.Module, args: Any) -> None:
        if isinstance(module, torch.nn.Embedding):
            sizes.append(len(args[0]))
            if sizes[-1] > 2:
                raise torch.OutOfMemoryError

    hook = register_module_forward_pre_hook(too_little_memory)
    try:
        halved = train(proxy, tmp_path / "halved")
    finally:
        hook.remove()
    assert sizes[:3] == [4, 2, 2]
    assert halved.steps == whole.steps
    assert halved.loss_history == pytest.approx(whole.loss_history, rel=1e-3)


def test_each_epoch_has_every_row_once_and_one_row_is_enough(proxy: LoadedModel, tmp_path: Path) -> None:
    rows = [Example([0] * (3 + number), 1) for number in range(7)]
    spec = TrainingSpec(epochs=2.5, batch_size=2)
    order = row_order(rows, spec, seed=3)
    assert sorted(order[:7]) == sorted(order[7:14]) == list(range(7))
    assert len(order) == 18
    assert order == row_order(rows, spec, seed=3) != row_order(rows, spec, seed=4)
    alone = train_lora(
        questions(1),
        None,
        proxy,
        spec=TrainingSpec(dtype="float32"),
        out_dir=tmp_path,
        seed=0,
        progress=lambda s: None,
    )
    assert (alone.steps, alone.examples) == (1, 1)
    assert nll(load(ALIAS, tmp_path, dtype="float32"), 1) < nll(proxy, 1)  # a single step learns its row
    with pytest.raises(UntrainableRecord, match="every repeat is 0"):
        train(proxy, tmp_path / "none", repeats=[0] * 6)


def test_files_of_two_models_do_not_pass_for_one(
    proxy: LoadedModel, proxy_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(proxy, tmp_path / "adapter")
    other = LlamaConfig(
        vocab_size=len(proxy.tokenizer), hidden_size=16, intermediate_size=32, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64,
    )  # fmt: skip
    model: Any = LlamaForCausalLM(other)
    model.save_pretrained(tmp_path / "other")
    proxy.tokenizer.save_pretrained(tmp_path / "other")
    register(tmp_path / "other", monkeypatch)
    with pytest.raises(ModelUnavailable, match="trained on another base than"):
        load(ALIAS, tmp_path / "adapter", dtype="float32")
    small: Any = LlamaForCausalLM(LlamaConfig(**{**other.to_dict(), "vocab_size": 20}))
    small.save_pretrained(tmp_path / "other")
    with pytest.raises(ModelUnavailable, match=r"a tokenizer of \d+ tokens, but embeddings for 20"):
        load(ALIAS, dtype="float32")


def test_a_second_gpu_does_not_double_the_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    assert arguments(SPEC, tmp_path, seed=0, steps=6).train_batch_size == SPEC.batch_size


def test_trainings_and_adapters_share_one_base_that_is_read_once_and_stays_as_it_is(
    proxy_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(proxy_folder, tmp_path / "model")
    register(tmp_path / "model", monkeypatch)
    short = SPEC.model_copy(update={"max_steps": 2})
    apart = [
        train(load(ALIAS, dtype="float32"), tmp_path / f"apart-{seed}", short, seed=seed) for seed in (1, 2)
    ]
    expected = [nll(load(ALIAS, tmp_path / f"apart-{seed}", dtype="float32")) for seed in (1, 2)]
    shared = load(ALIAS, dtype="float32")
    base = nll(shared)
    shutil.rmtree(tmp_path / "model")
    together = [train(shared, tmp_path / f"together-{seed}", short, seed=seed) for seed in (1, 2)]
    worn = [adapted(shared, tmp_path / f"together-{seed}") for seed in (1, 2)]
    assert [one.loss_history for one in together] == [one.loss_history for one in apart]
    assert [nll(one) for one in worn] == expected
    assert nll(shared) == base
    assert worn[0].fingerprint != worn[1].fingerprint != shared.fingerprint
    places = [{weight.data_ptr() for weight in one.model.parameters()} for one in (shared, *worn)]
    assert places[0] < places[1]
    assert places[0] < places[2]
    further = train(worn[0], tmp_path / "further", short)
    assert further.loss_history[0] < together[0].loss_history[0]


def test_the_first_step_has_the_loss_of_the_answers_of_its_rows(proxy: LoadedModel, tmp_path: Path) -> None:
    result = train(proxy, tmp_path)
    rows: list[Any] = [item.example for item in tokenize(questions(6), proxy, proxy.max_length)]
    first = [rows[index] for index in row_order(rows, SPEC, seed=0)[: SPEC.batch_size]]
    losses = []
    for row in first:
        with torch.no_grad():
            logits = proxy.model(input_ids=torch.tensor([row.ids])).logits[0, row.start - 1 : -1]
        losses += torch.nn.functional.cross_entropy(
            logits, torch.tensor(row.ids[row.start :]), reduction="none"
        ).tolist()
    assert result.loss_history[0] == pytest.approx(sum(losses) / len(losses), abs=1e-4)
