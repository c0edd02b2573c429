"""Pages of models and of keys."""

from datetime import UTC, datetime
from typing import TypedDict

from fastapi import APIRouter, Request, Response

from service.http.parameters import After, ResourceId
from service.models import views as as_answers
from service.pages import facts
from service.pages.rendering import PageRoute, render
from service.services import Services, TenantId
from store.accounts import api_keys, scopes
from store.accounts.scopes import Scope
from store.models import adapters
from store.tables.accounts import ApiKey
from store.tables.owned import Window

router = APIRouter(prefix="/ui", route_class=PageRoute, include_in_schema=False)

PAGE = 50  # rows of a list
MAY = (
    (Scope.READ, "look at everything but keys"),
    (Scope.WRITE, "store data and run selections"),
    (Scope.TRAIN, "run trainings, evaluations, loops and comparisons"),
    (Scope.ADMIN, "do all of it, and manage keys"),
)


@router.get("/models")
def model_list(request: Request, state: Services, tenant_id: TenantId, after: After = None) -> Response:
    """What was trained here, and what may be used."""
    with state.database.transaction() as session:
        rows = adapters.listing(session, tenant_id, window=Window(after, PAGE))
        found = [
            {
                "id": row.id,
                "name": facts.model_name(session, row),
                "base": row.base_model,
                "size": facts.size(sum(file["size"] for file in row.files.values())),
                "created": f"{row.created_at:%d %b %Y, %H:%M} UTC",
            }
            for row in rows[:PAGE]
        ]
    return render(
        request,
        "models.html",
        adapters=found,
        bases=[as_answers.base_model(source) for source in state.models.values()],
        first=after is None,
        more=rows[PAGE - 1].id if len(rows) > PAGE else "",
    )


@router.get("/models/{model_id}")
def model_page(request: Request, model_id: ResourceId, state: Services, tenant_id: TenantId) -> Response:
    """One adapter: where it comes from, and its files."""
    with state.database.transaction() as session:
        row = adapters.get(session, tenant_id, model_id)
        shown = {
            "id": row.id,
            "name": facts.model_name(session, row),
            "given": row.name or "",
            "base": row.base_model,
            "training_id": row.training_id,
            "created": f"{row.created_at:%d %b %Y, %H:%M} UTC",
            "files": [(name, facts.size(file["size"])) for name, file in sorted(row.files.items())],
        }
    return render(request, "model.html", row=shown)


@router.get("/keys")
def keys(request: Request, state: Services, tenant_id: TenantId, after: After = None) -> Response:
    """All keys of the tenant, for those whose own key may see them."""
    allowed = scopes.allows(request.state.principal.scopes, Scope.ADMIN)
    rows: list[ApiKey] = []
    if allowed:
        with state.database.transaction() as session:
            rows = api_keys.listing(session, tenant_id, window=Window(after, PAGE))
    more = rows[PAGE - 1].id if len(rows) > PAGE else ""
    shown = [_key(row) for row in rows[:PAGE]]
    return render(request, "keys.html", allowed=allowed, keys=shown, scopes=MAY, more=more)


class KeyLine(TypedDict):
    """A key as its list shows it."""

    id: str
    name: str | None
    scopes: list[str]
    hint: str
    state: str
    """In words."""
    works: bool


def _key(row: ApiKey) -> KeyLine:
    over = row.expires_at is not None and row.expires_at <= datetime.now(UTC)
    state = "works"
    if row.revoked_at is not None:
        state = f"ended {row.revoked_at:%d %b %Y, %H:%M} UTC"
    elif row.expires_at is not None:
        state = f"{'ended' if over else 'works until'} {row.expires_at:%d %b %Y, %H:%M} UTC"
    works = row.revoked_at is None and not over
    return {
        "id": row.id,
        "name": row.name,
        "scopes": row.scopes,
        "hint": row.hint,
        "state": state,
        "works": works,
    }
