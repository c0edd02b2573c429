"""The proxy model that this process holds: loaded once, kept until another one is asked for."""

from pathlib import Path

from store.models import adapters
from workers.context import Context
from workers.models.loading import LoadedModel, load
from workers.models.precision import Dtype
from workers.process.work import Work

_held: dict[tuple[str, Dtype], LoadedModel] = {}


def load_for(work: Work, model: str, dtype: Dtype = "auto") -> LoadedModel:
    """The model of an alias, or the adapter of an id with its base; raises NotFound for a foreign id."""
    key = (model, dtype)
    if key not in _held:
        _held.clear()  # one model at a time: memory is what a worker has least of
        if model.startswith(adapters.PREFIX):
            base, folder = fetch_adapter(work.context, work.claim.tenant_id, model)
            _held[key] = load(base, folder, dtype=dtype)
        else:
            _held[key] = load(model, dtype=dtype)
    return _held[key]


def fetch_adapter(context: Context, tenant_id: str, model_id: str) -> tuple[str, Path]:
    """(alias of the base model, local folder with the adapter's files, their hashes checked)."""
    with context.database.transaction() as session:
        row = adapters.get(session, tenant_id, model_id)
    folder = context.settings.home / "adapters" / model_id
    for name, file in row.files.items():
        if not (folder / name).exists():
            context.artifacts.fetch_file(file["path"], file["sha256"], folder / name)
    return row.base_model, folder
