"""Sketched gradients against per-example gradients by torch.func, finite differences and batch size 1."""

from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor
from torch.func import functional_call, grad
from torch.nn.functional import cosine_similarity, cross_entropy

from evoselect.errors import InvalidInput
from evoselect.gradients.agreement import two_seed_agreement
from evoselect.gradients.examples import Example
from evoselect.gradients.extractor import ADAM_EPS, GradientExtractor, extract_together, make_extractor
from evoselect.gradients.layers import causal_model
from evoselect.gradients.projection import sketch_matrix
from evoselect.spec.features import FeatureSpec
from tests.evoselect.tiny import ARCHITECTURES, chats, examples, tiny_model


def reference_loss(model: Any, example: Example) -> Tensor:
    """Mean loss of the answer's tokens by the model's plain forward over one example."""
    return _loss(model(input_ids=torch.tensor([example.ids])).logits[0], example)


def _loss(logits: Tensor, example: Example) -> Tensor:
    """Mean over the tokens that are learnt, by labels."""
    labels = torch.tensor(example.ids)
    labels[: example.start] = -100
    for first, stop in example.between:
        labels[first:stop] = -100
    return cross_entropy(logits[:-1], labels[1:])


def reference_gradients(extractor: GradientExtractor, model: Any, example: Example) -> list[Tensor]:
    """Weight gradients (in, out) of the chosen layers by torch.func."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    weights: dict[str, Any] = {
        names[id(layer.module.weight)]: layer.module.weight for layer in extractor.layers
    }

    def loss(chosen: dict[str, Tensor]) -> Tensor:
        ids = torch.tensor([example.ids])
        return _loss(functional_call(model, chosen, kwargs={"input_ids": ids}).logits[0], example)

    found = grad(loss)(weights)
    rows = [found[names[id(layer.module.weight)]] for layer in extractor.layers]
    linear = [isinstance(layer.module, torch.nn.Linear) for layer in extractor.layers]
    return [row.T if transposed else row for row, transposed in zip(rows, linear, strict=True)]


def sketched(extractor: GradientExtractor, spec: FeatureSpec, gradients: list[Tensor]) -> Tensor:
    """P' G Q of every layer, then R, by matrices made afresh from the layers' names: (blocks, block_dim)."""
    rows = []
    share = spec.dim // len(gradients)
    for layer, gradient in zip(extractor.layers, gradients, strict=True):
        options: Any = {"kind": spec.sketch, "seed": spec.seed}
        left = sketch_matrix(layer.inputs, spec.sketch_in, name=f"{layer.name}/in", **options)
        right = sketch_matrix(layer.outputs, spec.sketch_out, name=f"{layer.name}/out", **options)
        row = (left.T @ gradient @ right).flatten()
        mix = (
            sketch_matrix(len(row), share, name=f"{layer.name}/mix", **options) if share < len(row) else None
        )
        rows.append(row if mix is None else row @ mix)
    return torch.stack(rows)


@pytest.mark.parametrize("dim", [126, 8192])  # brought down to 6 or 10 numbers a block, and left at 15
@pytest.mark.parametrize("sketch", ["gaussian", "sparse"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_equals_per_example_gradients_by_torch_func(architecture: str, sketch: str, dim: int) -> None:
    model = tiny_model(architecture)
    spec = FeatureSpec.model_validate(
        {"positions": "all", "sketch": sketch, "dim": dim, "sketch_in": 5, "sketch_out": 3, "seed": 4}
    )
    extractor = GradientExtractor(model, spec)
    batch = [*examples(), *chats(3)]
    found = extractor(batch)
    for row, example in enumerate(batch):
        expected = sketched(extractor, spec, reference_gradients(extractor, model, example))
        error = (found.values[row] - expected).norm() / expected.norm()
        assert error < 1e-4, f"row {row}: relative error {error}"
        torch.testing.assert_close(found.nll[row], reference_loss(model, example))


def test_adapted_model_gives_the_base_weights_gradients_at_the_adapted_model() -> None:
    base = tiny_model()
    torch.manual_seed(1)
    model = get_peft_model(base, LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False))
    model = model.eval().requires_grad_(False)
    spec = FeatureSpec(positions="all")
    extractor = GradientExtractor(model, spec)
    assert extractor.blocks == GradientExtractor(tiny_model(), spec).blocks
    batch = examples(4)
    found = extractor(batch)
    plain = causal_model(model)
    for row, example in enumerate(batch):
        expected = sketched(extractor, spec, reference_gradients(extractor, plain, example))
        assert (found.values[row] - expected).norm() / expected.norm() < 1e-4
    without = GradientExtractor(tiny_model(), spec)(batch)
    assert not torch.allclose(found.values, without.values, rtol=1e-2)


def test_adam_scales_an_adapters_own_gradients_by_their_second_moments() -> None:
    torch.manual_seed(1)
    model = get_peft_model(
        tiny_model(), LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False)
    )
    model = model.eval().requires_grad_(False)
    spec = FeatureSpec(precondition="adam", positions="all", dim=42 * 6, sketch_in=5, sketch_out=3)
    moments = {
        name.removesuffix(".default"): torch.rand(module.weight.shape) * 10.0 ** -torch.randint(4, 12, (1,))
        for name, module in causal_model(model).named_modules()
        if isinstance(module, torch.nn.Linear) and name.endswith(".default")
    }
    extractor = GradientExtractor(model, spec, moments)
    assert len(extractor.layers) == 2 * 21
    batch, plain = examples(4), causal_model(model)
    found = extractor(batch)
    for row, example in enumerate(batch):
        gradients = reference_gradients(extractor, plain, example)
        scaled = [
            gradient / (moments[layer.name].T.sqrt() + ADAM_EPS).sqrt()
            for layer, gradient in zip(extractor.layers, gradients, strict=True)
        ]
        expected = sketched(extractor, spec, scaled)
        assert (found.values[row] - expected).norm() / expected.norm() < 1e-4
    with pytest.raises(InvalidInput, match=r"second moments of model.layers.0.self_attn.q_proj.lora_A"):
        GradientExtractor(model, spec)
    with pytest.raises(InvalidInput, match="no linear layer of an adapter"):
        GradientExtractor(tiny_model(), spec, moments)


def masked_backward(model: Any, spec: FeatureSpec, example: Example) -> Tensor:
    """The slow twin of positions=answer: full backward over prompt and answer, other positions dropped."""
    extractor = GradientExtractor(model, spec)
    inputs: dict[str, Tensor] = {}
    outputs: dict[str, Tensor] = {}
    handles = []
    for layer in extractor.layers:

        def keep(_module: Any, args: Any, output: Tensor, name: str = layer.name) -> None:
            inputs[name] = args[0].detach()[0]
            outputs[name] = output.requires_grad_() if output.is_leaf else output
            output.retain_grad()

        handles.append(layer.module.register_forward_hook(keep))
    torch.autograd.backward(reference_loss(model, example))
    for handle in handles:
        handle.remove()
    where = slice(example.start - 1, len(example.ids) - 1)
    gradients = []
    for layer in extractor.layers:
        gradient = outputs[layer.name].grad
        assert gradient is not None
        gradients.append(inputs[layer.name][where].T @ gradient[0, where])
    return sketched(extractor, spec, gradients)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_cached_prompt_equals_the_masked_full_backward(architecture: str) -> None:
    model = tiny_model(architecture)
    spec = FeatureSpec(positions="answer")
    batch = [*examples(), *chats()]
    found = GradientExtractor(model, spec)(batch)
    for row, example in enumerate(batch):
        expected = masked_backward(model, spec, example)
        error = (found.values[row] - expected).norm() / expected.norm()
        assert error < 1e-4, f"row {row}: relative error {error}"
        torch.testing.assert_close(found.nll[row], reference_loss(model, example))


def test_agrees_with_finite_differences() -> None:
    model = tiny_model().double()
    spec = FeatureSpec(positions="all", layers="top-1", modules="down_proj", sketch_in=2, sketch_out=2)
    extractor = GradientExtractor(model, spec)
    example = examples(3)[2]
    found = extractor([example]).values[0, 0].reshape(2, 2)
    layer = extractor.layers[0]
    left = sketch_matrix(layer.inputs, 2, kind="gaussian", seed=0, name=f"{layer.name}/in").double()
    right = sketch_matrix(layer.outputs, 2, kind="gaussian", seed=0, name=f"{layer.name}/out").double()
    weight: Any = layer.module.weight
    step = 1e-3  # the norms compute in float32, so a smaller step drowns in rounding
    for p in range(2):
        for q in range(2):
            direction = torch.outer(right[:, q], left[:, p])  # (out, in), as Linear keeps its weight
            with torch.no_grad():
                weight += step * direction
                above = reference_loss(model, example)
                weight -= 2 * step * direction
                below = reference_loss(model, example)
                weight += step * direction
            slope = float((above - below) / (2 * step))
            torch.testing.assert_close(float(found[p, q]), slope, rtol=2e-3, atol=1e-5)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("options", [{"positions": "answer"}, {"positions": "all"}, {"kind": "hidden"}])
def test_does_not_depend_on_batch_size_padding_or_order(architecture: str, options: dict[str, Any]) -> None:
    spec = FeatureSpec.model_validate(options)
    extractor = make_extractor(tiny_model(architecture), spec)
    batch = [*examples(9), *chats()]
    together = extractor(batch).values
    reversed_order = extractor(batch[::-1]).values.flip(0)
    alone = torch.cat([extractor([example]).values for example in batch])
    for other in (reversed_order, alone):
        similarity = cosine_similarity(together.flatten(1), other.flatten(1))
        assert similarity.min() > 0.99999
        torch.testing.assert_close(together, other, rtol=1e-3, atol=1e-5)


def test_long_answers_take_the_models_own_attention_with_the_same_result() -> None:
    model = tiny_model("llama")
    generator = torch.Generator().manual_seed(0)
    long = Example(
        torch.randint(0, 61, (64,), generator=generator).tolist(), 1
    )  # 63 positions: plain attention
    short = Example(long.ids[:20], 12)
    extractor = GradientExtractor(model, FeatureSpec())
    plain = extractor([short, long]).values
    assert model.config._attn_implementation == "sdpa"
    model.set_attn_implementation("eager")
    torch.testing.assert_close(extractor([short, long]).values, plain, rtol=1e-3, atol=1e-6)


def test_a_row_that_is_not_finite_leaves_the_others_alone() -> None:
    model = tiny_model()
    batch = [Example([1, 2, 3, 4], 2), Example([5, 60, 6, 7, 8], 3), Example([9, 10, 11], 1)]
    clean = GradientExtractor(model, FeatureSpec())(batch).values
    model.get_input_embeddings().weight[60] = torch.nan
    model.lm_head.weight[60] = 0.0
    found = GradientExtractor(model, FeatureSpec())(batch)
    assert not torch.isfinite(found.values[1]).any()
    assert torch.isfinite(found.values[[0, 2]]).all()
    assert torch.isfinite(found.nll).tolist() == [True, False, True]
    assert torch.isfinite(clean).all()


def test_the_graph_starts_at_the_lowest_chosen_layer() -> None:
    model = tiny_model()
    extractor = GradientExtractor(model, FeatureSpec(layers="top-1", positions="all"))
    in_graph = {}
    for number, layer in enumerate(model.model.layers):
        layer.register_forward_hook(
            lambda _m, _a, output, number=number: in_graph.update({number: output.requires_grad})
        )
    extractor(examples(3))
    assert in_graph == {0: False, 1: False, 2: True}


@pytest.mark.parametrize(
    ("layers", "modules", "numbers", "count"),
    [
        ("all", "down_proj", [0, 1, 2], 3),
        ("top-2", "o_proj|down_proj", [1, 2], 4),
        ("every-2", "q_proj", [0, 2], 2),
    ],
)
def test_layer_choice(layers: str, modules: str, numbers: list[int], count: int) -> None:
    extractor = GradientExtractor(tiny_model(), FeatureSpec(layers=layers, modules=modules))
    assert len(extractor.blocks) == count
    assert sorted({int(name.split(".")[2]) for name in extractor.blocks}) == numbers


def test_features_of_a_layer_do_not_depend_on_the_other_chosen_layers() -> None:
    model, batch = tiny_model(), examples(3)
    every = GradientExtractor(model, FeatureSpec(positions="all", dim=21 * 20))
    top = GradientExtractor(model, FeatureSpec(positions="all", layers="top-1", dim=7 * 20))
    where = [every.blocks.index(name) for name in top.blocks]
    torch.testing.assert_close(every(batch).values[:, where], top(batch).values)


def test_refuses_a_pattern_that_matches_nothing_and_says_what_there_is() -> None:
    with pytest.raises(InvalidInput, match=r"modules='nothing'.*3 decoder layers.*down_proj"):
        GradientExtractor(tiny_model(), FeatureSpec(modules="nothing"))


def test_refuses_a_dim_below_one_number_a_layer() -> None:
    with pytest.raises(InvalidInput, match="dim is 20, but 21 layers are chosen"):
        GradientExtractor(tiny_model(), FeatureSpec(dim=20))
    assert GradientExtractor(tiny_model(), FeatureSpec(dim=21)).block_dim == 1


def test_refuses_a_model_that_is_not_frozen() -> None:
    with pytest.raises(InvalidInput, match="frozen"):
        GradientExtractor(tiny_model().train(), FeatureSpec())
    with pytest.raises(InvalidInput, match="frozen"):
        GradientExtractor(tiny_model().requires_grad_(True), FeatureSpec())


def test_prompts_of_very_different_length_share_a_batch() -> None:
    """Far more padding than a group of prompts may have, so that several groups' caches are joined."""
    generator = torch.Generator().manual_seed(0)
    batch = [
        Example(torch.randint(0, 61, (length + 3,), generator=generator).tolist(), length)
        for length in (1, 60, 2, 30, 4, 59, 16, 5)
    ]
    for architecture in ARCHITECTURES:
        extractor = GradientExtractor(tiny_model(architecture), FeatureSpec())
        together, alone = extractor(batch), [extractor([example]) for example in batch]
        torch.testing.assert_close(
            together.values, torch.cat([one.values for one in alone]), rtol=1e-3, atol=1e-5
        )


def test_leaves_no_hook_behind() -> None:
    model = tiny_model()
    GradientExtractor(model, FeatureSpec())(examples(3))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_extractors_share_a_pass() -> None:
    model, batch = tiny_model(), examples(4)
    specs = [FeatureSpec(), FeatureSpec(seed=1, layers="top-1", sketch="sparse")]
    extractors = [GradientExtractor(model, spec) for spec in specs]
    for together, extractor in zip(extract_together(extractors, batch), extractors, strict=True):
        torch.testing.assert_close(together.values, extractor(batch).values)
    with pytest.raises(InvalidInput, match="same positions"):
        extract_together([extractors[0], GradientExtractor(model, FeatureSpec(positions="all"))], batch)


def test_larger_sketches_agree_more_between_seeds() -> None:
    model, batch = tiny_model(), examples(24)
    small, large = (
        two_seed_agreement(model, batch, FeatureSpec(dim=dim, sketch_in=64, sketch_out=64))
        for dim in (21, 80_000)
    )
    assert small < large
    assert large > 0.85
    with pytest.raises(InvalidInput, match="at least 4 examples, got 3"):
        two_seed_agreement(model, batch[:3], FeatureSpec())
