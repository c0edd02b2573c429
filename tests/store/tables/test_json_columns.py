"""JSON columns over a real PostgreSQL: what it cannot hold is replaced, and all that it holds can be read."""

import sys
from typing import Any

import pytest
from sqlalchemy import text

from store.jobs import shards
from store.session import Database
from store.tables.jobs import Job, Shard
from tests.store.shard_jobs import make_job, must_take, release

LARGEST = sys.float_info.max


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"a": [1, -2.5, None, True, "ä \U0001f600"]}, {"a": [1, -2.5, None, True, "ä \U0001f600"]}),
        ({"a\0b": "c\0d"}, {"a\ufffdb": "c\ufffdd"}),
        ({"a": ["\ud800x", ("\udfff",)]}, {"a": ["\ufffdx", ["\ufffd"]]}),
        ({"a": "\\u0000 and \\ud800 are text"}, {"a": "\\u0000 and \\ud800 are text"}),
        ({"a": [2**63 - 1, 2**64 - 1, -(2**63)]}, {"a": [2**63 - 1, 2**64 - 1, -(2**63)]}),
        ({"a": [2**64, -(10**30), 10**400]}, {"a": [2.0**64, -1e30, LARGEST]}),
    ],
)
def test_a_value_comes_back_as_it_was_or_as_near_as_it_can(
    database: Database, tenant: str, given: Any, kept: Any
) -> None:
    job_id = make_job(database, tenant)
    with database.transaction() as session:
        session.get_one(Job, job_id).user_metadata = given
    with database.transaction() as session:
        assert session.get_one(Job, job_id).user_metadata == kept


@pytest.mark.parametrize(
    ("stored", "seen"),
    [
        ("1e400", LARGEST),
        ("-1e400", -LARGEST),
        ("9" * 5000, LARGEST),
        ("1.5", 1.5),
        ("[1e400, 7]", [LARGEST, 7]),
    ],
)
def test_numbers_of_any_size_can_be_read(database: Database, stored: str, seen: Any) -> None:
    with database.transaction() as session:
        assert session.scalar(text(f"select cast('{stored}' as jsonb)")) == seen


def test_the_text_of_a_fault_is_stored_whatever_is_in_it(database: Database, tenant: str) -> None:
    make_job(database, tenant)
    claim = must_take(database)
    release(database, claim, "the generator said no\0thing")
    with database.transaction() as session:
        assert session.get_one(Shard, claim.shard_id).last_fault == "the generator said no\ufffdthing"
    again = must_take(database)
    with database.transaction() as session:
        shards.fail(session, again, "generator_refused", "no\0thing")
        job = session.get_one(Job, again.job_id)
        session.refresh(job)
        assert job.error == {"code": "generator_refused", "detail": "no\ufffdthing"}
