"""Argilla: the selected examples as records that people look through.

import argilla as rg
from evoselect_client import Client
from evoselect_client.integrations.argilla import export

with Client() as client:
    annotation = rg.Argilla(api_url="http://localhost:6900", api_key="argilla.apikey")
    export(next(client.selections.list()), annotation, name="picked")
"""

from __future__ import annotations

from collections.abc import Iterator

from evoselect_client.integrations import needed
from evoselect_client.models import Item, Selection

with needed("argilla"):
    import argilla as rg


def export(
    selection: Selection, client: rg.Argilla, *, name: str, workspace: str | None = None
) -> rg.Dataset:
    """Log the items to the dataset of that name, which is made where there is none.

    A record's id is its content's hash: a second export, or that of another selection with some of the same
    rows, changes records and doubles none.
    """
    dataset = client.datasets(name=name, workspace=workspace)
    if dataset is None:
        dataset = rg.Dataset(
            name=name, workspace=workspace, settings=settings(client), client=client
        ).create()
    dataset.records.log(list(records(selection)))
    return dataset


def settings(client: rg.Argilla) -> rg.Settings:
    """Fields prompt, completion and why, the question whether to keep it, and numbers to filter by."""
    labels = ["yes", "no"]
    return rg.Settings(
        fields=[
            rg.TextField(name="prompt", client=client),
            rg.TextField(name="completion", client=client),
            rg.TextField(name="why", title="Why it was selected", required=False, client=client),
        ],
        questions=[
            rg.LabelQuestion(name="keep", title="Is it worth training on?", labels=labels, client=client)
        ],
        metadata=[
            rg.IntegerMetadataProperty(name="rank", client=client),
            rg.FloatMetadataProperty(name="weight", client=client),
            rg.FloatMetadataProperty(name="score", client=client),
        ],
    )


def records(selection: Selection) -> Iterator[rg.Record]:
    """The items in rank order; chat as one text, a turn a paragraph."""
    for item in selection.items():
        fields = {"prompt": _prompt(item), "completion": item.record["completion"], "why": item.why}
        metadata = {"rank": item.rank, "weight": item.weight}
        if item.score is not None:
            metadata["score"] = item.score
        yield rg.Record(id=item.content_hash, fields=fields, metadata=metadata)


def _prompt(item: Item) -> str:
    turns = item.record.get("messages") or []
    return item.record.get("prompt") or "\n\n".join(f"{turn['role']}: {turn['content']}" for turn in turns)
