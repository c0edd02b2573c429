"""The database's shape: brought to the newest migration, or refused when it is not there."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

import migrations
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


def require_head(url: str) -> None:
    """Raise NotAtHead unless the database is at the newest migration."""
    wanted = ScriptDirectory.from_config(_config(url)).get_current_head()
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            found = MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()
    if found != wanted:
        raise NotAtHead(
            f"the database is at migration {found}, this release needs {wanted}: "
            "run `python -m store.migrate`"
        )


def main() -> None:
    """Bring the database of EVOSELECT_DATABASE_URL to the newest migration."""
    url = Settings().database_url
    if not url:
        raise SystemExit("EVOSELECT_DATABASE_URL is not set: name the database to migrate")
    upgrade(url)


if __name__ == "__main__":
    main()
