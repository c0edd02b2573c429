"""What changes for the calls of one client, one noun or one resource: time, retries, headers, the key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from typing_extensions import Self  # pydantic depends on it; typing has it from Python 3.11 on

from evoselect_client.core.calls import KEY, Call

if TYPE_CHECKING:
    from evoselect_client.core.session import Session

T = TypeVar("T")
Change = Callable[["Session[Any]"], "Session[Any]"]


@dataclass(frozen=True)
class Options:
    """What with_options changes for the calls of a client."""

    timeout: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    idempotency_key: str | None = None

    def applied(self, call: Call[T]) -> Call[T]:
        """The call with them."""
        headers = {**call.headers, **self.headers}
        if self.idempotency_key is not None and KEY in call.headers:
            headers[KEY] = self.idempotency_key
        return replace(call, headers=headers, read_timeout=call.read_timeout or self.timeout)


class Optioned:
    """What can be had again with other options: clients, nouns, resources."""

    def with_options(
        self,
        *,
        timeout: float | None = None,
        max_retries: int | None = None,
        headers: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Self:
        """The same over the same connections, with other options for the calls made through it.

        `client.pools.with_options(timeout=5).list()`, or of a client or a resource. `timeout` is in seconds
        and for one answer. An idempotency key is for one verb: two that start something would be told that
        they are the same.
        """
        options = {"timeout": timeout, "headers": headers, "idempotency_key": idempotency_key}
        return self._through(lambda session: session.changed(max_retries, options))

    def _through(self, change: Change) -> Self:
        """The same over what its session becomes."""
        raise NotImplementedError
