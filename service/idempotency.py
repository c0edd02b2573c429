"""Idempotency-Key: one key, one body, one resource, however often and however concurrently it is sent."""

import hashlib
import json
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Header, Request
from pydantic import BaseModel
from sqlalchemy.orm import Session

from service.problems import Problem
from service.state import Services, State, TenantId
from store import idempotency

MAX_KEY = 255


class Once:
    """Runs the creation of a resource once per Idempotency-Key; without a key, each time."""

    def __init__(self, state: State, tenant_id: str, path: str, key: str | None) -> None:
        self._database = state.database
        self._tenant_id = tenant_id
        self._path = path
        self._key = key

    def run(self, body: BaseModel, create: Callable[[Session], str]) -> str:
        """The id of the resource, made now or by the first request with this key.

        Key and resource commit in one transaction. A second request at the same time waits for the first
        one's commit, drops its own work and returns the first one's resource.
        """
        fingerprint = self._fingerprint(body) if self._key else ""
        try:
            with self._database.transaction() as session:
                known = self._known(session, fingerprint)
                if known:
                    return known
                resource_id = create(session)
                self._remember(session, fingerprint, resource_id)
                return resource_id
        except _TakenMeanwhileError:
            with self._database.transaction() as session:
                known = self._known(session, fingerprint)
        if known is None:
            raise Problem(
                409, "idempotency_in_flight", "Send the request again.", headers={"Retry-After": "1"}
            )
        return known

    def _known(self, session: Session, fingerprint: str) -> str | None:
        if self._key is None:
            return None
        return idempotency.replay(session, self._tenant_id, self._key, fingerprint)

    def _remember(self, session: Session, fingerprint: str, resource_id: str) -> None:
        if self._key is None:
            return
        if not idempotency.remember(session, self._tenant_id, self._key, fingerprint, resource_id):
            raise _TakenMeanwhileError

    def _fingerprint(self, body: BaseModel) -> str:
        content = json.dumps([self._path, body.model_dump(mode="json")], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()


class _TakenMeanwhileError(Exception):
    """Another request with the same key committed first."""


def _once(
    request: Request,
    state: Services,
    tenant_id: TenantId,
    idempotency_key: Annotated[str | None, Header(max_length=MAX_KEY, min_length=1)] = None,
) -> Once:
    if idempotency_key is not None and not idempotency_key.isprintable():
        raise Problem(422, "invalid_request", "Idempotency-Key must be printable characters.")
    return Once(state, tenant_id, request.url.path, idempotency_key)


OnceOnly = Annotated[Once, Depends(_once)]
