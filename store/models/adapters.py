"""Models that trainings produced, and where their files lie."""

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from store.artifacts import StoredFile
from store.errors import Conflict
from store.kit.ids import new_id
from store.tables import owned, uses
from store.tables.data import Model
from store.tables.owned import Window

PREFIX = "mdl_"  # tells an adapter's id from the alias of a base model


def fresh_id() -> str:
    """An id for a model that is about to be stored."""
    return new_id("mdl")


def create(
    session: Session,
    *,
    model_id: str,
    tenant_id: str,
    training_id: str,
    base_model: str,
    files: Mapping[str, StoredFile],
    lineage: Mapping[str, object],
) -> None:
    """The row of a finished training, with its files by name."""
    model = Model(
        id=model_id,
        tenant_id=tenant_id,
        training_id=training_id,
        base_model=base_model,
        files={name: file.stored() for name, file in files.items()},
        lineage=dict(lineage),
    )
    session.add(model)


def get(session: Session, tenant_id: str, model_id: str) -> Model:
    """The tenant's model; raises NotFound."""
    return owned.get(session, Model, tenant_id, model_id, noun="model")


def remove(session: Session, tenant_id: str, model_id: str) -> None:
    """Delete the row; its files are swept.

    Raises NotFound, or Conflict while an open job needs the model or another model was trained on it.
    """
    model = uses.take(session, "model", tenant_id, model_id)
    trained_on_it = Model.lineage["parent_model_id"].astext == model_id
    if child := session.scalar(select(Model.id).where(Model.tenant_id == tenant_id, trained_on_it).limit(1)):
        detail = f"model {child} was trained on {model_id}, and its lineage needs it: delete that first"
        raise Conflict(detail, code="model_in_use")
    session.delete(model)


def listing(session: Session, tenant_id: str, *, window: Window) -> list[Model]:
    """Newest first unless the window says else, at most limit + 1 rows."""
    return owned.listed(session, Model, tenant_id, window=window)
