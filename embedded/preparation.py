"""What embedded mode needs before its processes start: servers that answer, a migrated database, a key."""

import redis
from sqlalchemy.exc import OperationalError

from store import migrate
from store.accounts import tenants
from store.session import Database
from store.upkeep import sweeper


class StartFailed(RuntimeError):
    """Embedded mode could not start; the message says which part and what to do."""


def require_database(url: str) -> None:
    """Raise StartFailed unless the operator's own database answers."""
    database = Database(url)
    try:
        database.ping()
    except OperationalError as error:
        reason = str(error.orig).strip()
        raise StartFailed(
            f"the database of EVOSELECT_DATABASE_URL does not answer ({reason}): start it, "
            "or unset the variable so that embedded mode starts its own"
        ) from error
    finally:
        database.dispose()


def require_broker(url: str) -> None:
    """Raise StartFailed unless the operator's own broker answers."""
    client = redis.Redis.from_url(url, socket_connect_timeout=5)
    try:
        client.ping()
    except redis.RedisError as error:
        raise StartFailed(
            f"the broker of EVOSELECT_REDIS_URL does not answer ({error}): start it, "
            "or unset the variable so that embedded mode starts its own"
        ) from error
    finally:
        client.close()


def prepare_database(url: str, pepper: str, api_key: str, *, ours: bool) -> None:
    """Migrate it and let the key in; where it is ours, nobody works on it yet: all leases are over."""
    migrate.upgrade(url)
    database = Database(url)
    try:
        with database.transaction() as session:
            tenant = tenants.ensure_tenant(session, tenants.DEFAULT_TENANT)
            tenants.add_key(session, tenant, name="embedded", secret=api_key, pepper=pepper)
            if ours:
                sweeper.expire_leases(session)
    finally:
        database.dispose()
