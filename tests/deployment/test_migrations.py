"""Migrations on data: back and forth again, rows that were there stay; a busy table makes them fail fast."""

import time
from pathlib import Path

import psycopg
import pytest
from alembic.script import ScriptDirectory
from sqlalchemy.exc import OperationalError

import migrations
from store import migrate
from store.accounts import tenants
from store.data import pools
from store.session import Database


def before_head() -> str:
    script = ScriptDirectory(str(Path(migrations.__file__).parent))
    head = script.get_revision(script.get_current_head() or "")
    assert head is not None
    return str(head.down_revision)


def test_down_and_up_again_keeps_the_rows(database_url: str) -> None:
    database = Database(database_url)
    with database.transaction() as session:
        tenant = tenants.ensure_tenant(session, "kept")
        pool = pools.create(session, tenant, name="kept").id
    migrate.downgrade(database_url, before_head())
    with pytest.raises(migrate.NotAtHead, match=r"store\.migrate"):
        migrate.require_head(database_url)
    migrate.upgrade(database_url)
    migrate.require_head(database_url)
    with database.transaction() as session:
        assert pools.get(session, tenant, pool).name == "kept"
    database.dispose()


def test_all_the_way_down_and_up(database_url: str) -> None:
    migrate.downgrade(database_url, "base")
    migrate.upgrade(database_url)
    migrate.require_head(database_url)


def test_a_busy_table_makes_it_fail_fast(database_url: str) -> None:
    migrate.downgrade(database_url, before_head())
    with psycopg.connect(database_url.replace("+psycopg", "")) as busy:
        busy.execute("lock table alembic_version in access exclusive mode")
        started = time.monotonic()
        with pytest.raises(OperationalError, match="lock timeout"):
            migrate.upgrade(database_url)
    assert time.monotonic() - started < 9
    migrate.upgrade(database_url)  # once the table is free
