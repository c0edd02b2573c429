"""Which rows of a dataset were selected: found by what they hold, whatever shape they have.

The service gives back the selected rows as they came. Both sides are compared as JSON without the members
that are null, since datasets fill columns that a row lacks.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from evoselect_client.core.steps import Steps, Values, Work, each
from evoselect_client.data.sources import rows

SHOWN = 3  # missing rows that an error names


def selected_rows(originals: Values[str], dataset: Any) -> Steps[Any]:
    """See Selection.to_dataset; `originals` are the selected rows as lines, in rank order."""
    wanted: list[str] = []
    yield from each(originals, lambda lines: wanted.extend(_key(json.loads(line)) for line in lines))
    places = yield Work(partial(_places, wanted, dataset))
    return dataset.select(places)


def _places(wanted: list[str], dataset: Any) -> list[int]:
    """Row numbers in the order of `wanted`; what stands twice is taken where it stands first."""
    found: dict[str, int] = {}
    left = set(wanted)
    for number, row in enumerate(rows(dataset)):
        if (key := _key(row)) in left:
            left.remove(key)
            found[key] = number
    if left:
        ranks = [str(rank) for rank, key in enumerate(wanted, 1) if key in left]
        raise ValueError(
            f"{len(left)} of {len(wanted)} selected items are not in this dataset (those with the ranks "
            f"{', '.join(ranks[:SHOWN])}{', ...' if len(ranks) > SHOWN else ''}): pass the dataset that was "
            "sent to the pool, unchanged."
        )
    return [found[key] for key in wanted]


def _key(row: Any) -> str:
    """Equal for rows that hold the same values; times as the service writes them."""
    return json.dumps(_plain(row), ensure_ascii=False, sort_keys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items() if one is not None and one == one}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, float) and value.is_integer():  # a column of numbers has one type
        return int(value)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
