"""Whether a row's feature depends on the rows beside it, tried on this device before anything is computed.

Every device has attention kernels of its own, and how rows are cut into batches follows lengths and memory. A
row must not change by it. Where the model's own attention fails the trial, the plain one takes its place;
where that fails too, features are refused. Once for each process, base model (with or without an adapter) and
kind of pass, when it computes.
"""

import logging
from collections.abc import Sequence
from typing import Any

import torch

from evoselect.gradients.extractor import make_extractor
from evoselect.gradients.layers import causal_model
from evoselect.gradients.trials import batch_difference
from evoselect.spec.features import FeatureSpec
from store.errors import Invalid
from store.jobs.results import BatchCheck
from store.kit.json import Json
from workers.models import adam_moments as moments
from workers.models.loading import LoadedModel

logger = logging.getLogger(__name__)
PLAIN = "eager"  # transformers' attention in matrix products, which every device has
# Distances of unit rows. Measured on a CPU (docs/features.md): rounding 3e-6 and 0.04, a mask that lets
# padding through 1.2. Far above rounding: a larger model rounds more often and must not be refused for it.
TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.3}
PASS = ("kind", "positions", "layers", "modules", "precondition")  # settings that decide what runs

_settled: dict[tuple[object, ...], BatchCheck | str] = {}
"""What came of the trials of this process: a check, or why features are refused."""


def settle(loaded: LoadedModel, spec: FeatureSpec) -> BatchCheck:
    """Give the model an attention by which features do not depend on their batch here.

    Raises Invalid (``batch_dependent``) where it has none.
    """
    kind = tuple(getattr(spec, name) for name in PASS)
    made = (loaded.base_fingerprint, loaded.adapter is None)  # a round of a loop has another adapter alone
    key = (*made, loaded.dtype, loaded.device.type, *kind)
    if key not in _settled:
        _settled[key] = _tried(loaded, spec)
    found = _settled[key]
    if isinstance(found, str):
        raise Invalid(found, code="batch_dependent")
    _take(loaded, found.attention)  # a model that was loaded anew has its own again
    return found


def by_device(checks: Sequence[BatchCheck | None]) -> list[Json]:
    """One for all shards of one kind of device and attention: the largest difference, and their number."""
    kinds: dict[tuple[object, ...], list[BatchCheck]] = {}
    for check in checks:
        if check is not None:
            kinds.setdefault((check.device, check.dtype, check.attention, check.refused), []).append(check)
    largest = [(max(same, key=lambda check: check.difference), len(same)) for same in kinds.values()]
    return [check.model_dump() | {"shards": shards} for check, shards in largest]


def _tried(loaded: LoadedModel, spec: FeatureSpec) -> BatchCheck | str:
    own, tolerance, where = _attention(loaded), TOLERANCE[loaded.dtype], _device(loaded)
    first = _difference(loaded, spec)
    made = {"device": where, "dtype": str(loaded.dtype).removeprefix("torch."), "tolerance": tolerance}
    if first <= tolerance:
        what = "features of %r do not depend on their batch on %s: %s"
        logger.info(what, loaded.alias, where, _by(own, first))
        return BatchCheck(**made, attention=own, difference=first)
    failed = f"features of {loaded.alias!r} depend on their batch on {where}: {_by(own, first)}"
    _take(loaded, PLAIN)
    if _attention(loaded) != own:  # some models have one attention alone, and keep it
        second = _difference(loaded, spec)
        if second <= tolerance:
            logger.warning("%s; %s takes its place", failed, _by(PLAIN, second))
            return BatchCheck(**made, attention=PLAIN, difference=second, refused=own)
        _take(loaded, own)
        failed += f", {_by(PLAIN, second)}"
    reason = f"{failed}; at most {tolerance:g} is rounding: take another model, dtype or device"
    logger.error("%s", reason)
    return reason


def _difference(loaded: LoadedModel, spec: FeatureSpec) -> float:
    extractor = make_extractor(loaded.model, spec, moments.read(loaded, spec))
    vocabulary = int(loaded.base.get_input_embeddings().weight.shape[0])
    return round(batch_difference(extractor, loaded.max_length, vocabulary), 8)


def _by(attention: str, difference: float) -> str:
    return f"by attention {attention} they differ by {difference:.2g}"


def _attention(loaded: LoadedModel) -> str:
    causal: Any = causal_model(loaded.model)
    return str(causal.config._attn_implementation)


def _take(loaded: LoadedModel, attention: str) -> None:
    if _attention(loaded) != attention:
        causal: Any = causal_model(loaded.model)
        causal.set_attn_implementation(attention)


def _device(loaded: LoadedModel) -> str:
    kind = loaded.device.type
    return f"{kind} {torch.cuda.get_device_name(loaded.device)}" if kind == "cuda" else kind
