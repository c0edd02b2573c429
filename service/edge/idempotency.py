"""Idempotency-Key: one key, one body, one resource, however often and however concurrently it is sent."""

import hashlib
import json
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel
from sqlalchemy.orm import Session

from service.http.problems import Problem
from service.services import Services, State, TenantId
from store.accounts import idempotency

MAX_KEY = 255
KEY = "A name of yours for this request, 1 to 255 printable characters: sent again, it answers with the same."


class Once:
    """Runs the creation of a resource once per Idempotency-Key; without a key, each time."""

    def __init__(
        self, state: State, tenant_id: str, path: str, *, key: str | None, response: Response
    ) -> None:
        self._database = state.database
        self._tenant_id = tenant_id
        self._path = path
        self._key = key
        self._response = response

    def run(self, body: BaseModel, create: Callable[[Session], str]) -> str:
        """The id of the resource, made now or by the first request with this key.

        Key and resource commit in one transaction. While it runs, a second request with the key is told to
        come back (409 idempotency_in_flight).
        """
        with self._database.transaction() as session:
            if self._key is None:
                return create(session)
            fingerprint = self._fingerprint(body)
            idempotency.hold(session, self._tenant_id, self._key)
            known = idempotency.replay(session, self._tenant_id, self._key, fingerprint)
            if known:
                self._response.headers["Idempotent-Replayed"] = "true"
                return known
            resource_id = create(session)
            idempotency.remember(
                session, self._tenant_id, self._key, fingerprint=fingerprint, resource_id=resource_id
            )
            return resource_id

    def _fingerprint(self, body: BaseModel) -> str:
        content = json.dumps([self._path, body.model_dump(mode="json")], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()


async def _once(
    *,
    request: Request,
    response: Response,
    state: Services,
    tenant_id: TenantId,
    idempotency_key: Annotated[str | None, Header(max_length=MAX_KEY, min_length=1, description=KEY)] = None,
) -> Once:
    if idempotency_key is not None and not idempotency_key.isprintable():
        raise Problem(422, "invalid_request", "Idempotency-Key must be printable characters.")
    return Once(state, tenant_id, request.url.path, key=idempotency_key, response=response)


OnceOnly = Annotated[Once, Depends(_once)]
