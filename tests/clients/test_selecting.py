"""What pipelines share: the same task finds its job and its data again."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from evoselect_client import Client, NotFoundError
from evoselect_client.integrations.selecting import start, stored
from tests.live import Api, another_tenant, lines, question

TARGET, POOL = [question(9)], [question(n) for n in range(6)]


@pytest.fixture
def client(api: Api) -> Iterator[Client]:
    """A tenant's that has nothing yet."""
    own = another_tenant(api)
    with Client(own.url, own.api_key) as client:
        yield client


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The pool as lines."""
    path = tmp_path / "pool.jsonl"
    path.write_bytes(lines(*POOL))
    return path


def test_the_same_task_finds_its_job_and_another_the_data(client: Client, path: Path) -> None:
    first, again, other = (start(client, TARGET, str(path), identity=name, k=2) for name in "aab")
    more = start(client, TARGET, str(path), identity="a", k=3)
    assert first.id == again.id
    assert len({first.id, other.id, more.id}) == 3
    assert len({one.request["pool_id"] for one in (first, other, more)}) == 1
    (pool,) = client.pools.list()
    assert (pool.count, pool.version) == (6, 1)
    assert len(list(client.targets.list())) == 1


def test_a_job_without_a_result_is_begun_anew_once(client: Client) -> None:
    first = start(client, TARGET, POOL, identity="a", k=2)
    assert first.cancel().status == "cancelled"
    anew = start(client, TARGET, POOL, identity="a", k=2)
    assert anew.id != first.id
    assert start(client, TARGET, POOL, identity="a", k=2).id == anew.id


def test_a_pool_that_has_grown_is_read_as_it_was(client: Client) -> None:
    """The rows are found, those that somebody added since are not among the candidates."""
    pool, _ = stored(client, POOL)
    pool.add([question(7)])
    found, upload = stored(client, POOL)
    assert (found.id, upload.version) == (pool.id, 1)
    job = start(client, TARGET, POOL, k=2)
    assert (job.request["pool_id"], job.request["pool_version"]) == (pool.id, 1)


def test_what_can_be_read_once_is_a_new_pool(client: Client) -> None:
    ids = {stored(client, iter(POOL))[0].id for _ in range(2)}
    assert len(ids) == 2


def test_every_form_of_the_same_rows_is_found(client: Client, path: Path, tmp_path: Path) -> None:
    table = tmp_path / "pool.parquet"
    pd.DataFrame(POOL).to_parquet(table)
    assert pq.read_table(table).num_rows == 6
    for given in (POOL, pd.DataFrame(POOL), str(path), path.as_uri(), table):
        first, again = (stored(client, given) for _ in range(2))
        assert again[0].id == first[0].id
        assert again[1].version == 1
    assert len(list(client.pools.list())) == 3  # rows, the bytes of lines, those of Parquet


def test_what_is_stored_is_named_by_its_id(client: Client) -> None:
    target, pool = client.targets.create(TARGET), client.pools.create()
    pool.add(POOL)
    request = start(client, target.id, pool.id, k=1).request
    assert (request["target_id"], request["pool_id"]) == (target.id, pool.id)
    missing = f"{pool.id[:-1]}{'1' if pool.id.endswith('0') else '0'}"
    with pytest.raises(NotFoundError):
        start(client, target.id, missing, k=1)
