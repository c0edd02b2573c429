"""The client against a live service over real HTTP."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from evoselect_client import (
    AuthenticationError,
    Client,
    ConflictError,
    InvalidRequestError,
    JobFailedError,
    NotFoundError,
    WaitTimeoutError,
)
from evoselect_client.models import Job, Selection
from tests.live import Api, question
from tests.service.test_routes import complete


@pytest.fixture
def client(api: Api) -> Iterator[Client]:
    with Client(api.url, api.api_key) as client:
        yield client


@pytest.fixture
def selection(client: Client) -> Selection:
    return client.selections.create(target=[question(9)], candidates=[question(n) for n in range(6)], k=3)


def items(count: int) -> list[dict[str, object]]:
    return [
        {"rank": n, "id": f"c{n}", "content_hash": f"{n:064}", "weight": 1.0, "record": question(n)}
        for n in range(1, count + 1)
    ]


def test_targets_from_records_and_from_a_path(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "target.jsonl"
    path.write_text("".join(json.dumps(question(n)) + "\n" for n in range(3)))
    assert client.targets.create(path, name="t").count == 3
    made = client.targets.create([question(1)], metadata={"team": "a"})
    assert client.targets.retrieve(made.id) == made
    assert made.id in [target.id for target in client.targets.list(page_size=1)]


def test_a_pool_grows_by_any_source(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "pool.jsonl"
    path.write_text("".join(json.dumps(question(n)) + "\n" for n in range(30)))
    pool = client.pools.create(name="p")
    seen: list[int] = []
    upload = client.pools.add(pool.id, path, progress=seen.append)
    assert (upload.counts.accepted, upload.version, seen) == (30, 1, [30])
    many = (question(n, metadata={"x": "y" * 300}) for n in range(20_001))
    upload = pool.add(many, part_bytes=4 * 2**20)
    assert (upload.counts.received, upload.version, len(upload.batch_ids)) == (20_001, 3, 2)
    assert client.pools.retrieve(pool.id).count == 20_001  # the first 30 were there already
    assert pool.add([]).version is None


def test_bad_lines_have_the_number_of_the_whole_input(client: Client) -> None:
    records = [question(n, metadata={"x": "y" * 1000}) for n in range(4_000)]
    records[3_999] = {"prompt": "no answer"}
    pool = client.pools.create()
    with pytest.raises(InvalidRequestError, match="line 4000") as caught:
        pool.add(records, part_bytes=4_000_000)
    assert caught.value.errors[0]["line"] == 4_000
    assert 3_000 < client.pools.retrieve(pool.id).count < 4_000  # the first part stays
    skipped = client.pools.create().add(records, on_invalid="skip")
    assert (skipped.counts.accepted, skipped.counts.rejected) == (3_999, 1)
    assert skipped.errors[0].line == 4_000


def test_items_are_fetched_page_by_page(api: Api, client: Client, selection: Selection) -> None:
    with pytest.raises(ConflictError):
        next(selection.items())
    complete(api, selection.id, items(7))
    assert [item.rank for item in selection.items(page_size=3)] == list(range(1, 8))
    assert [item.record["prompt"] for item in selection.items()] == [f"{n} + {n}?" for n in range(1, 8)]


def test_wait_returns_the_completed_job_and_shows_the_way(
    api: Api, selection: Selection, capsys: pytest.CaptureFixture[str]
) -> None:
    states: list[str] = []
    helper = threading.Timer(0.5, complete, (api, selection.id, items(3)))
    helper.start()
    done = selection.wait(progress=lambda job: states.append(job.status), timeout=20)
    helper.join()
    assert done.status == "completed"
    assert dict(done.output()) == {"gap": 0.01}
    assert (states[0], states[-1]) == ("queued", "completed")
    done.wait(progress=True)
    assert f"selection {done.id} completed" in capsys.readouterr().err


def test_wait_raises_for_a_cancelled_job(selection: Selection) -> None:
    selection.cancel()
    with pytest.raises(JobFailedError, match="cancelled") as caught:
        selection.wait(timeout=5)
    assert caught.value.code == "cancelled"
    assert isinstance(caught.value.job, Job)


def test_wait_gives_up_in_time(selection: Selection) -> None:
    started = time.monotonic()
    with pytest.raises(WaitTimeoutError, match="still queued"):
        selection.wait(timeout=1)
    assert time.monotonic() - started < 4


def test_refusals_keep_their_meaning(api: Api, client: Client) -> None:
    with pytest.raises(NotFoundError, match="sel_"):
        client.selections.retrieve("sel_00000000000000000000000000")
    with pytest.raises(InvalidRequestError) as caught:
        client.selections.create(target=[question(1)], candidates=[question(2)], k=5)
    assert caught.value.code == "k_exceeds_pool"
    with pytest.raises(AuthenticationError), Client(api.url, "evs_wrong") as stranger:
        next(stranger.targets.list())


def test_models_and_jobs_are_listed(api: Api, client: Client, selection: Selection) -> None:
    assert api.settings.default_model in [model.id for model in client.models.list()]
    assert selection.id in [job.id for job in client.selections.list(page_size=2)]
    evaluation = client.evaluations.create(model=api.settings.default_model, records=[question(1)])
    assert evaluation.refresh().status == "queued"
