"""distilabel: a global step that keeps the rows worth training on.

keep = SelectRows(target="target.jsonl", k=1000)
generate >> keep
"""

from typing import Any

from distilabel.steps import GlobalStep, StepInput
from distilabel.typing import StepOutput
from pydantic import Field

from evoselect_client.client import Client
from evoselect_client.integrations.selecting import select


class SelectRows(GlobalStep):  # type: ignore[misc, unused-ignore]
    """Takes all rows, with columns prompt and completion; gives the selected ones in rank order.

    Added columns: evoselect_rank and evoselect_weight. `request` has more arguments of `selections.create`.
    Address and key come from EVOSELECT_URL and EVOSELECT_API_KEY.
    """

    target: Any
    k: int
    request: dict[str, Any] = Field(default_factory=dict)

    @property
    def inputs(self) -> list[str]:
        """Columns that it needs."""
        return ["prompt", "completion"]

    @property
    def outputs(self) -> list[str]:
        """Columns that it adds."""
        return ["evoselect_rank", "evoselect_weight"]

    def process(self, inputs: StepInput) -> StepOutput:  # type: ignore[override, unused-ignore]
        """Called once with all rows."""
        records = [
            {"id": str(number), "prompt": row["prompt"], "completion": row["completion"]}
            for number, row in enumerate(inputs)
        ]
        with Client() as client:
            selection = select(client, self.target, records, k=self.k, **self.request)
            items = list(selection.items())
        yield [
            {**inputs[int(item.id)], "evoselect_rank": item.rank, "evoselect_weight": item.weight}
            for item in items
        ]
