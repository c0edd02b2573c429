"""Sums of a shard, and what was fitted to those of all shards, as files hold them (ours)."""

from collections.abc import Mapping

import torch
from torch import Tensor

from evoselect.representations.conditioning import Conditioner
from evoselect.representations.shards import Fitted, Totals
from evoselect.representations.sums import Sums

SUMS = ("totals", "counts", "sample")
CONDITIONER = ("weights", "mean", "form", "directions", "scales")


def totals_to_tensors(totals: Totals) -> dict[str, Tensor]:
    """The sums by name; totals (forms, d), the others as in `Sums`."""
    sides = {"values": totals.values} | ({} if totals.hidden is None else {"hidden": totals.hidden})
    named = {
        f"{side}.{name}": getattr(sums, name).contiguous() for side, sums in sides.items() for name in SUMS
    }
    return named | {"norms": totals.norms}


def totals_from_tensors(named: Mapping[str, Tensor]) -> Totals:
    """The inverse: named (forms, d) and others; raises KeyError where a name is missing."""
    values, hidden = (
        Sums(*(named[f"{side}.{name}"] for name in SUMS)) if f"{side}.totals" in named else None
        for side in ("values", "hidden")
    )
    if values is None:
        raise KeyError("values.totals")
    return Totals(named["norms"], values, hidden)


def fitted_to_tensors(fitted: Fitted) -> dict[str, Tensor]:
    """What was fitted by name, to the last bit; mean (d,), the others as in `Conditioner`."""
    sides = {"values": fitted.values} | ({} if fitted.hidden is None else {"hidden": fitted.hidden})
    named = {"share": torch.tensor(fitted.share, dtype=torch.float64)}
    for side, conditioner in sides.items():
        named |= {f"{side}.{name}": getattr(conditioner, name).contiguous() for name in CONDITIONER}
        named[f"{side}.rest"] = torch.tensor(conditioner.rest, dtype=torch.float64)
    return named


def fitted_from_tensors(named: Mapping[str, Tensor]) -> Fitted:
    """The inverse: named (d,) and others; raises KeyError where a name is missing."""

    def side(name: str) -> Conditioner:
        weights, mean, form, directions, scales = (named[f"{name}.{part}"] for part in CONDITIONER)
        return Conditioner(weights, mean, form, directions, scales, float(named[f"{name}.rest"]))

    return Fitted(side("values"), side("hidden") if "hidden.mean" in named else None, float(named["share"]))
