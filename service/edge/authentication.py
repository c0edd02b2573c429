"""Who asks, whether they may, and the audit log's line about it.

Everything below /v1 needs `Authorization: Bearer evs_...`. What a key may do is in service/http/access.py.
"""

import logging
import time

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.edge.key_checks import KeyChecks, KeyEnded, Lasting
from service.http import access
from service.http.problems import Problem, no_such_route
from service.http.shares import NOBODY
from service.services import State
from store.accounts import api_keys, audit, scopes, tenants
from store.accounts.api_keys import Principal
from store.telemetry import logs

logger = logging.getLogger(__name__)
REMEMBERED_SECONDS = 0.5  # a revoked key works no longer than this
REMEMBERED_KEYS = 10_000
MAX_PATH = 256  # characters of a path in the audit log
FORBIDDEN = 403


class Authentication:
    """Finds the tenant of the key, refuses what its scopes do not cover, writes down every change."""

    def __init__(self, app: ASGIApp, state: State) -> None:
        self.app = app
        self._database = state.database
        self._beginnings = state.shares.beginnings
        self._lookups = state.shares.lookups
        self._pepper = state.settings.key_pepper.get_secret_value()
        self._key_checks = KeyChecks(self._by_id, state.shares.lookups)
        self._known: dict[str, tuple[Principal, float]] = {}  # by digest; the time is monotonic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or not (path == "/v1" or path.startswith("/v1/")):
            await self.app(scope, receive, send)
            return
        if signed_in := scope["state"].get("session_of"):  # set by Sessions, which knows the cookie
            await self._as(signed_in, scope, receive, send)
            return
        secret = _bearer(Headers(scope=scope))
        async with self._beginnings.turn(self._caller(secret)) as turn:
            scope["state"]["turn"] = turn
            await self._known_caller(secret, scope, receive, send)

    def _caller(self, secret: str | None) -> str:
        """Whose turn a request takes: that of its key where the key has worked before."""
        known = self._known.get(tenants.digest(secret, self._pepper)) if secret else None
        return known[0].tenant_id if known else NOBODY

    async def _known_caller(self, secret: str | None, scope: Scope, receive: Receive, send: Send) -> None:
        await self._as(await self._principal(secret), scope, receive, send)

    async def _as(self, principal: Principal, scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"]["tenant_id"] = principal.tenant_id
        scope["state"]["principal"] = principal
        with logs.about(
            request=scope["state"]["request_id"], tenant=principal.tenant_id, key=principal.key_id
        ):
            await self._lasting(principal, scope, receive, send)

    async def _lasting(self, principal: Principal, scope: Scope, receive: Receive, send: Send) -> None:
        """The request, as long as its key works."""
        lasting = Lasting(self._key_checks, principal.key_id, receive, send)
        try:
            await self._allowed(principal, scope, lasting.receive, lasting.send)
        except KeyEnded:
            logger.info("request %s was cut: its key has ended", scope["state"]["request_id"])

    async def _allowed(self, principal: Principal, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        needed = access.needed(scope["method"], path)
        if needed is None:
            raise no_such_route(scope["method"], path)
        if not scopes.allows(principal.scopes, needed):
            await self._audit(scope, principal, FORBIDDEN)
            raise _insufficient(principal, needed)
        if access.only_reads(scope["method"]):
            await self.app(scope, receive, send)
            return

        async def send_audited(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 400:
                await self._audit(scope, principal, message["status"])
            await send(message)

        await self.app(scope, receive, send_audited)

    async def _principal(self, secret: str | None) -> Principal:
        if secret is None or not tenants.is_well_formed(secret):
            raise _unauthorized(secret)
        digest = tenants.digest(secret, self._pepper)
        known = self._known.get(digest)
        if known and known[1] > time.monotonic():
            return known[0]
        async with self._lookups.of(known[0].tenant_id if known else NOBODY):
            asked = time.monotonic()
            principal = await run_in_threadpool(self._look_up, secret)
        if principal is None:
            raise _unauthorized(secret)
        if len(self._known) >= REMEMBERED_KEYS:
            self._known.clear()
        self._known[digest] = (principal, asked + REMEMBERED_SECONDS)
        return principal

    def _look_up(self, secret: str) -> Principal | None:
        with self._database.transaction() as session:
            return api_keys.principal_of(session, secret, self._pepper)

    def _by_id(self, key_id: str) -> Principal | None:
        with self._database.transaction() as session:
            return api_keys.principal_with_id(session, key_id)

    async def _audit(self, scope: Scope, principal: Principal, status: int) -> None:
        """The change is made already: where its line cannot be stored, it goes to the log."""
        try:
            await run_in_threadpool(self._record, scope, principal, status)
        except Exception:
            request_id = scope["state"]["request_id"]
            logger.exception("audit line lost: request %s of key %s", request_id, principal.key_id)

    def _record(self, scope: Scope, principal: Principal, status: int) -> None:
        with self._database.transaction() as session:
            audit.record(
                session,
                tenant_id=principal.tenant_id,
                key_id=principal.key_id,
                request_id=scope["state"]["request_id"],
                method=scope["method"],
                path=scope["path"][:MAX_PATH],
                status=status,
            )


def _bearer(headers: Headers) -> str | None:
    scheme, _, secret = headers.get("authorization", "").partition(" ")
    return secret.strip() or None if scheme.lower() == "bearer" else None


def _unauthorized(secret: str | None) -> Problem:
    challenge = {"WWW-Authenticate": "Bearer"}
    if secret is None:
        detail = "Send the header `Authorization: Bearer evs_...` with your API key."
        return Problem(401, "no_api_key", detail, headers=challenge)
    detail = "This API key is unknown, revoked or expired; check it for typing errors."
    return Problem(401, "wrong_api_key", detail, headers=challenge)


def _insufficient(principal: Principal, needed: scopes.Scope) -> Problem:
    held = ", ".join(sorted(principal.scopes))
    detail = f"This needs scope {needed}, and the key {principal.key_id} has {held}; use another key."
    challenge = {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{needed}"'}
    return Problem(FORBIDDEN, "insufficient_scope", detail, headers=challenge)
