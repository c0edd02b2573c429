"""What requests for jobs name: models, and targets that were kept apart."""

from sqlalchemy.orm import Session

from service.services import State
from store.data import targets
from store.errors import Invalid, NotFound
from store.models import adapters


def known_model(session: Session, state: State, tenant_id: str, name: str, *, pointer: str) -> str:
    """The name, when it is an alias of the allow-list or the tenant's own adapter; raises Invalid."""
    if name in state.models:
        return name
    try:
        return adapters.get(session, tenant_id, name).id
    except NotFound:
        known = ", ".join(sorted(state.models))
        detail = f"There is no model {name!r:.80}: use {known}, or the id of a model that you trained."
        raise Invalid(detail, code="unknown_model", pointer=pointer) from None


def held_out_target(session: Session, tenant_id: str, target_id: str) -> str:
    """The target that was kept apart from this one; raises Invalid where nothing was."""
    found = targets.get(session, tenant_id, target_id).held_out_target_id
    if found is None:
        raise Invalid(
            f"target {target_id} keeps no examples apart: name evaluation_target_id, or make the target with "
            "held_out",
            code="nothing_held_out",
            pointer="/evaluation_target_id",
        )
    return found
