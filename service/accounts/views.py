"""Rows of keys, the audit log and webhooks as answers."""

from service.accounts import responses
from store.tables.accounts import WebhookDelivery, WebhookEndpoint

api_key = responses.ApiKey.of_row
audit_event = responses.AuditEvent.of_row


def webhook_endpoint(row: WebhookEndpoint) -> responses.Endpoint:
    """An endpoint without its secret."""
    return responses.Endpoint.of_row(row, status=_status(row))


def with_secret(row: WebhookEndpoint, secret: str) -> responses.NewEndpoint:
    """The same with the secret that verifies its messages."""
    return responses.NewEndpoint.of_row(row, status=_status(row), secret=secret)


def _status(row: WebhookEndpoint) -> str:
    return "enabled" if row.disabled_reason is None else "disabled"


def webhook_delivery(row: WebhookDelivery) -> responses.Delivery:
    """A delivery with its last attempt."""
    due = row.next_attempt_at if row.state == "pending" else None
    return responses.Delivery.of_row(row, next_attempt_at=due)
