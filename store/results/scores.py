"""What an evaluation found of one example, by measure."""

from collections.abc import Mapping
from typing import Any


def score(measure: str, row: Mapping[str, Any]) -> float | None:
    """The number of a row of an evaluation; None where the measure does not apply to the example."""
    if measure == "accuracy":
        return None if row["predicted"] is None else float(row["predicted"] == row["answer"])
    value = row.get(measure)
    return None if value is None else float(value)
