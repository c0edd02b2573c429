"""Which linear layers of a causal language model the gradient is taken of, and how much that is of it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from torch import nn

from evoselect.errors import InvalidInput
from evoselect.spec.features import EVERY_MODULE

LAYER_NUMBER = re.compile(r"\.(\d+)\.")  # the decoder layer in a name such as model.layers.12.mlp.down_proj
# In the name of what sees another text or a picture: nothing of a record goes through it.
ELSEWHERE = re.compile(r"\.(encoder_attn|crossattention|cross_attn)\.")
EXPERTS = ".experts."  # in the name of what only some tokens go through, those of several examples mixed


@dataclass(frozen=True, slots=True)
class LinearLayer:
    """A chosen module and its shape."""

    name: str
    """As in the model without an adapter."""
    module: Any
    inputs: int
    outputs: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """What the features see of the decoder layers that they are taken of."""

    modules: list[str]
    """Last names of the chosen modules, sorted."""
    unseen: list[str]
    """Last names of the matrices that are in none of them, sorted."""
    share: float
    """Of the weights in matrices, in [0, 1]."""


def causal_model(model: nn.Module) -> Any:
    """The causal language model itself, without the wrapper that PEFT puts around it."""
    get_base: Any = getattr(model, "get_base_model", None)
    return get_base() if get_base else model


def decoder(model: nn.Module) -> Any:
    """The model below its output embedding."""
    causal = causal_model(model)
    found = causal.get_decoder()  # what its forward runs: OPT's is not the module of its base_model_prefix
    return causal.base_model if isinstance(found, nn.Linear) else found  # ModernBERT's head is named so


def choose_layers(model: nn.Module, layers: str, modules: str, *, adapter: bool = False) -> list[LinearLayer]:
    """Linear modules of the decoder layers ``layers`` whose last name is one of ``modules``, in model order.

    ``modules``: names or globs, separated by |. ``adapter``: in their place the two factors of the LoRA
    adapter on each. Raises InvalidInput when none is left, naming what there is, and where every module is
    asked for of a model whose experts no module is.
    """
    found = _linear_layers(causal_model(model), adapter=adapter)
    every = [layer for layer in found if LAYER_NUMBER.search(layer.name) and EXPERTS not in layer.name]
    numbers = sorted({_number(layer.name) for layer in every})
    wanted = _wanted(numbers, layers)
    chosen = [e for e in every if _number(e.name) in wanted and _matches(_kind(e.name), modules)]
    if not chosen:
        there = sorted({_kind(layer.name) for layer in every})
        raise InvalidInput(
            f"no linear layer{' of an adapter' * adapter} matches layers={layers!r} and modules={modules!r}: "
            f"the model has {len(numbers)} decoder layers with {there}"
        )
    if modules == EVERY_MODULE and not adapter:
        _require_all_seen(model, chosen)
    return chosen


def coverage(model: nn.Module, chosen: Sequence[LinearLayer]) -> Coverage:
    """How much of their decoder layers the chosen modules are; norms and biases do not count."""
    names = {layer.name for layer in chosen}
    numbers = {_number(name) for name in names}
    seen, whole, unseen = 0, 0, set()
    reading = {id(weight) for weight in decoder(model).parameters()}
    for path, weight in causal_model(model).named_parameters():
        number = LAYER_NUMBER.search(path)
        if "lora_" in path or weight.ndim < 2 or number is None or int(number.group(1)) not in numbers:
            continue
        if id(weight) not in reading or ELSEWHERE.search(path):
            continue
        owner, _, own = path.replace(".base_layer", "").rpartition(".")
        whole += weight.numel()
        if owner in names:
            seen += weight.numel()
        else:
            unseen.add(_matrix(owner, own))
    return Coverage(sorted({_kind(name) for name in names}), sorted(unseen), seen / whole if whole else 1.0)


def _require_all_seen(model: nn.Module, chosen: Sequence[LinearLayer]) -> None:
    """The experts of a layer are one tensor each, or see tokens of many examples: no module's gradient."""
    found = coverage(model, chosen)
    experts = [name for name in found.unseen if "expert" in name]
    if experts:
        raise InvalidInput(
            f"features cannot see the experts of this model ({', '.join(experts)}): its linear layers are "
            f"{found.share:.0%} of a layer's weights. Name them to select by these alone (features.modules: "
            f"{'|'.join(found.modules)!r}), or take a dense model or features.kind 'hidden'"
        )


def _matches(name: str, modules: str) -> bool:
    return any(fnmatchcase(name, glob) for glob in modules.split("|"))


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


def _matrix(owner: str, own: str) -> str:
    """What a parameter that no module shows is called: down_proj, or experts.down_proj."""
    kind = _kind(owner)
    if EXPERTS in owner:
        return f"experts.{kind}"
    return kind if own == "weight" else f"{kind}.{own}"


def _number(name: str) -> int:
    found = LAYER_NUMBER.search(name)
    if not found:
        raise InvalidInput(f"{name} is not inside a numbered decoder layer")
    return int(found.group(1))


def _linear_layers(model: nn.Module, *, adapter: bool) -> list[LinearLayer]:
    """Linear and Conv1D (GPT-2's transposed linear) modules: the base model's, or its adapter's.

    Of what reads text alone: a model may also have layers that see pictures.
    """
    found = []
    reading = {id(module) for module in decoder(model).modules()}
    for path, module in model.named_modules():
        name = path.removesuffix(".base_layer").removesuffix(".default")
        if ("lora_" in name) != adapter or id(module) not in reading or ELSEWHERE.search(name):
            continue
        if isinstance(module, nn.Linear):
            found.append(LinearLayer(name, module, module.in_features, module.out_features))
        elif type(module).__name__ == "Conv1D":
            rows, columns = module.weight.shape  # (in, out)
            found.append(LinearLayer(name, module, int(rows), int(columns)))
    return found
