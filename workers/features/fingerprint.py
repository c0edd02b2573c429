"""What decides a feature row, as one hash: equal hashes mean equal features, any difference recomputes."""

import hashlib
import json
from collections.abc import Sequence

from evoselect.spec.features import FeatureSpec
from store.records.record import Record
from workers.models.conventions import CLOCK
from workers.models.loading import LoadedModel
from workers.models.rendering import resolve

FEATURES_VERSION = 4  # raise with every change of the features' numbers
# They act later, or not on the numbers; which checkpoint it is shows in the model's fingerprint.
NOT_NUMBERS = {
    "batch_tokens",
    "checkpoints",
    "conditioning",
    "shrinkage",
    "match",
    "hidden_share",
    "hidden_conditioning",
    "on_bad_row",
    "allow_partial",
    "keep_features",
    "funnel",
}
RESOLVED = {"dtype", "max_length", "rendering"}  # what they came to mean here is in the fingerprint instead


def sketch_fingerprint(loaded: LoadedModel, spec: FeatureSpec) -> str:
    """Of everything but the record: model, adapter, tokenizer and template (by contents), settings, code."""
    settings = spec.model_dump(mode="json", exclude=NOT_NUMBERS | RESOLVED)
    return _digest(
        {
            "model": loaded.fingerprint,
            "settings": settings,
            "max_length": max_length(loaded, spec),
            "dtype": str(loaded.dtype),
            "rendering": resolve(spec.rendering, loaded.tokenizer),
            "clock": CLOCK.isoformat(),
            "device": loaded.device.type,
            "code": FEATURES_VERSION,
        }
    )


def block_key(sketch: str, records: Sequence[Record], tenant: str) -> str:
    """Cache key of a block of rows in this order, salted by tenant so that nobody learns what others have."""
    return _digest({"sketch": sketch, "rows": [record.content_hash for record in records], "tenant": tenant})


def max_length(loaded: LoadedModel, spec: FeatureSpec) -> int:
    """Longest prompt + answer in tokens: the spec's, within the model's window."""
    return min(spec.max_length or loaded.max_length, loaded.max_length)


def _digest(value: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
