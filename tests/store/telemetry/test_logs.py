"""Log lines: JSON, with what they are about, without secrets wherever those come from."""

import json
import logging
import subprocess
import sys
import traceback

import pytest
import sqlalchemy
from sqlalchemy.exc import DBAPIError, IntegrityError

from store.accounts import tenants
from store.session import Database
from store.telemetry import logs
from store.webhooks import endpoints as webhooks

PROGRAM = """
import logging, sys
from store.telemetry import logs
logs.configure()
key, webhook = sys.stdin.read().split()
with logs.about(job="sel_1", shard="shd_1", attempt=2):
    logging.getLogger("x").info("used %s", key, extra={"note": webhook})
    try:
        raise ValueError(f"bad key {key} for postgresql://me:hunter2@db/x")
    except ValueError:
        logging.getLogger("y").exception("failed")
logging.getLogger("z").debug("not shown")
"""


def test_lines_are_json_with_their_subject_and_without_secrets() -> None:
    key, secret = tenants.generate_key(), webhooks.secret("whe_1", 1, "pepper")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], input=f"{key} {secret}", capture_output=True, text=True, check=True
    )
    first, second = map(json.loads, done.stderr.splitlines())
    assert first["event"] == "used evs_***"
    assert first["note"] == "whsec_***"
    assert {name: first[name] for name in ("job", "shard", "attempt", "logger", "level")} == {
        "job": "sel_1",
        "shard": "shd_1",
        "attempt": 2,
        "logger": "x",
        "level": "info",
    }
    assert "ValueError" in second["exception"]
    for hidden in (key[4:], secret[6:], "hunter2"):
        assert hidden not in done.stderr


def test_uvicorn_adds_no_second_line_to_a_request() -> None:
    program = """
import logging, uvicorn
from store.telemetry import logs
config = uvicorn.Config("nowhere:app")
logs.configure()
print(logging.getLogger("uvicorn.access").hasHandlers(), logging.getLogger("uvicorn.error").hasHandlers())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_what_is_no_secret_stays() -> None:
    for text in ("evs_...", "GET /v1/selections/sel_01jd8x00000000000000000000", "http://127.0.0.1:8000/"):
        assert logs.without_secrets(text) == text
    assert logs.without_secrets(logging.INFO) == logging.INFO


def test_a_refusal_of_the_database_repeats_no_value(database: Database) -> None:
    """DETAIL has the values of a key, CONTEXT those of parameters."""
    name = "a secret of a request"

    def refused(statement: str) -> DBAPIError:
        with pytest.raises(DBAPIError) as found, database.transaction() as session:
            session.execute(sqlalchemy.text(statement), {"id": "ten_1", "name": name})
        return found.value

    twice = refused("insert into tenants (id, name) values (:id, :name), (:id, :name)")
    assert isinstance(twice, IntegrityError)
    wrong = refused("do $$ begin perform cast(current_setting('application_name') as json); end $$")
    for error, state in ((twice, "23505"), (wrong, "22P02")):
        said = "".join(traceback.format_exception(error))
        assert state in said
        assert name not in said
        assert "DETAIL" not in said
        assert "CONTEXT" not in said
