"""distilabel: a global step that keeps the rows worth training on.

from distilabel.pipeline import Pipeline
from distilabel.steps import LoadDataFromDicts
from evoselect_client.integrations.distilabel import SelectRows

rows = [{"prompt": f"{n} + 2?", "completion": str(n + 2)} for n in range(12)]
with Pipeline("picked") as pipeline:
    LoadDataFromDicts(data=rows) >> SelectRows(target="target.jsonl", request={"k": 3})
"""

from typing import Any

from evoselect_client.client import Client
from evoselect_client.integrations import needed
from evoselect_client.integrations.selecting import select

with needed("distilabel"):
    from distilabel.steps import GlobalStep, StepInput
    from distilabel.typing import StepOutput


class SelectRows(GlobalStep):  # type: ignore[misc, unused-ignore]
    """Takes all rows, with columns prompt and completion; gives the selected ones in rank order.

    Added columns: evoselect_rank and evoselect_weight. `request` has the arguments of `selections.create`,
    such as k (distilabel forgets a field of that name when it stores a pipeline). Address and key come from
    EVOSELECT_URL and EVOSELECT_API_KEY. A pipeline that runs again over the same rows finds its job.
    """

    target: Any
    request: dict[str, Any]

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
            identity = f"distilabel/{self.name}"
            selection = select(client, self.target, records, identity=identity, **self.request)
            items = list(selection.items())
        yield [
            {**inputs[int(item.id)], "evoselect_rank": item.rank, "evoselect_weight": item.weight}
            for item in items
        ]
