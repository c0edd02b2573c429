"""Items as the tables of other packages, which are imported when they are asked for."""

from __future__ import annotations

import importlib
from functools import partial
from typing import Any

from evoselect_client.core.steps import Steps, Values, Work, each
from evoselect_client.errors import BadInputError


def frame(items: Values[Any]) -> Steps[Any]:
    """See Selection.to_pandas; `rank` is the index."""
    try:
        pandas = yield Work(partial(importlib.import_module, "pandas"))
    except ImportError:
        raise BadInputError("to_pandas needs pandas: pip install pandas") from None
    found: list[dict[str, Any]] = []
    yield from each(items, lambda page: found.extend(_row(item) for item in page))
    columns = None if found else ["rank", "id"]
    return pandas.DataFrame(found, columns=columns).set_index("rank")


def _row(item: Any) -> dict[str, Any]:
    """The reasons, then the fields of the record that have no namesake among them."""
    own = item.model_dump(exclude={"record"})
    return {**own, **{name: value for name, value in item.record.items() if name not in own}}
