"""Adam's second moments of an adapter's weights, kept beside the adapter that they were left by."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from evoselect.spec.features import FeatureSpec
from store.errors import Invalid
from workers.models.loading import LoadedModel

FILE = "adam_second_moments.safetensors"
PEFT_PREFIX, PEFT_SUFFIX = "base_model.model.", ".default.weight"


def write(model: nn.Module, optimizer: Any, folder: Path) -> None:
    """Store v / (1 - beta2^t) of every trained weight, by the name of its module, in bfloat16.

    bfloat16 has the range that squares of gradients need, and its 3 digits are plenty for a scale.
    """
    betas = {id(weight): group["betas"] for group in optimizer.param_groups for weight in group["params"]}
    found = {}
    for name, weight in model.named_parameters():
        state = optimizer.state.get(weight)
        if state:
            corrected = state["exp_avg_sq"] / (1 - betas[id(weight)][1] ** float(state["step"]))
            module = name.removeprefix(PEFT_PREFIX).removesuffix(PEFT_SUFFIX)
            found[module] = corrected.to("cpu", torch.bfloat16).contiguous()
    save_file(found, folder / FILE)


def read(loaded: LoadedModel, spec: FeatureSpec) -> dict[str, Tensor] | None:
    """The moments that the spec asks for, shaped as the weights; raises Invalid where the model has none."""
    require(loaded, spec)
    if spec.precondition == "none" or loaded.adapter is None:
        return None
    return {name: moment.float() for name, moment in load_file(loaded.adapter / FILE).items()}


def require(loaded: LoadedModel, spec: FeatureSpec) -> None:
    """Raise Invalid where the spec asks for moments and the model has none."""
    if spec.precondition == "none":
        return
    if loaded.adapter is None or not (loaded.adapter / FILE).is_file():
        raise Invalid(
            f"features.precondition is 'adam', but model {loaded.alias!r} has no optimizer state beside it: "
            "name an adapter that a training of this release made, or set precondition to none",
            code="no_optimizer_state",
        )
