"""Sketched per-example gradients of linear layers from one batched backward through activations only.

Hooks keep each chosen layer's sketched input xP (b, t, p); when its output gradient d (b, t, out) arrives,
sum_t (xP)' (dQ) is the two-sided sketch of the example's weight gradient, which is never formed (ours); a
third matrix takes it to the wanted numbers (evoselect.projection).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from evoselect.errors import InvalidInput
from evoselect.gradients.examples import Example
from evoselect.gradients.layers import LinearLayer, causal_model, choose_layers
from evoselect.gradients.passes import answer_losses, mean_hidden_state
from evoselect.projection import GradientSketch, gradient_sketch
from evoselect.spec.features import FeatureSpec


@dataclass(frozen=True, slots=True)
class RawFeatures:
    """Features of a micro-batch before any conditioning."""

    values: Tensor
    """(b, blocks, block_dim) float32: one block for each chosen layer."""
    nll: Tensor
    """(b,) float32: mean negative log-likelihood of the answer tokens, in nats; NaN for embeddings."""


class GradientExtractor:
    """Gradient of the mean answer-token loss with respect to the chosen layers' weights, sketched by layer.

    The model must be in evaluation mode with frozen weights, so that the graph starts at the lowest chosen
    layer. With an adapter, the gradient is that of the adapted layer's base weight, at the adapted model.
    """

    def __init__(self, model: nn.Module, spec: FeatureSpec) -> None:
        if model.training or any(weight.requires_grad for weight in model.parameters()):
            raise InvalidInput("the model must be frozen: call eval() and requires_grad_(False) first")
        self.model = model
        self.positions = spec.positions
        self.layers = choose_layers(model, spec.layers, spec.modules)
        sketches = [_sketch(layer, spec, self._numbers_of_a_block(spec.dim)) for layer in self.layers]
        weight = next(model.parameters())
        self._sketches = [
            replace(
                sketch,
                left=sketch.left.to(weight),
                right=sketch.right.to(weight),
                mix=None if sketch.mix is None else sketch.mix.to(weight.device),
            )
            for sketch in sketches
        ]
        self.block_dim = sketches[0].dim

    def _numbers_of_a_block(self, dim: int) -> int:
        if dim < len(self.layers):
            raise InvalidInput(
                f"dim is {dim}, but {len(self.layers)} layers are chosen and each takes at least one number: "
                "raise dim or choose fewer layers"
            )
        return dim // len(self.layers)

    @property
    def blocks(self) -> tuple[str, ...]:
        """Names of the layers, in the order of the blocks."""
        return tuple(layer.name for layer in self.layers)

    def __call__(self, examples: Sequence[Example]) -> RawFeatures:
        """Features of one micro-batch; a row that is not finite does not touch the others."""
        return extract_together([self], examples)[0]

    @contextmanager
    def recording(self, values: Tensor) -> Iterator[None]:
        """Inside, a forward and backward over the model write their features into ``values``."""
        handles = [
            layer.module.register_forward_hook(self._recorder(block, values))
            for block, layer in enumerate(self.layers)
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _recorder(
        self, block: int, values: Tensor
    ) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        sketch = self._sketches[block]

        def forward(_module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
            if not torch.is_grad_enabled():  # the prompt's pass
                return
            if output.ndim != 3:
                raise InvalidInput(
                    f"{self.layers[block].name} has outputs of shape {tuple(output.shape)}, not "
                    "(batch, tokens, features): choose other modules"
                )
            inputs = args[0].detach() @ sketch.left  # (b, t, p)

            def backward(gradient: Tensor) -> None:
                values[:, block] = sketch.of_sides(inputs, gradient @ sketch.right)

            if not output.requires_grad:
                output.requires_grad_()  # the lowest chosen layer: the graph starts here
            output.register_hook(backward)  # type: ignore[no-untyped-call]  # torch's stub

        return forward


def _sketch(layer: LinearLayer, spec: FeatureSpec, dim: int) -> GradientSketch:
    return gradient_sketch(
        layer.inputs,
        layer.outputs,
        sides=(spec.sketch_in, spec.sketch_out),
        dim=dim,
        kind=spec.sketch,
        seed=spec.seed,
        name=layer.name,
    )


def extract_together(
    extractors: Sequence[GradientExtractor], examples: Sequence[Example]
) -> list[RawFeatures]:
    """Features by several extractors of one model from one pass; layers and sketches may differ."""
    model, positions = extractors[0].model, extractors[0].positions
    if any(other.model is not model or other.positions != positions for other in extractors):
        raise InvalidInput("extractors that share a pass must have the same model and the same positions")
    device = next(model.parameters()).device
    values = [torch.zeros(len(examples), len(e.layers), e.block_dim, device=device) for e in extractors]
    with torch.enable_grad(), ExitStack() as hooks:
        for extractor, into in zip(extractors, values, strict=True):
            hooks.enter_context(extractor.recording(into))
        losses = answer_losses(model, examples, cached_prompt=positions == "answer")
        torch.autograd.backward(losses.sum())
    return [RawFeatures(found.cpu(), losses.detach().cpu()) for found in values]


class EmbeddingExtractor:
    """The mean last hidden state: one block. The cheap alternative to gradients."""

    blocks = ("hidden",)

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self.block_dim = int(causal_model(model).config.hidden_size)

    def __call__(self, examples: Sequence[Example]) -> RawFeatures:
        """Features of one micro-batch."""
        values = mean_hidden_state(self._model, examples)[:, None, :].cpu()
        return RawFeatures(values, torch.full((len(examples),), torch.nan))


def make_extractor(model: nn.Module, spec: FeatureSpec) -> GradientExtractor | EmbeddingExtractor:
    """The extractor that the spec asks for."""
    return GradientExtractor(model, spec) if spec.kind == "gradient" else EmbeddingExtractor(model)
