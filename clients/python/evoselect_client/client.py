"""The clients: one address, one key, the nouns of the API as attributes."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic

from typing_extensions import Self  # pydantic depends on it; typing has it from Python 3.11 on

from evoselect_client.core import log
from evoselect_client.core.calls import free
from evoselect_client.core.config import resolve
from evoselect_client.core.nouns import Nouns
from evoselect_client.core.options import Change, Optioned
from evoselect_client.core.response import Response
from evoselect_client.core.session import AsyncSession, Session, SyncSession
from evoselect_client.core.steps import Async, AsyncRaw, AsyncStreamed, Mode, Raw, Streamed, Sync
from evoselect_client.resources.evaluations import Evaluations
from evoselect_client.resources.files import Files, Uploads
from evoselect_client.resources.models import Models
from evoselect_client.resources.pools import Pools
from evoselect_client.resources.selections import Selections
from evoselect_client.resources.targets import Targets
from evoselect_client.resources.trainings import Trainings

if TYPE_CHECKING:
    import httpx

    from evoselect_client.resources.api_keys import ApiKeys
    from evoselect_client.resources.audit_events import AuditEvents
    from evoselect_client.resources.comparisons import Comparisons
    from evoselect_client.resources.indexings import Indexings
    from evoselect_client.resources.loops import Loops
    from evoselect_client.resources.webhooks import WebhookDeliveries, WebhookEndpoints

MAX_RETRIES = 4
TIMEOUT_SECONDS = 60.0  # that an answer may take


class Nouned(Optioned, Generic[Mode]):
    """The nouns; what `Client` returns, `AsyncClient` returns as an awaitable."""

    session: Session[Mode]

    @cached_property
    def files(self) -> Files[Mode]:
        """Uploaded bytes, such as feature matrices."""
        return Files(self.session)

    @cached_property
    def uploads(self) -> Uploads[Mode]:
        """Files that come in parts."""
        return Uploads(self.session)

    @cached_property
    def targets(self) -> Targets[Mode]:
        """Sets of target-task examples."""
        return Targets(self.session)

    @cached_property
    def pools(self) -> Pools[Mode]:
        """Sets of candidates."""
        return Pools(self.session)

    @cached_property
    def selections(self) -> Selections[Mode]:
        """Jobs that pick candidates."""
        return Selections(self.session)

    @cached_property
    def trainings(self) -> Trainings[Mode]:
        """Jobs that train on a selection."""
        return Trainings(self.session)

    @cached_property
    def evaluations(self) -> Evaluations[Mode]:
        """Jobs that measure a model."""
        return Evaluations(self.session)

    @cached_property
    def loops(self) -> Loops[Mode]:
        """Rounds of generate, select, train and evaluate."""
        from evoselect_client.resources.loops import Loops

        return Loops(self.session)

    @cached_property
    def comparisons(self) -> Comparisons[Mode]:
        """Methods side by side: which one to use."""
        from evoselect_client.resources.comparisons import Comparisons

        return Comparisons(self.session)

    @cached_property
    def indexings(self) -> Indexings[Mode]:
        """Jobs that make the records of a pool findable by their features."""
        from evoselect_client.resources.indexings import Indexings

        return Indexings(self.session)

    @cached_property
    def models(self) -> Models[Mode]:
        """Base models and trained adapters."""
        return Models(self.session)

    @cached_property
    def api_keys(self) -> ApiKeys[Mode]:
        """Keys of the tenant; needs scope admin."""
        from evoselect_client.resources.api_keys import ApiKeys

        return ApiKeys(self.session)

    @cached_property
    def webhook_endpoints(self) -> WebhookEndpoints[Mode]:
        """Addresses that are told when jobs end; needs scope admin."""
        from evoselect_client.resources.webhooks import WebhookEndpoints

        return WebhookEndpoints(self.session)

    @cached_property
    def webhook_deliveries(self) -> WebhookDeliveries[Mode]:
        """What was sent to them; needs scope admin."""
        from evoselect_client.resources.webhooks import WebhookDeliveries

        return WebhookDeliveries(self.session)

    @cached_property
    def audit_events(self) -> AuditEvents[Mode]:
        """What keys changed; needs scope admin."""
        from evoselect_client.resources.audit_events import AuditEvents

        return AuditEvents(self.session)

    def _through(self, change: Change) -> Self:
        changed = copy(self)
        for name, value in vars(self).items():
            if isinstance(value, Nouns):  # made for the session of this one
                del vars(changed)[name]
        changed.session = change(self.session)
        return changed


class Answering(Nouned[Mode]):
    """The nouns, whose verbs return the service's answers."""

    def __init__(self, session: Session[Mode]) -> None:
        self.session = session


class Client(Nouned[Sync]):
    """A connection to an EvoSelect service. Thread-safe; close it, or use it in a `with` block.

    Without arguments it reads EVOSELECT_URL and EVOSELECT_API_KEY, or else the file that `evoselect up`
    left in $EVOSELECT_HOME (default ~/.evoselect). `timeout` is in seconds and for one answer. `http_client`
    is an httpx client of yours, which close() leaves open; `http` is a transport for a client of ours.
    Raises ConfigurationError when address or key is missing.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        max_retries: int = MAX_RETRIES,
        timeout: float = TIMEOUT_SECONDS,
        http: httpx.BaseTransport | None = None,
        http_client: httpx.Client | None = None,
    ) -> None:
        from evoselect_client.core.transport import SyncWorld  # httpx takes most of the import time

        log.configure()
        endpoint = resolve(base_url, api_key)
        self._world = SyncWorld(endpoint, timeout, http=http, http_client=http_client)
        self.session = SyncSession(self._world, endpoint.base_url, max_retries)

    @property
    def with_raw_response(self) -> Answering[Raw]:
        """The same verbs, which return a Response: status, headers, content, and the value `parsed`."""
        session: Any = self.session
        return Answering(session.raw)

    @property
    def with_streaming_response(self) -> Answering[Streamed]:
        """The same verbs, each for a `with` block whose value is its first answer, the body unread.

        `with client.with_streaming_response.files.content(id) as answer: answer.save(path)`. Listings are as
        they always are: a page at a time.
        """
        from evoselect_client.core.streamed import StreamedSession

        given: Any = StreamedSession(**vars(self.session))
        return Answering(given)

    def request(
        self, method: str, path: str, *, body: Any = None, params: Mapping[str, Any] | None = None
    ) -> Response[Any]:
        """Call a route for which there is no verb: `client.request("GET", "/v1/pools", params={"limit": 2})`.

        `body` is sent as JSON, and `parsed` of the answer is decoded JSON. Retries and errors are those of
        verbs, and so is the Idempotency-Key.
        """
        raw: Any = self.session
        answer: Response[Any] = raw.raw.run(self.session.send(free(method, path, body, params)))
        return answer

    def __repr__(self) -> str:
        return f"Client({self.session.base_url!r})"

    def close(self) -> None:
        """Close all connections."""
        self._world.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncClient(Nouned[Async]):
    """As Client, for one event loop of asyncio or trio: verbs are awaited, listings are `async for`."""

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        max_retries: int = MAX_RETRIES,
        timeout: float = TIMEOUT_SECONDS,
        http: httpx.AsyncBaseTransport | None = None,
        http_client: httpx.AsyncClient | None = None,
    ) -> None:
        from evoselect_client.core.transport import AsyncWorld

        log.configure()
        endpoint = resolve(base_url, api_key)
        self._world = AsyncWorld(endpoint, timeout, http=http, http_client=http_client)
        self.session = AsyncSession(self._world, endpoint.base_url, max_retries)

    @property
    def with_raw_response(self) -> Answering[AsyncRaw]:
        """See Client.with_raw_response."""
        session: Any = self.session
        return Answering(session.raw)

    @property
    def with_streaming_response(self) -> Answering[AsyncStreamed]:
        """See Client.with_streaming_response; the blocks are `async with`."""
        from evoselect_client.core.streamed import AsyncStreamedSession

        given: Any = AsyncStreamedSession(**vars(self.session))
        return Answering(given)

    async def request(
        self, method: str, path: str, *, body: Any = None, params: Mapping[str, Any] | None = None
    ) -> Response[Any]:
        """See Client.request."""
        raw: Any = self.session
        answer: Response[Any] = await raw.raw.run(self.session.send(free(method, path, body, params)))
        return answer

    def __repr__(self) -> str:
        return f"AsyncClient({self.session.base_url!r})"

    async def close(self) -> None:
        """Close all connections."""
        await self._world.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
