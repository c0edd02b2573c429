"""What is stored, looked at and deleted by the client; shapes and columns on the way in."""

import json
from pathlib import Path

import pytest

from evoselect_client import Client, ConflictError, NotFoundError
from tests.live import Api, question

ROWS = [{"ask": f"{n} + {n}?", "say": str(2 * n), "topic": "sums"} for n in range(5)]
COLUMNS = {"prompt": "ask", "completion": "say"}


def test_records_by_pages_and_by_a_text(api: Api) -> None:
    with Client(api.url, api.api_key) as client:
        pool = client.pools.create()
        sent = pool.add(ROWS, columns=COLUMNS)
        assert (sent.recognised.shapes, sent.recognised.extra) == ({"columns": 5}, ["topic"])
        stored = list(client.pools.records(pool.id, page_size=2))
        assert [row.number for row in stored] == [1, 2, 3, 4, 5]
        assert stored[4].original == ROWS[4]
        (found,) = client.pools.records(pool.id, search="3 + 3", page_size=2)
        assert found.record["completion"] == "6"
        target = client.targets.create(ROWS[:2], columns=COLUMNS)
        assert [row.record["prompt"] for row in client.targets.records(target.id)] == ["0 + 0?", "1 + 1?"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rows.csv", "instruction,output\nAdd.,4\n"),
        ("rows.json", json.dumps([{"instruction": "Add.", "output": "4"}], indent=1)),
        ("rows.jsonl", '{"instruction": "Add.", "output": "4"}\n'),
    ],
)
def test_a_file_of_any_kind_by_its_path(api: Api, tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with Client(api.url, api.api_key) as client:
        pool = client.pools.create()
        assert pool.add(path).recognised.shapes == {"alpaca": 1}
        assert client.targets.create(path, format="alpaca").recognised.shapes == {"alpaca": 1}
        model = api.settings.default_model
        assert client.evaluations.create(model=model, records=path).status == "queued"


def test_parts_of_an_upload_are_recognised_together(api: Api) -> None:
    with Client(api.url, api.api_key) as client:
        pool = client.pools.create()
        sent = pool.add([{"question": f"{n}?", "answer": "x", f"c{n}": 1} for n in range(20)], part_bytes=200)
        assert len(sent.batch_ids) > 1
        assert sent.recognised.shapes == {"question_answer": 20}
        assert len(sent.recognised.extra) == 20


def test_what_is_needed_stays_and_the_rest_goes(api: Api) -> None:
    with Client(api.url, api.api_key) as client:
        pool, target = client.pools.create(), client.targets.create([question(1)])
        pool.add([question(n) for n in range(3)])
        job = client.selections.create(target_id=target.id, pool_id=pool.id, k=1)
        with pytest.raises(ConflictError, match="needs pool"):
            client.pools.delete(pool.id)
        job.cancel()
        client.selections.delete(job.id)
        client.pools.delete(pool.id)
        client.targets.delete(target.id)
        with pytest.raises(NotFoundError):
            client.pools.retrieve(pool.id)
