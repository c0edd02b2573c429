"""Which linear layers of a causal language model the gradient is taken of."""

import re
from dataclasses import dataclass
from typing import Any

from torch import nn

from evoselect.errors import InvalidInput

LAYER_NUMBER = re.compile(r"\.(\d+)\.")  # the decoder layer in a name such as model.layers.12.mlp.down_proj


@dataclass(frozen=True, slots=True)
class LinearLayer:
    """A chosen module and its shape."""

    name: str
    """As in the model without an adapter."""
    module: Any
    inputs: int
    outputs: int


def causal_model(model: nn.Module) -> Any:
    """The causal language model itself, without the wrapper that PEFT puts around it."""
    get_base: Any = getattr(model, "get_base_model", None)
    return get_base() if get_base else model


def choose_layers(model: nn.Module, layers: str, modules: str, *, adapter: bool = False) -> list[LinearLayer]:
    """Linear modules of the decoder layers ``layers`` whose last name matches ``modules``, in model order.

    ``adapter``: in their place the two factors of the LoRA adapter on each. Raises InvalidInput when none is
    left, naming what there is.
    """
    found = _linear_layers(causal_model(model), adapter=adapter)
    every = [layer for layer in found if LAYER_NUMBER.search(layer.name)]
    numbers = sorted({_number(layer.name) for layer in every})
    wanted = _wanted(numbers, layers)
    pattern = re.compile(modules)
    chosen = [e for e in every if _number(e.name) in wanted and pattern.fullmatch(_kind(e.name))]
    if not chosen:
        there = sorted({_kind(layer.name) for layer in every})
        raise InvalidInput(
            f"no linear layer{' of an adapter' * adapter} matches layers={layers!r} and modules={modules!r}: "
            f"the model has {len(numbers)} decoder layers with {there}"
        )
    return chosen


def _wanted(numbers: list[int], layers: str) -> set[int]:
    if layers == "all":
        return set(numbers)
    kind, _, count = layers.partition("-")
    if kind == "top":
        return set(numbers[-int(count) :])
    return set(numbers[:: -int(count)])  # every: the last layer, and every count-th below it


def _kind(name: str) -> str:
    """The last part of a module's name, such as q_proj, also for an adapter's factors on it."""
    return name.removesuffix(".lora_A").removesuffix(".lora_B").rpartition(".")[2]


def _number(name: str) -> int:
    found = LAYER_NUMBER.search(name)
    if not found:
        raise InvalidInput(f"{name} is not inside a numbered decoder layer")
    return int(found.group(1))


def _linear_layers(model: nn.Module, *, adapter: bool) -> list[LinearLayer]:
    """Linear and Conv1D (GPT-2's transposed linear) modules: the base model's, or its adapter's."""
    found = []
    for path, module in model.named_modules():
        name = path.removesuffix(".base_layer").removesuffix(".default")
        if ("lora_" in name) != adapter:
            continue
        if isinstance(module, nn.Linear):
            found.append(LinearLayer(name, module, module.in_features, module.out_features))
        elif type(module).__name__ == "Conv1D":
            rows, columns = module.weight.shape  # (in, out)
            found.append(LinearLayer(name, module, int(rows), int(columns)))
    return found
