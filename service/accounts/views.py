"""Rows of keys, the audit log and webhooks as answers."""

from service.http.views import shape, time_text
from store.kit.json import Json
from store.tables.accounts import ApiKey, AuditEvent, WebhookDelivery, WebhookEndpoint


def api_key(row: ApiKey) -> Json:
    """A key without its secret, which nobody has but its owner."""
    return {
        **shape("api_key", row, "name", "scopes", "hint"),
        "expires_at": time_text(row.expires_at),
        "revoked_at": time_text(row.revoked_at),
    }


def audit_event(row: AuditEvent) -> Json:
    """One line of the audit log."""
    return shape("audit_event", row, "key_id", "request_id", "method", "path", "status")


def webhook_endpoint(row: WebhookEndpoint) -> Json:
    """An endpoint without its secret."""
    status = "enabled" if row.disabled_reason is None else "disabled"
    return {
        **shape("webhook_endpoint", row, "url", "events", "description", "disabled_reason"),
        "status": status,
        "paused_until": time_text(row.paused_until),
    }


def webhook_delivery(row: WebhookDelivery) -> Json:
    """A delivery with its last attempt."""
    attempt = ("attempts", "response_status", "last_error")
    return {
        **shape("webhook_delivery", row, "endpoint_id", "job_id", "type", "payload", "state", *attempt),
        "next_attempt_at": time_text(row.next_attempt_at) if row.state == "pending" else None,
        "delivered_at": time_text(row.delivered_at),
    }
