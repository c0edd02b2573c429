"""MLflow: a selection's request, numbers and items with the run that uses them.

import mlflow
from evoselect_client import Client
from evoselect_client.integrations.mlflow import log_selection

with Client() as client, mlflow.start_run():
    log_selection(next(client.selections.list()))
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from evoselect_client.integrations import needed
from evoselect_client.integrations.selecting import summary
from evoselect_client.models import Selection

with needed("mlflow"):
    import mlflow

MAX_PARAMETER = 500  # characters that MLflow keeps of a parameter


def log_selection(selection: Selection, *, prefix: str = "evoselect") -> None:
    """Log to the active run: parameters, metrics, the tag <prefix>.selection_id, and items.jsonl."""
    mlflow.log_params({f"{prefix}.{name}": _short(value) for name, value in selection.request.items()})
    mlflow.log_metrics({f"{prefix}.{name}": value for name, value in summary(selection).items()})
    mlflow.set_tag(f"{prefix}.selection_id", selection.id)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "items.jsonl"
        with path.open("w", encoding="utf-8") as file:
            for item in selection.items():
                file.write(item.model_dump_json() + "\n")
        mlflow.log_artifact(str(path), artifact_path=prefix)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= MAX_PARAMETER else text[: MAX_PARAMETER - 3] + "..."
