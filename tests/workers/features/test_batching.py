"""A row's feature does not depend on its batch here; else plain attention, or no features at all."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from evoselect.gradients.extractor import make_extractor
from evoselect.gradients.trials import batch_difference, batch_examples
from evoselect.spec.features import FeatureSpec
from store.errors import Invalid
from store.jobs.results import BatchCheck
from tests.evoselect.tiny import ARCHITECTURES, VOCABULARY, tiny_model
from tests.workers.proxy import ALIAS, register, write_proxy
from workers.features import batching
from workers.models.loading import LoadedModel, adapted, load, twin

FLOAT32 = FeatureSpec(dtype="float32")
BLIND = "sees-padding"


def see_padding(module: Any, query: Any, key: Any, value: Any, mask: Any, **more: Any) -> Any:
    """The fused attention with a mask that is causal and nothing else: padded tokens count as prompts."""
    if mask is not None:
        mask = torch.ones_like(mask, dtype=torch.bool).tril(mask.shape[-1] - mask.shape[-2])
    return sdpa_attention_forward(module, query, key, value, mask, **more)


@pytest.fixture(autouse=True)
def afresh() -> Iterator[None]:
    """As a process that has tried nothing yet."""
    batching._settled.clear()
    AttentionInterface.register(BLIND, see_padding)
    AttentionMaskInterface.register(BLIND, sdpa_mask)
    yield
    batching._settled.clear()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("options", [{}, {"positions": "all"}, {"kind": "hidden"}, {"kind": "combined"}])
def test_plain_models_pass_with_room_to_spare(architecture: str, options: dict[str, Any]) -> None:
    extractor = make_extractor(tiny_model(architecture), FeatureSpec.model_validate(options))
    assert batch_difference(extractor, 64, VOCABULARY) < batching.TOLERANCE[torch.float32] / 10


def test_the_examples_differ_in_length_and_fit_into_the_window() -> None:
    for window in (4, 16, 64, 8192):
        lengths = [len(example.ids) for example in batch_examples(window, VOCABULARY)]
        assert max(lengths) <= max(window, 3)
        assert lengths[2] <= lengths[0] <= lengths[1]
    assert lengths[2] < lengths[0] < lengths[1]


def test_the_model_keeps_its_own_attention_where_that_passes(
    proxy: LoadedModel, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    found = batching.settle(proxy, FLOAT32)
    assert (found.device, found.dtype, found.attention, found.refused) == ("cpu", "float32", "sdpa", None)
    assert found.difference <= found.tolerance == 1e-3
    assert "do not depend on their batch on cpu" in caplog.text
    caplog.clear()
    assert batching.settle(proxy, FLOAT32) is found
    assert caplog.text == ""  # once a process


def test_adapters_of_one_base_share_a_trial(proxy: LoadedModel, tmp_path: Path) -> None:
    for seed in (1, 2):
        torch.manual_seed(seed)
        own = twin(proxy.base)
        settings = LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False)
        get_peft_model(own, settings).save_pretrained(str(tmp_path / str(seed)))
    first, second = (batching.settle(adapted(proxy, tmp_path / str(seed)), FLOAT32) for seed in (1, 2))
    assert second is first
    assert batching.settle(proxy, FLOAT32) is not first


def test_plain_attention_takes_the_place_of_one_that_sees_padding(
    proxy: LoadedModel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("evoselect.gradients.passes.SHORT_TAIL", 0)  # the tiny window is all short rows
    proxy.model.set_attn_implementation(BLIND)
    found = batching.settle(proxy, FLOAT32)
    assert (found.attention, found.refused) == ("eager", BLIND)
    assert found.difference <= found.tolerance
    assert proxy.model.config._attn_implementation == "eager"
    assert "takes its place" in caplog.text
    again = load(ALIAS, dtype="float32")  # as after another model was held
    batching.settle(again, FLOAT32)
    assert again.model.config._attn_implementation == "eager"


def test_without_an_attention_that_passes_features_are_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(write_proxy(tmp_path / "mean"), monkeypatch)
    loaded = load(ALIAS, dtype="float32")
    loaded.model.model.layers[0].register_forward_pre_hook(less_the_mean_of_the_batch)
    for _ in range(2):  # the second time from memory
        with pytest.raises(
            Invalid, match=r"'tiny' depend on their batch on cpu: by attention sdpa .* eager"
        ) as no:
            batching.settle(loaded, FLOAT32)
        assert no.value.code == "batch_dependent"
    assert loaded.model.config._attn_implementation == "sdpa"


def less_the_mean_of_the_batch(_module: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
    return (args[0] - args[0].mean(0, keepdim=True) / 2, *args[1:])


def test_rows_without_a_gradient_are_left_to_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(write_proxy(tmp_path / "zero", zero_head=True), monkeypatch)
    assert batching.settle(load(ALIAS, dtype="float32"), FLOAT32).difference == 0.0


def test_checks_are_told_by_device() -> None:
    cpu = BatchCheck(device="cpu", dtype="float32", attention="sdpa", difference=1e-6, tolerance=1e-3)
    gpu = cpu.model_copy(update={"device": "cuda H100", "attention": "eager", "refused": "sdpa"})
    more = cpu.model_copy(update={"difference": 2e-6})
    told = batching.by_device([cpu, None, gpu, more])
    assert [(one["device"], one["shards"], one["difference"]) for one in told] == [
        ("cpu", 2, 2e-6),
        ("cuda H100", 1, 1e-6),
    ]
    assert batching.by_device([None]) == []
