"""Models as answers."""

from service.http.views import public_result, time_text
from store.kit.json import Json
from store.models.allow_list import ModelSource
from store.tables.data import Model


def base_model(source: ModelSource) -> Json:
    """A model of the allow-list."""
    return {
        "id": source.alias,
        "object": "model",
        "kind": "base",
        "source": {"kind": source.kind, "location": source.location, "revision": source.revision},
        "licence": source.licence or None,
        "parameters": source.parameters or None,
        "window": source.window or None,
    }


def adapter(row: Model) -> Json:
    """A model that a training made."""
    return {
        "id": row.id,
        "object": "model",
        "kind": "adapter",
        "name": row.name,
        "metadata": row.user_metadata,
        "base_model": row.base_model,
        "training_id": row.training_id,
        "created_at": time_text(row.created_at),
        "lineage": public_result(row.lineage),
        "files": {name: {"sha256": file["sha256"], "size": file["size"]} for name, file in row.files.items()},
    }
