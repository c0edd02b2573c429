"""The database's shape: brought to the newest migration, or refused when it is not there."""

import argparse
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError

import migrations
from store.kit.exits import EXIT_CONFIGURATION, EXIT_UNAVAILABLE, leave
from store.settings import Settings


class NotAtHead(RuntimeError):
    """The database's migration is not the newest."""


def _config(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.attributes["url"] = url
    return config


def upgrade(url: str) -> None:
    """Bring the database at `url` to the newest migration."""
    command.upgrade(_config(url), "head")


def downgrade(url: str, revision: str) -> None:
    """Take the database at `url` back to an earlier migration."""
    command.downgrade(_config(url), revision)


def require_head(url: str) -> None:
    """Raise NotAtHead unless the database is at the newest migration."""
    found, wanted = revisions(url)
    if found != wanted:
        raise NotAtHead(
            f"the database is at migration {found}, this release needs {wanted}: "
            "run `python -m store.migrate`"
        )


def revisions(url: str) -> tuple[str | None, str | None]:
    """(migration that the database is at, newest one of this release)."""
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            found = MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()
    return found, ScriptDirectory.from_config(_config(url)).get_current_head()


def start_or_leave(url: str) -> None:
    """For a process that starts: end it with a sentence and an exit code where it could not serve."""
    try:
        require_head(url)
    except OperationalError as error:
        reason = str(error.orig).strip()
        leave(EXIT_UNAVAILABLE, f"the database does not answer ({reason}): start it, then try again")
    except NotAtHead as error:
        leave(EXIT_CONFIGURATION, str(error))


def main() -> None:
    """Bring the database of EVOSELECT_DATABASE_URL to the newest migration, or back to an earlier one."""
    parser = argparse.ArgumentParser(prog="python -m store.migrate", description=main.__doc__)
    parser.add_argument("--down-to", metavar="REVISION", help="before an older release is started again")
    revision = parser.parse_args().down_to
    url = Settings().database_url
    if not url:
        raise SystemExit("EVOSELECT_DATABASE_URL is not set: name the database to migrate")
    if revision:
        downgrade(url, revision)
    else:
        upgrade(url)


if __name__ == "__main__":
    main()
