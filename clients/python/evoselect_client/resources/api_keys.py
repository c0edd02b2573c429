"""API keys of the tenant, which an admin key manages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from evoselect_client.core.calls import segment
from evoselect_client.core.nouns import Nouns
from evoselect_client.core.resource import Bound
from evoselect_client.core.response import WithRaw
from evoselect_client.core.steps import AsyncRaw, Mode, Raw, Steps, Verb


class ApiKey(Bound[Any]):
    """A key; `secret` is there in the answer that made it, and nowhere else."""

    name: str
    scopes: list[str]
    hint: str
    secret: str | None = None
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None


class ApiKeys(Nouns[ApiKey, Mode]):
    """Keys of the tenant."""

    path, model = "/v1/api_keys", ApiKey
    with_raw_response: WithRaw[ApiKeys[Raw], ApiKeys[AsyncRaw]] = WithRaw()

    @Verb
    def create(self, name: str, scopes: Sequence[str]) -> Steps[ApiKey]:
        """Make a key with scopes out of select:read, select:write, train, admin; keep its `secret`."""
        return (yield from self._post(self.path, {"name": name, "scopes": [*scopes]}))

    @Verb
    def rotate(self, id: str, *, overlap_seconds: int | None = None) -> Steps[ApiKey]:
        """A new key like the old one, which works on for the overlap (an hour by default)."""
        body = {"overlap_seconds": overlap_seconds}
        return (yield from self._post(f"{self.path}/{segment(id)}/rotate", body))

    @Verb
    def revoke(self, id: str) -> Steps[ApiKey]:
        """End a key; it stops working within a second."""
        return (yield from self._delete(f"{self.path}/{segment(id)}", self._decode))
