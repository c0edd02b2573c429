"""unwrap() against the reference library and against what the service signs."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

from evoselect_client import WebhookVerificationError, webhooks
from store.webhooks.endpoints import secret, sign

BODY = json.dumps(
    {"type": "selection.completed", "timestamp": "2026-01-01T00:00:00Z", "data": {"id": "sel_1"}}
).encode()
PEPPER = "pepper"
SECRET = secret("whe_1", 2, PEPPER)


def headers(*, age: int = 0, id: str = "whd_1") -> dict[str, str]:
    sent = int(time.time()) - age
    signature = sign("whe_1", 2, PEPPER, message_id=id, sent_at=sent, body=BODY)
    return {"Webhook-Id": id, "Webhook-Timestamp": str(sent), "Webhook-Signature": signature}


def test_what_the_service_signs_is_accepted_by_either_secret() -> None:
    for key in (SECRET, secret("whe_1", 1, PEPPER)):  # after a rotation both secrets verify
        message = webhooks.unwrap(BODY, headers(), key)
        assert (message.type, message.data["id"]) == ("selection.completed", "sel_1")
    assert webhooks.unwrap(BODY.decode(), headers(), SECRET).timestamp.year == 2026


def test_the_reference_library_agrees() -> None:
    now = datetime.now(UTC)
    signature = Webhook(SECRET).sign("whd_1", now, BODY.decode())
    given = {
        "webhook-id": "whd_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }
    assert webhooks.unwrap(BODY, given, SECRET).type == "selection.completed"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda given: given | {"Webhook-Id": "whd_2"}, "No signature fits"),
        (lambda given: given | {"Webhook-Signature": "v1,AAAA v2,BBBB nonsense"}, "No signature fits"),
        (lambda given: {k: v for k, v in given.items() if k != "Webhook-Id"}, "webhook-id is missing"),
        (lambda given: given | {"Webhook-Timestamp": "soon"}, "not a number"),
        (lambda given: headers(age=400), r"is 40\d s old"),
        (lambda given: headers(age=-400), r"is -(400|39\d) s old"),
    ],
)
def test_what_does_not_fit_is_refused(change: Callable[[dict[str, str]], dict[str, str]], said: str) -> None:
    with pytest.raises(WebhookVerificationError, match=said):
        webhooks.unwrap(BODY, change(headers()), SECRET)
    with pytest.raises(WebhookVerificationError, match="No signature fits"):
        webhooks.unwrap(BODY + b" ", headers(), SECRET)
    with pytest.raises(WebhookVerificationError, match="whsec_"):
        webhooks.unwrap(BODY, headers(), "evs_wrong")
