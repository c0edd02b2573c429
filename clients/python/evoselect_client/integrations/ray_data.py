"""Ray Data: the rows of a distributed dataset that are worth training on.

import ray
from evoselect_client import Client
from evoselect_client.integrations.ray_data import select_rows

with Client() as client:
    picked = select_rows(client, ray.data.read_json("pool.jsonl"), target="target.jsonl", k=3)
"""

from __future__ import annotations

from typing import Any

from evoselect_client.client import Client
from evoselect_client.data.sources import Records
from evoselect_client.integrations import needed
from evoselect_client.integrations.selecting import select
from evoselect_client.models import Selection

with needed("ray"):
    import ray.data


def select_rows(
    client: Client, candidates: ray.data.Dataset, *, target: Records | str, **options: Any
) -> ray.data.Dataset:
    """Stream the rows to the service, and give the selected records as a dataset in rank order."""
    return to_ray(select(client, target, candidates.iter_rows(), **options))


def to_ray(selection: Selection) -> ray.data.Dataset:
    """A completed selection's records, with evoselect_rank and evoselect_weight beside their fields."""
    return ray.data.from_items(
        [
            {**item.record, "evoselect_rank": item.rank, "evoselect_weight": item.weight}
            for item in selection.items()
        ]
    )
