"""Publishes the outbox from a thread of the ops worker: no message has to arrive before one can be sent."""

import logging

from celery import Celery
from sqlalchemy.exc import OperationalError

from store.jobs import outbox
from workers.context import Context
from workers.process.leaving import leaving

logger = logging.getLogger(__name__)
QUEUE = "ops"  # the queue whose workers relay


def keep_publishing(app: Celery, ctx: Context) -> None:
    """Every EVOSELECT_RELAY_SECONDS, until the process is to end."""

    def send(queue: str) -> None:
        app.send_task("shards.ring", queue=queue, retry=False)

    while not leaving.wait(ctx.settings.relay_seconds):
        try:
            with ctx.database.transaction() as session:
                outbox.publish(session, send)
        except OperationalError as error:
            logger.warning("the database is away: %s", error.orig)
        except (
            Exception
        ) as error:  # whatever the broker's driver raises: the notifications stay in the outbox
            logger.warning("notifications could not be sent: %s: %s", type(error).__name__, error)
