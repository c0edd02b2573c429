"""Models that are no plain decoders: found out by a few tokens, and scored the long way or refused."""

from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from evoselect.errors import InvalidInput
from evoselect.gradients.examples import Example
from evoselect.gradients.extractor import GradientExtractor, hidden_size
from evoselect.gradients.layers import choose_layers, coverage
from evoselect.gradients.passes import Tail, answer_losses
from evoselect.gradients.trials import caches, is_causal, uncached_losses
from evoselect.spec.features import FeatureSpec
from tests.evoselect.gradients.test_extractor import reference_loss
from tests.evoselect.tiny import ARCHITECTURES, VOCABULARY, examples, tiny_model

SHAPE = {
    "vocab_size": VOCABULARY, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 24, "initializer_range": 0.3,
}  # fmt: skip


def made(kind: str, **more: Any) -> Any:
    torch.manual_seed(0)
    make: Any = AutoModelForCausalLM.from_config  # upstream has no types
    model = make(AutoConfig.for_model(kind, **{**SHAPE, **more})).float()
    return model.eval().requires_grad_(False)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_plain_decoders_are_causal_and_cache_prompts(architecture: str) -> None:
    model = tiny_model(architecture)
    assert is_causal(model)
    assert caches(model)
    assert caches(model.to(torch.bfloat16))


def test_an_encoder_is_not_causal() -> None:
    assert not is_causal(made("bert"))
    assert is_causal(made("bert", is_decoder=True))


def test_a_model_with_a_recurrent_state_is_scored_without_a_cache() -> None:
    model = made("mamba", state_size=4)
    assert is_causal(model)
    assert not caches(model)
    batch = examples()
    with pytest.raises(AttributeError):
        answer_losses(model, batch, cached_prompt=True)
    assert_are_plain(model, batch)


def test_a_cache_that_forgets_is_found_out() -> None:
    """A configuration that states a window which the model does not have."""
    model = made("olmo", max_position_embeddings=64)
    assert caches(model)
    model.config.sliding_window = 4
    assert not caches(model)
    assert_are_plain(model, examples())


def test_layers_that_see_pictures_are_not_taken() -> None:
    text = {**SHAPE, "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 64}
    seeing = {
        "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2,
        "image_size": 28, "patch_size": 14,
    }  # fmt: skip
    model = made("gemma3", text_config=text, vision_config=seeing, mm_tokens_per_image=4)
    chosen = choose_layers(model, "all", "*")
    assert {layer.name.partition(".layers.")[0] for layer in chosen} == {"model.language_model"}
    assert len(chosen) == 2 * 7
    assert coverage(model, chosen).share == 1.0
    assert is_causal(model)
    assert caches(model)
    assert hidden_size(model) == 16


def test_layers_that_see_another_text_are_not_taken() -> None:
    model = made("bart", d_model=16, decoder_layers=2, decoder_attention_heads=2, decoder_ffn_dim=24)
    chosen = choose_layers(model, "all", "*")
    assert len(chosen) == 2 * 6  # four of the attention to itself, fc1, fc2
    assert coverage(model, chosen).share == 1.0
    assert GradientExtractor(model, FeatureSpec())(examples()).values.flatten(2).any(2).all()


def test_a_model_that_overwrites_what_its_gradients_need_is_refused_by_name() -> None:
    shape = {"linear_num_value_heads": 2, "linear_num_key_heads": 2, "num_hidden_layers": 4}
    model = made("qwen3_5_text", head_dim=8, num_key_value_heads=2, **shape)
    assert is_causal(model)
    extractor = GradientExtractor(model, FeatureSpec(modules="down_proj|in_proj_*|q_proj"))
    with pytest.raises(InvalidInput, match="overwrites what its gradients are computed from"):
        extractor(examples())


def assert_are_plain(model: Any, batch: list[Example]) -> None:
    prompts = [example.ids[: example.start - 1] for example in batch]
    tails = [
        Tail(example.ids[example.start - 1 :], len(example.ids) - example.start, row)
        for row, example in enumerate(batch)
    ]
    with torch.no_grad():
        found = uncached_losses(model, prompts, tails)
        plain = torch.stack([reference_loss(model, example) for example in batch])
    torch.testing.assert_close(found, plain, rtol=1e-4, atol=1e-5)
