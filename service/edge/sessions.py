"""Who looks at the pages: a key is shown once, and a signed cookie stands for it after that.

The cookie holds the key's id and a random number, never the secret. It ends with the browser, after
SECONDS, or as soon as the key is revoked. A form carries a token made from the cookie, and every POST must
come from a page of the same origin (Origin or Sec-Fetch-Site), the sign-in too.

Below /ui/v1 the scripts of the pages find the routes of the API, with the rights of the session's key. What
changes something must be of the same origin too, and carry the token in a header.
"""

import hmac
import secrets
from hashlib import sha256
from urllib.parse import urlsplit

from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.edge.authentication import FORBIDDEN, Authentication
from service.http import access
from service.http.problems import Problem
from service.services import State
from store.accounts.api_keys import Principal
from store.telemetry import logs

COOKIE = "__Host-evoselect"  # the prefix makes browsers insist on Secure, Path=/ and no Domain
SECONDS = 12 * 3600
SIGN_IN = "/ui/sign-in"
OPEN = (SIGN_IN, "/ui/static/")
API = "/ui/v1/"
API_PREFIX = "/ui"  # what stands before the API's own path there
TOKEN_HEADER = "X-Form-Token"
GUARDS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",  # opened as a page, an answer does nothing
}


class Sessions(Authentication):
    """Below /ui what Authentication is below /v1: finds the tenant, and writes down every change."""

    def __init__(self, app: ASGIApp, state: State) -> None:
        super().__init__(app, state)
        self._state = state
        self._signer = signer(state)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or not (path == "/ui" or path.startswith("/ui/")):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if not access.only_reads(scope["method"]) and not _same_origin(headers):
            raise Problem(403, "cross_origin", "This form was not sent by a page of this service.")
        if path.startswith(OPEN):
            await self.app(scope, receive, send)
            return
        cookie = cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
        principal = await self._holder(cookie)
        if path.startswith(API):
            await self._require_own(principal, cookie, scope)
            await self._api(scope, receive, send)
            return
        if principal is None:
            await RedirectResponse(SIGN_IN, 303)(scope, receive, send)
            return
        scope["state"] |= {"tenant_id": principal.tenant_id, "principal": principal, "cookie": cookie}
        with logs.about(
            request=scope["state"]["request_id"], tenant=principal.tenant_id, key=principal.key_id
        ):
            await self._lasting(principal, scope, receive, send)

    async def _require_own(self, principal: Principal | None, cookie: str, scope: Scope) -> None:
        """Raise Problem for a request to the API that no page of a session sent; else say whose it is."""
        if principal is None:
            raise Problem(401, "no_session", "Your session has ended: sign in again.")
        sent = Headers(scope=scope).get(TOKEN_HEADER, "")
        if not (access.only_reads(scope["method"]) or is_of(self._state, cookie, sent)):
            await self._audit(scope, principal, FORBIDDEN)
            raise _other_session()
        scope["state"]["session_of"] = principal

    async def _api(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The same request below /v1, as one with the session's key."""
        path = scope["path"].removeprefix(API_PREFIX)
        scope.update(path=path, raw_path=path.encode())

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in GUARDS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_guarded)

    async def _allowed(self, principal: Principal, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_audited(message: Message) -> None:
            status = message.get("status", 0)  # of the message that begins an answer
            if 0 < status < 400 or status == FORBIDDEN:
                await self._audit(scope, principal, status)
            await send(message)

        await self.app(scope, receive, send if access.only_reads(scope["method"]) else send_audited)

    async def _holder(self, cookie: str) -> Principal | None:
        try:
            key_id, _ = self._signer.loads(cookie, max_age=SECONDS)
        except BadSignature:
            return None
        async with self._lookups.of(key_id):
            return await run_in_threadpool(self._by_id, key_id)


def signer(state: State) -> URLSafeTimedSerializer:
    """Signs cookies with a key of their own, derived from the deployment's pepper."""
    pepper = state.settings.key_pepper.get_secret_value()
    return URLSafeTimedSerializer(pepper, salt="evoselect pages", signer_kwargs={"digest_method": sha256})


def cookie_for(state: State, principal: Principal) -> str:
    """A new session's cookie."""
    return str(signer(state).dumps([principal.key_id, secrets.token_hex(8)]))


def form_token(state: State, cookie: str) -> str:
    """What the forms of a session carry."""
    pepper = state.settings.key_pepper.get_secret_value()
    return hmac.new(f"forms {pepper}".encode(), cookie.encode(), sha256).hexdigest()


def check_token(state: State, cookie: str, sent: str) -> None:
    """Raises Problem 403 for a form that no page of this session made."""
    if not is_of(state, cookie, sent):
        raise _other_session()


def is_of(state: State, cookie: str, sent: str) -> bool:
    """Whether a page of this session sent it."""
    return hmac.compare_digest(form_token(state, cookie).encode(), sent.encode())


def _other_session() -> Problem:
    return Problem(403, "wrong_form_token", "This form is of another session: load the page again.")


def _same_origin(headers: Headers) -> bool:
    """Browsers send one of the two with every POST; what sends neither is no browser, and not let in."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    return urlsplit(headers.get("origin", "")).netloc == headers.get("host", "") != ""
