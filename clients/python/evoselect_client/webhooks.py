"""Messages that the service sends to a webhook endpoint: verified, then decoded (Standard Webhooks)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from evoselect_client.core.resource import Resource
from evoselect_client.errors import WebhookVerificationError

TOLERANCE_SECONDS = 300.0  # that a message may be old, or its sender's clock ahead
PREFIX = "whsec_"


class Message(Resource):
    """`type` is such as selection.completed; `data` holds the job's id, object and status."""

    type: str
    timestamp: datetime
    data: dict[str, Any]


def unwrap(
    body: bytes | str, headers: Mapping[str, str], secret: str, *, tolerance: float = TOLERANCE_SECONDS
) -> Message:
    """The message, after its signature and age were checked; the body must be the bytes that came.

    `secret` is the endpoint's whsec_... Raises WebhookVerificationError. Messages may come twice: drop those
    whose `webhook-id` header was seen before.
    """
    given = {name.lower(): value for name, value in headers.items()}
    id, sent, signatures = (_header(given, name) for name in ("id", "timestamp", "signature"))
    raw = body.encode() if isinstance(body, str) else body
    _check_age(sent, tolerance)
    content = b".".join((id.encode(), sent.encode(), raw))
    expected = base64.b64encode(hmac.digest(_key(secret), content, hashlib.sha256)).decode()
    versions = (signature.partition(",") for signature in signatures.split())
    if not any(name == "v1" and hmac.compare_digest(value, expected) for name, _, value in versions):
        raise WebhookVerificationError("No signature fits: another secret, or the body is not what was sent.")
    return Message.model_validate(json.loads(raw))


def _header(headers: Mapping[str, str], name: str) -> str:
    try:
        return headers[f"webhook-{name}"]
    except KeyError:
        raise WebhookVerificationError(f"The header webhook-{name} is missing.") from None


def _check_age(sent: str, tolerance: float) -> None:
    if not sent.isdigit():
        raise WebhookVerificationError(f"webhook-timestamp is {sent!r:.40}, not a number of seconds.")
    if abs(age := time.time() - int(sent)) > tolerance:
        raise WebhookVerificationError(f"The message is {age:.0f} s old; {tolerance:.0f} s are allowed.")


def _key(secret: str) -> bytes:
    if not secret.startswith(PREFIX):
        raise WebhookVerificationError(f"The secret does not begin with {PREFIX}.")
    return base64.b64decode(secret.removeprefix(PREFIX))
