"""data-juicer: a selector for recipes; installed, it is found by its entry point.

process:
  - evoselect_selector:
      target: target.jsonl
      k: 1000
"""

from __future__ import annotations

from typing import Any

from evoselect_client.client import Client
from evoselect_client.integrations import needed
from evoselect_client.integrations.selecting import select

with needed("data-juicer"):
    from data_juicer.ops.base_op import OPERATORS, Selector

OWN = "__dj__"  # begins the names of data-juicer's columns, as of statistics


@OPERATORS.register_module("evoselect_selector")  # type: ignore[untyped-decorator, unused-ignore]
class EvoSelectSelector(Selector):  # type: ignore[misc, unused-ignore]
    """Keeps the rows worth training on, in rank order, with all their columns.

    `target` is a file or the id of a stored target; `request` has more arguments of `selections.create`.
    Rows have any shape that pools take; where the columns of `query_key` and `response_key` are there, these
    are prompt and completion. Address and key come from EVOSELECT_URL and EVOSELECT_API_KEY. The same recipe
    over the same rows finds the job that it began.
    """

    def __init__(
        self,
        target: str = "",
        k: int | None = None,
        request: dict[str, Any] | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.target = target
        self.request = {**({} if k is None else {"k": k}), **(request or {})}

    def process(self, dataset: Any) -> Any:
        """The selected rows of the dataset."""
        records = [self._record(number, row) for number, row in enumerate(dataset)]
        with Client() as client:
            selection = select(client, self.target, records, identity="data-juicer", **self.request)
            return dataset.select([int(item.id) for item in selection.items()])

    def _record(self, number: int, row: dict[str, Any]) -> dict[str, Any]:
        if self.query_key in row and self.response_key in row:
            kept = {"prompt": row[self.query_key], "completion": row[self.response_key]}
        else:
            kept = {name: value for name, value in row.items() if not name.startswith(OWN)}
        return {**kept, "id": str(number)}
