"""Hugging Face datasets: the selected rows of a Dataset, in rank order.

from datasets import Dataset
from evoselect_client import Client
from evoselect_client.integrations.hf_datasets import select_rows

with Client() as client:
    picked = select_rows(client, Dataset.from_json("pool.jsonl"), target="target.jsonl", ratio=0.25)
"""

from __future__ import annotations

from typing import Any

from evoselect_client.client import Client
from evoselect_client.data.sources import Records
from evoselect_client.integrations import needed
from evoselect_client.integrations.selecting import select

with needed("datasets"):
    from datasets import Dataset

WEIGHT, RANK = "evoselect_weight", "evoselect_rank"


def select_rows(
    client: Client, candidates: Dataset, *, target: Records | str, weights: bool = False, **options: Any
) -> Dataset:
    """The rows worth training on; with `weights`, columns evoselect_weight and evoselect_rank beside them.

    Options are those of `selections.create`, and `timeout`. Rows may have any shape that pools take.
    """
    selection = select(client, target, candidates, **options)
    picked = selection.to_dataset(candidates)
    if weights:
        items = list(selection.items())
        picked = picked.add_column(WEIGHT, [item.weight for item in items])
        picked = picked.add_column(RANK, [item.rank for item in items])
    return picked
