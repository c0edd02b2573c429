"""Phase `train`: LoRA-SFT of a base model on the records of a selection; the result is a model row."""

import importlib.metadata
import tempfile
from pathlib import Path
from typing import Any

from evoselect.spec.training import TrainingSpec
from store import adapters
from store.records import parse_record
from workers.job_task import Outcome, Work
from workers.loaded import load_for
from workers.models import LoadedModel
from workers.selected_items import selected_items
from workers.training import TrainingResult, train_lora

VERSIONS = ("torch", "transformers", "peft", "trl")


def run(work: Work) -> Outcome:
    """Load the items, train, store the adapter's files."""
    request = work.claim.request
    spec = TrainingSpec.model_validate(request["spec"])
    chosen = selected_items(work, request["selection_id"])
    loaded = load_for(work, request["base_model"], spec.dtype)
    with tempfile.TemporaryDirectory(prefix="evoselect-train-") as folder:
        result = train_lora(
            [parse_record(item["record"]) for item in chosen],
            [item["repeats"] for item in chosen],
            loaded,
            spec,
            Path(folder),
            seed=request["seed"],
            progress=lambda state: work.progress(int(state["rows_done"])),
        )
        files = _store(work, Path(folder))
    model_id = adapters.fresh_id()
    lineage = _lineage(request, spec, loaded, chosen, result)
    return Outcome(
        {},
        {"model_id": model_id, **result.summary()},
        save=lambda session: adapters.create(
            session,
            model_id=model_id,
            tenant_id=work.claim.tenant_id,
            training_id=work.claim.job_id,
            base_model=loaded.alias,
            files=files,
            lineage=lineage,
        ),
    )


def _store(work: Work, folder: Path) -> dict[str, Any]:
    files = {}
    for path in sorted(folder.iterdir()):
        stored = work.context.artifacts.put_file(f"{work.claim.tenant_id}/models", path)
        files[path.name] = {"path": stored.path, "sha256": stored.sha256, "size": stored.size}
    return files


def _lineage(
    request: dict[str, Any],
    spec: TrainingSpec,
    loaded: LoadedModel,
    chosen: list[dict[str, Any]],
    result: TrainingResult,
) -> dict[str, Any]:
    """From the model back to every record."""
    return {
        "base_model": loaded.alias,
        "base_fingerprint": loaded.fingerprint,
        "selection_id": request["selection_id"],
        "records": [{"id": item["id"], "content_hash": item["content_hash"]} for item in chosen],
        "spec": spec.model_dump(),
        "seed": request["seed"],
        "steps": result.steps,
        "versions": {name: importlib.metadata.version(name) for name in VERSIONS},
    }
