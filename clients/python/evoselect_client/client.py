"""The client: one address, one key, the nouns of the API as attributes."""

from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from evoselect_client.calls import Call
from evoselect_client.config import resolve
from evoselect_client.files import Files, Uploads
from evoselect_client.resources import Evaluations, Models, Pools, Selections, Targets, Trainings

if TYPE_CHECKING:
    import httpx

    from evoselect_client.account import ApiKeys, WebhookDeliveries, WebhookEndpoints

T = TypeVar("T")

VERSION = "0.1.0"
MAX_RETRIES = 4


class Client:
    """A connection to an EvoSelect service. Thread-safe; close it, or use it in a `with` block.

    Without arguments it reads EVOSELECT_URL and EVOSELECT_API_KEY, or else the file that `evoselect up`
    left in $EVOSELECT_HOME (default ~/.evoselect). Raises ConfigurationError when address or key is missing.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        max_retries: int = MAX_RETRIES,
        http: "httpx.BaseTransport | None" = None,
    ) -> None:
        from evoselect_client.transport import Transport  # httpx takes most of the import time

        self._transport = Transport(
            resolve(base_url, api_key),
            user_agent=f"evoselect-client/{VERSION}",
            max_retries=max_retries,
            http=http,
        )

    @cached_property
    def files(self) -> Files:
        """Uploaded bytes, such as feature matrices."""
        return Files(self)

    @cached_property
    def uploads(self) -> Uploads:
        """Files that come in parts."""
        return Uploads(self)

    @cached_property
    def targets(self) -> Targets:
        """Sets of target-task examples."""
        return Targets(self)

    @cached_property
    def pools(self) -> Pools:
        """Sets of candidates."""
        return Pools(self)

    @cached_property
    def selections(self) -> Selections:
        """Jobs that pick candidates."""
        return Selections(self)

    @cached_property
    def trainings(self) -> Trainings:
        """Jobs that train on a selection."""
        return Trainings(self)

    @cached_property
    def evaluations(self) -> Evaluations:
        """Jobs that measure a model."""
        return Evaluations(self)

    @cached_property
    def models(self) -> Models:
        """Base models and trained adapters."""
        return Models(self)

    @cached_property
    def api_keys(self) -> "ApiKeys":
        """Keys of the tenant; needs scope admin."""
        from evoselect_client.account import ApiKeys

        return ApiKeys(self)

    @cached_property
    def webhook_endpoints(self) -> "WebhookEndpoints":
        """Addresses that are told when jobs end; needs scope admin."""
        from evoselect_client.account import WebhookEndpoints

        return WebhookEndpoints(self)

    @cached_property
    def webhook_deliveries(self) -> "WebhookDeliveries":
        """What was sent to them; needs scope admin."""
        from evoselect_client.account import WebhookDeliveries

        return WebhookDeliveries(self)

    def send(self, call: Call[T]) -> T:
        """Make one call; raises a subclass of EvoSelectError when it fails."""
        return self._transport.send(call)

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
