"""Weights & Biases: a selection as an artifact and a table of the run that uses it.

import wandb
from evoselect_client import Client
from evoselect_client.integrations.wandb import log_selection

with Client() as client, wandb.init(project="selection") as run:
    log_selection(next(client.selections.list()), run)
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from evoselect_client.integrations import needed
from evoselect_client.integrations.selecting import summary
from evoselect_client.models import Item, Selection

with needed("wandb"):
    import wandb

MAX_ROWS = 10_000  # that W&B's pages show of a table
COLUMNS = ("rank", "id", "score", "weight", "repeats", "why", "prompt", "completion")


def log_selection(selection: Selection, run: wandb.Run, *, name: str = "selection") -> wandb.Artifact:
    """Log a completed selection: the artifact `name` of type dataset, a table, its request and its numbers.

    The artifact has the selected rows as they came (rows.jsonl), and the items with their reasons (the table
    `items`, the first 10,000); W&B makes a new version where the content is new. The artifact's alias is the
    selection's id. The request goes into the run's config, the numbers into its summary.
    """
    run.config.update(
        {"evoselect": {"selection_id": selection.id, **selection.request}}, allow_val_change=True
    )
    run.summary.update({f"evoselect/{key}": value for key, value in summary(selection).items()})
    rows = [_row(item) for item, _ in zip(selection.items(), range(MAX_ROWS), strict=False)]
    table = wandb.Table(columns=list(COLUMNS), data=rows)
    artifact = wandb.Artifact(name, type="dataset", metadata={"request": selection.request})
    with tempfile.TemporaryDirectory() as folder:
        artifact.add_file(str(selection.to_jsonl(Path(folder) / "rows.jsonl")))
        artifact.add(table, "items")
        run.log_artifact(artifact, aliases=["latest", selection.id])
    run.log({"evoselect/items": table})
    return artifact


def _row(item: Item) -> list[Any]:
    record = item.record
    prompt = record.get("prompt") or "\n".join(
        f"{turn['role']}: {turn['content']}" for turn in record.get("messages", [])
    )
    found = {
        **item.model_dump(include=set(COLUMNS)),
        "prompt": prompt,
        "completion": record.get("completion"),
    }
    return [found[name] for name in COLUMNS]
