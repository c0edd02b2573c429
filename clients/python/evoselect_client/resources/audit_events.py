"""The audit log: what keys changed, and what their scopes did not cover."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from evoselect_client.core.nouns import Nouns
from evoselect_client.core.resource import Bound
from evoselect_client.core.response import WithRaw
from evoselect_client.core.steps import AsyncRaw, Mode, Raw


class AuditEvent(Bound[Any]):
    """One change that a key made or was refused."""

    key_id: str
    request_id: str
    method: str
    path: str
    status: int
    created_at: datetime


class AuditEvents(Nouns[AuditEvent, Mode]):
    """The audit log, newest first."""

    path, model = "/v1/audit_events", AuditEvent
    with_raw_response: WithRaw[AuditEvents[Raw], AuditEvents[AsyncRaw]] = WithRaw()
