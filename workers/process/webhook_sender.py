"""Sends webhooks from a thread of the ops worker, so that a slow receiver never holds up the relay."""

import logging
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import lru_cache

import orjson

from store.kit import egress
from store.kit.egress import Egress, Refused, Unreachable
from store.session import Database
from store.webhooks import deliveries
from store.webhooks import endpoints as webhooks
from store.webhooks.deliveries import Due
from workers.context import context

logger = logging.getLogger(__name__)
AT_ONCE = 32  # receivers that are talked to at the same time; deliveries.PER_TENANT of them of one tenant
REST_SECONDS = 0.2  # before it is asked again what is due, while some are being talked to


class WebhookSender:
    """Sends everything that is due, then rests until it is woken; one per process."""

    def __init__(self, database: Database, pepper: str, way: Egress) -> None:
        self._database = database
        self._pepper = pepper
        self._way = way
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """Start sending unless it is under way."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self.send_all, name="webhooks", daemon=True)
            self._thread.start()

    def send_all(self) -> None:
        """Until nothing is due. Leases of a killed sender run out, and others send.

        Whoever answers makes room for the next: a silent receiver holds up no other.
        """
        with ThreadPoolExecutor(AT_ONCE) as threads:
            flying: set[Future[None]] = set()
            while True:
                due = self._take(AT_ONCE - len(flying))
                flying.update(threads.submit(self._send, one) for one in due)
                if not flying:
                    return
                done, flying = wait(flying, REST_SECONDS, FIRST_COMPLETED)
                for one in done:
                    one.result()

    def _take(self, limit: int) -> list[Due]:
        if not limit:
            return []
        with self._database.transaction() as session:
            return deliveries.take(session, limit)

    def _send(self, due: Due) -> None:
        status, error = None, None
        try:
            status = self._way.post(due.url, *self._message(due))
        except (Refused, Unreachable) as reason:
            error = str(reason)
        logger.info("delivery %s, attempt %d: %s", due.id, due.attempt, status or error)
        with self._database.transaction() as session:
            deliveries.settle(session, due, status, error)

    def _message(self, due: Due) -> tuple[bytes, dict[str, str]]:
        body, now = orjson.dumps(due.payload), int(time.time())
        signature = webhooks.sign(
            due.endpoint_id, due.secret_version, self._pepper, message_id=due.id, sent_at=now, body=body
        )
        return body, {
            "Content-Type": "application/json",
            "User-Agent": "evoselect-webhooks",
            "webhook-id": due.id,
            "webhook-timestamp": str(now),
            "webhook-signature": signature,
        }


@lru_cache(maxsize=1)
def webhook_sender() -> WebhookSender:
    """The one of this process."""
    ctx = context()
    way = Egress(allowed=egress.networks(ctx.settings.webhook_networks))
    return WebhookSender(ctx.database, ctx.settings.key_pepper.get_secret_value(), way)
