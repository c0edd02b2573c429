"""The model that this process holds: its base is loaded once, and kept until another base is asked for.

Trainings and evaluations of many adapters on one base take turns without reading a weight again.
"""

from pathlib import Path

import torch

from store.artifacts import StoredFile
from store.models import adapters
from workers.context import Context
from workers.models.loading import LoadedModel, adapted, device_here, load
from workers.models.precision import Dtype, resolve_dtype
from workers.process.work import Work

_held: dict[tuple[str, torch.dtype], LoadedModel] = {}
"""By model and precision: one base, and at most one adapter on it."""


def load_for(work: Work, model: str, dtype: Dtype = "auto") -> LoadedModel:
    """The model of an alias, or the adapter of an id with its base; raises NotFound for a foreign id."""
    if not model.startswith(adapters.PREFIX):
        return _base(model, dtype)
    key = (model, resolve_dtype(dtype, device_here()))
    if key not in _held:
        base, folder = fetch_adapter(work.context, work.claim.tenant_id, model)
        loaded = adapted(_base(base, dtype), folder)
        for other in [one for one, held in _held.items() if held.adapter is not None]:
            del _held[other]
        _held[key] = loaded
    return _held[key]


def _base(alias: str, dtype: Dtype) -> LoadedModel:
    key = (alias, resolve_dtype(dtype, device_here()))
    if key not in _held:
        _held.clear()  # one at a time: memory is what a worker has least of
        _held[key] = load(alias, dtype=dtype)
    return _held[key]


def fetch_adapter(context: Context, tenant_id: str, model_id: str) -> tuple[str, Path]:
    """(alias of the base model, local folder with the adapter's files, their hashes checked)."""
    with context.database.transaction() as session:
        row = adapters.get(session, tenant_id, model_id)
    folder = context.settings.home / "adapters" / model_id
    for name, kept in row.files.items():
        if not (folder / name).exists():
            file = StoredFile.model_validate(kept)
            context.artifacts.fetch_file(file.path, file.sha256, folder / name)
    return row.base_model, folder
