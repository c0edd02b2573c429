"""Bodies are counted while they are read."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.http.media import ARROW, BINARY, NDJSON, PARQUET, media_type
from service.http.problems import Problem
from service.http.shares import NOBODY
from service.services import State

STRANGERS_BYTES = 64 * 1024  # of a body without a key
SMALL_BYTES = 2**20  # of a body that needs no slot


class BodyLimit:
    """Refuses bodies over the limit of their media type, by Content-Length or while they come in.

    A large one holds a slot of its tenant from then on until it is answered.
    """

    def __init__(self, app: ASGIApp, state: State) -> None:
        self.app = app
        self.settings = state.settings
        self._large = state.shares.large

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        tenant_id = scope["state"].get("tenant_id", NOBODY)
        limit = STRANGERS_BYTES if tenant_id == NOBODY else self._limit(scope["path"], headers)
        if headers.get("content-length", "").isdigit() and int(headers["content-length"]) > limit:
            raise _too_large(limit)
        seen, held = 0, False

        async def receive_within_limit() -> Message:
            nonlocal seen, held
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit:
                raise _too_large(limit)
            if seen > SMALL_BYTES and not held:
                await self._large.enter(tenant_id)
                held = True
            return message

        try:
            await self.app(scope, receive_within_limit, send)
        finally:
            if held:
                self._large.leave(tenant_id)

    def _limit(self, path: str, headers: Headers) -> int:
        if media_type(headers.get("content-type")) not in (NDJSON, PARQUET, ARROW, BINARY):
            return self.settings.max_json_bytes
        if path.startswith("/v1/files"):
            return self.settings.max_file_bytes
        return (
            self.settings.max_part_bytes if path.startswith("/v1/uploads") else self.settings.max_batch_bytes
        )


def _too_large(limit: int) -> Problem:
    detail = (
        f"The body is larger than {limit} bytes; send candidates as NDJSON to /v1/pools/{{id}}/batches, "
        "and large files in parts to /v1/uploads."
    )
    return Problem(413, "body_too_large", detail)
