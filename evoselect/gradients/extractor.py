"""Sketched per-example gradients of linear layers from one batched backward through activations only.

Hooks keep each chosen layer's sketched input xP (b, t, p); when its output gradient d (b, t, out) arrives,
sum_t (xP)' (dQ) is the two-sided sketch of the example's weight gradient, which is never formed (ours); a
third matrix takes it to the wanted numbers (evoselect.gradients.projection).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from evoselect.errors import InvalidInput
from evoselect.gradients.examples import Example
from evoselect.gradients.layers import LinearLayer, causal_model, choose_layers
from evoselect.gradients.passes import answer_losses, mean_hidden_state
from evoselect.gradients.projection import GradientSketch, gradient_sketch, sketch_bytes
from evoselect.gradients.states import StateSums
from evoselect.spec.features import FeatureSpec

ADAM_EPS = 1e-8  # beside the root, where Adam has it (LESS has it under the root)


@dataclass(frozen=True, slots=True)
class RawFeatures:
    """Features of a micro-batch before any conditioning."""

    values: Tensor
    """(b, blocks, block_dim) float32: one block for each chosen layer."""
    nll: Tensor
    """(b,) float32: mean negative log-likelihood of the answer tokens, in nats; NaN for hidden states."""
    hidden: Tensor | None = None
    """(b, hidden) float32: mean hidden state, for kind ``combined``."""


class GradientExtractor:
    """Gradient of the mean answer-token loss with respect to the chosen layers' weights, sketched by layer.

    The model must be in evaluation mode with frozen weights, so that the graph starts at the lowest chosen
    layer. With an adapter, the gradient is that of the adapted layer's base weight, at the adapted model.

    ``precondition: adam`` takes the adapter's own weights instead, with their second moments v, shaped as the
    weights. Each gradient is then formed (an adapter is small) and scaled by (sqrt(v) + ADAM_EPS)^-1/2 before
    its sketch: the inner product of two rows is <g / (sqrt(v) + eps), g'>, LESS's with Adam's place for eps.
    Left out of LESS's form: the first moment, which is the same for all rows, and the row's own share in v.
    """

    def __init__(
        self, model: nn.Module, spec: FeatureSpec, moments: Mapping[str, Tensor] | None = None
    ) -> None:
        if model.training or any(weight.requires_grad for weight in model.parameters()):
            raise InvalidInput("the model must be frozen: call eval() and requires_grad_(False) first")
        self.model = model
        self.positions = spec.positions
        self.weighting = spec.hidden_weighting if spec.kind == "combined" else None
        adam = spec.precondition == "adam"
        self.layers = choose_layers(model, spec.layers, spec.modules, adapter=adam)
        self._scales = [_scale(layer, moments or {}) if adam else None for layer in self.layers]
        sketches = [_sketch(layer, spec, numbers_of_a_block(self.layers, spec)) for layer in self.layers]
        self._sketches = [
            sketch.to(layer.module.weight) for layer, sketch in zip(self.layers, sketches, strict=True)
        ]
        self.block_dim = sketches[0].dim

    @property
    def blocks(self) -> tuple[str, ...]:
        """Names of the layers, in the order of the blocks."""
        return tuple(layer.name for layer in self.layers)

    def __call__(self, examples: Sequence[Example]) -> RawFeatures:
        """Features of one micro-batch; a row that is not finite does not touch the others."""
        return extract_together([self], examples)[0]

    @contextmanager
    def recording(self, values: Tensor) -> Iterator[None]:
        """Inside, a forward and backward over the model write their features into values.

        values (b, blocks, block_dim) float32, zero at first.
        """
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
        sketch, scale = self._sketches[block], self._scales[block]

        def forward(_module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
            if not torch.is_grad_enabled():  # the prompt's pass
                return
            _require_tensor(output, self.layers[block].name)
            inputs = _by_example(args[0].detach(), len(values), self.layers[block].name)
            if scale is None:
                inputs = inputs @ sketch.left  # (b, t, p): all that is kept until the backward

            def backward(gradient: Tensor) -> None:
                gradient = _by_example(gradient, len(values), self.layers[block].name)
                if scale is None:
                    values[:, block] = sketch.of_sides(inputs, gradient @ sketch.right)
                else:
                    whole = torch.bmm(inputs.float().transpose(1, 2), gradient.float())  # (b, in, out)
                    values[:, block] = sketch.of_gradient(whole * scale)

            if not output.requires_grad:
                output.requires_grad_()  # the lowest chosen layer: the graph starts here
            output.register_hook(backward)  # type: ignore[no-untyped-call]  # torch's stub

        return forward


def _require_tensor(output: object, name: str) -> None:
    if not isinstance(output, Tensor):
        raise InvalidInput(f"{name} returns more than one tensor, as routers do: choose other modules")


def _by_example(tokens: Tensor, examples: int, name: str) -> Tensor:
    """(b, t, n), also of what sees the tokens of all examples one after the other, (b * t, n)."""
    if tokens.ndim == 3:
        return tokens
    if tokens.ndim != 2 or len(tokens) % examples:
        raise InvalidInput(
            f"{name} sees tokens of shape {tuple(tokens.shape)}, not (batch, tokens, features): "
            "choose other modules"
        )
    return tokens.reshape(examples, -1, tokens.shape[1])


def numbers_of_a_block(layers: Sequence[LinearLayer], spec: FeatureSpec) -> int:
    """At most, for each layer: where its sketch is smaller, the sketch's."""
    if spec.dim < len(layers):
        raise InvalidInput(
            f"dim is {spec.dim}, but {len(layers)} layers are chosen and each takes at least one number: "
            "raise dim or choose fewer layers"
        )
    return spec.dim // len(layers)


def extractor_bytes(layers: Sequence[LinearLayer], spec: FeatureSpec, itemsize: int) -> int:
    """Peak of what an extractor of these layers takes before it sees an example, in bytes.

    ``itemsize``: of a number of the model. The scales of ``precondition`` are left out: an adapter is small.
    """
    sides, dim = (spec.sketch_in, spec.sketch_out), numbers_of_a_block(layers, spec)
    needs = [
        sketch_bytes(e.inputs, e.outputs, sides=sides, dim=dim, kind=spec.sketch, itemsize=itemsize)
        for e in layers
    ]
    return sum(kept for kept, _ in needs) + max(more for _, more in needs)


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


def _scale(layer: LinearLayer, moments: Mapping[str, Tensor]) -> Tensor:
    """(in, out) float32 on the layer's device."""
    if layer.name not in moments:
        raise InvalidInput(
            f"precondition 'adam' needs the second moments of {layer.name}, and they are not there: "
            "use an adapter that was trained with all the chosen modules"
        )
    return (moments[layer.name].float().sqrt() + ADAM_EPS).rsqrt().T.to(layer.module.weight.device)


def extract_together(
    extractors: Sequence[GradientExtractor], examples: Sequence[Example]
) -> list[RawFeatures]:
    """Features by several extractors of one model from one pass; layers and sketches may differ."""
    model, positions = extractors[0].model, extractors[0].positions
    if any(other.model is not model or other.positions != positions for other in extractors):
        raise InvalidInput("extractors that share a pass must have the same model and the same positions")
    weighting = extractors[0].weighting
    states = None if weighting is None else StateSums(len(examples), weighting)
    device = next(model.parameters()).device
    values = [torch.zeros(len(examples), len(e.layers), e.block_dim, device=device) for e in extractors]
    with torch.enable_grad(), ExitStack() as hooks:
        for extractor, into in zip(extractors, values, strict=True):
            hooks.enter_context(extractor.recording(into))
        losses = answer_losses(model, examples, cached_prompt=positions == "answer", states=states)
        _run_backward(losses.sum())
    hidden = None if states is None else states.means()
    return [RawFeatures(found.cpu(), losses.detach().cpu(), hidden) for found in values]


def _run_backward(loss: Tensor) -> None:
    try:
        torch.autograd.backward(loss)
    except RuntimeError as error:
        if "inplace operation" not in str(error):
            raise
        raise InvalidInput(
            "the model overwrites what its gradients are computed from, so that it has none here: set "
            "features.kind to hidden, or take another model"
        ) from error


def hidden_size(model: nn.Module) -> int:
    """Numbers of one hidden state."""
    return int(causal_model(model).config.get_text_config().hidden_size)


class HiddenExtractor:
    """The mean last hidden state: one block. The cheap alternative to gradients."""

    blocks = ("hidden",)

    def __init__(self, model: nn.Module, spec: FeatureSpec) -> None:
        self._model = model
        self._weighting = spec.hidden_weighting
        self.block_dim = hidden_size(model)

    def __call__(self, examples: Sequence[Example]) -> RawFeatures:
        """Features of one micro-batch."""
        values = mean_hidden_state(self._model, examples, self._weighting)[:, None, :]
        return RawFeatures(values, torch.full((len(examples),), torch.nan))


def make_extractor(
    model: nn.Module, spec: FeatureSpec, moments: Mapping[str, Tensor] | None = None
) -> GradientExtractor | HiddenExtractor:
    """The extractor that the spec asks for; moments: (out, in) by layer, for precondition adam."""
    return HiddenExtractor(model, spec) if spec.kind == "hidden" else GradientExtractor(model, spec, moments)
