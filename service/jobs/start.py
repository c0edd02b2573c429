"""A request that starts a job: within a quota, once for each Idempotency-Key, answered with 202."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Response
from pydantic import BaseModel
from sqlalchemy.orm import Session

from service.edge.idempotency import Once, OnceOnly
from service.edge.quotas import require_job_quota
from service.jobs.routes import accepted, load
from service.services import Services, State, TenantId
from store.tables.states import JobKind


@dataclass(frozen=True, slots=True)
class Start:
    """What a route needs to start a job, whatever its kind."""

    state: State
    tenant_id: str
    once: Once
    response: Response
    """Its headers are those of the answer."""

    def run(self, kind: JobKind, body: BaseModel, submit: Callable[[Session], str]) -> Response:
        """The answer to a job that `submit` stores, which gives its id; raises OverQuota."""

        def create(session: Session) -> str:
            self.require_quota(session, kind)
            return submit(session)

        job = load(self.state, self.tenant_id, self.once.run(body, create), kind)
        return accepted(self.response, f"{kind}s", job)

    def require_quota(self, session: Session, kind: JobKind) -> None:
        """Raise OverQuota where the tenant may not start another."""
        require_job_quota(session, self.state, self.tenant_id, kind)


async def _start(*, state: Services, tenant_id: TenantId, once: OnceOnly, response: Response) -> Start:
    return Start(state, tenant_id, once, response)


Starts = Annotated[Start, Depends(_start)]
