"""Make an API key: `python -m service.keys TENANT` prints it once. Embedded mode makes its own."""

import sys

from store.accounts import tenants
from store.session import Database
from store.settings import load_settings


def main() -> None:
    """Create the tenant if it is new, and a key that acts for it."""
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m service.keys TENANT")
    settings = load_settings()
    secret = tenants.generate_key()
    with Database(settings.database_url).transaction() as session:
        tenant_id = tenants.ensure_tenant(session, sys.argv[1])
        tenants.add_key(
            session,
            tenant_id,
            name="command line",
            secret=secret,
            pepper=settings.key_pepper.get_secret_value(),
        )
    print(secret)


if __name__ == "__main__":
    main()
