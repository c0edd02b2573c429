"""What is compared, at which size, and how it is trained."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.quality.names import CONTROL, MATCHED, OURS
from benchmarks.quality.plan import K
from benchmarks.quality.training import SPEC

Json = dict[str, Any]

ARMS: tuple[str | Json, ...] = (  # by the names that rows go by
    CONTROL,
    {"name": MATCHED, "method": "random_tokens"},
    {"name": OURS, "method": "capacity"},
    {"name": "round-robin", "method": "round_robin"},
    "tsds",
    {
        "name": "rds+",
        "method": "round_robin",
        "features": {"kind": "hidden", "hidden_weighting": "position"},
    },
    "less",
    "exponentiated",
)
TRAINING = SPEC.model_dump(exclude_unset=True)


@dataclass(frozen=True)
class Setting:
    """The size of a comparison; None takes all that there is."""

    k: int
    arms: Sequence[str | Json]
    training: Json
    candidates: int | None = None
    targets: int | None = None
    tests: int | None = None

    def rows(self, records: Sequence[Any], most: int | None) -> list[Json]:
        """The first records as a client sends them."""
        names = ("id", "prompt", "completion", "choices", "answer", "metadata")
        return [{name: getattr(record, name) for name in names} for record in records[:most]]


WHOLE = Setting(K, ARMS, TRAINING)
SMALL = Setting(8, (CONTROL, ARMS[2]), {**TRAINING, "max_steps": 2}, candidates=24, targets=6, tests=12)
