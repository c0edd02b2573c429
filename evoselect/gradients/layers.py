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
    module: nn.Module
    inputs: int
    outputs: int


def causal_model(model: nn.Module) -> Any:
    """The causal language model itself, without the wrapper that PEFT puts around it."""
    get_base: Any = getattr(model, "get_base_model", None)
    return get_base() if get_base else model


def choose_layers(model: nn.Module, layers: str, modules: str) -> list[LinearLayer]:
    """Linear modules of the decoder layers ``layers`` whose last name matches ``modules``, in model order.

    Raises InvalidInput when none is left, naming what there is.
    """
    every = [layer for layer in _linear_layers(causal_model(model)) if LAYER_NUMBER.search(layer.name)]
    numbers = sorted({_number(layer.name) for layer in every})
    wanted = _wanted(numbers, layers)
    pattern = re.compile(modules)
    chosen = [e for e in every if _number(e.name) in wanted and pattern.fullmatch(e.name.rpartition(".")[2])]
    if not chosen:
        there = sorted({layer.name.rpartition(".")[2] for layer in every})
        raise InvalidInput(
            f"no linear layer matches layers={layers!r} and modules={modules!r}: "
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


def _number(name: str) -> int:
    found = LAYER_NUMBER.search(name)
    if not found:
        raise InvalidInput(f"{name} is not inside a numbered decoder layer")
    return int(found.group(1))


def _linear_layers(model: nn.Module) -> list[LinearLayer]:
    """Linear and Conv1D (GPT-2's transposed linear) modules; of an adapted layer the base alone."""
    found = []
    for path, module in model.named_modules():
        name = path.removesuffix(".base_layer")
        if "lora_" in name:
            continue
        if isinstance(module, nn.Linear):
            found.append(LinearLayer(name, module, module.in_features, module.out_features))
        elif type(module).__name__ == "Conv1D":
            rows, columns = module.weight.shape  # (in, out)
            found.append(LinearLayer(name, module, int(rows), int(columns)))
    return found
