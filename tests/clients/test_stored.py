"""What is stored, found again, looked at and deleted by the client; shapes and columns on the way in."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import httpx
import pytest

from evoselect_client import BadInputError, Client, ConflictError, NotFoundError
from tests.live import Api, another_tenant, question

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
        assert len(list(client.pools.records(pool.id, extra={"topic": "sums"}, page_size=2))) == 5
        (both,) = client.pools.records(pool.id, extra={"topic": "sums"}, search="3 + 3")
        assert both == found
        assert not list(client.pools.records(pool.id, extra={"topic": "sums", "more": 1}))
        target = client.targets.create(ROWS[:2], columns=COLUMNS)
        assert [row.original for row in client.targets.records(target.id)] == ROWS[:2]
        assert not list(client.targets.records(target.id, extra={"topic": "sum"}))


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


def test_a_template_makes_the_prompts_of_every_source(api: Api, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("ask,completion\n2 + 2?,4\n")
    rows, template = [{"ask": "2 + 2?", "completion": "4"}], "Q: {{ ask }}\n\u00e9 & +"
    with Client(api.url, api.api_key) as client:
        for source in (rows, iter(rows), str(path)):
            pool = client.pools.create()
            sent = pool.add(source, template=template)
            (stored,) = client.pools.records(pool.id)
            assert stored.record["prompt"] == "Q: 2 + 2?\n\u00e9 & +"
            assert sent.recognised.example is not None
        target = client.targets.create(str(path), template=template)
        (stored,) = client.targets.records(target.id)
        assert stored.record["prompt"] == "Q: 2 + 2?\n\u00e9 & +"
        model = api.settings.default_model
        job = client.evaluations.create(model=model, records=rows, template=template)
        assert (job.request or {})["target_id"] == target.id


def test_the_same_part_read_in_another_way_is_sent_again(api: Api) -> None:
    rows = [{"ask": "2 + 2?", "completion": "4"}]
    with Client(api.url, api.api_key) as client:
        pool = client.pools.create()
        sent = [
            pool.add(rows, template=template, upload_id="one")
            for template in ("a {{ ask }}", "b {{ ask }}", "a {{ ask }}")
        ]
        assert sent[0].batch_ids == sent[2].batch_ids != sent[1].batch_ids
        found = [stored.record["prompt"] for stored in client.pools.records(pool.id)]
        assert found == ["a 2 + 2?", "b 2 + 2?"]


def test_what_is_needed_stays_and_the_rest_goes(api: Api) -> None:
    with Client(api.url, api.api_key) as client:
        pool, target = client.pools.create(), client.targets.create([question(1)], name="own")
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


def test_the_same_examples_are_one_target(api: Api, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    with Client(api.url, api.api_key) as client:
        first = client.targets.create(path, columns=COLUMNS, name="sums")
        again = client.targets.create(path, columns=COLUMNS, name="sums")
        assert (first.found, again.found, again.id) == (False, True, first.id)
        assert client.targets.create(ROWS, columns=COLUMNS).id == first.id  # by whatever way they come
        others = [
            client.targets.create(path, columns=COLUMNS, name="others"),
            client.targets.create(path, columns=COLUMNS, name="sums", metadata={"a": "b"}),
            client.targets.create(path, columns=COLUMNS | {"group": "topic"}, name="sums"),
            client.targets.create(path, columns=COLUMNS, name="sums", held_out={"ratio": 0.4}),
            client.targets.create(path, columns=COLUMNS, name="sums", held_out={"ratio": 0.6}),
        ]
        assert not any(other.found for other in others)
        assert len({first.id, *(other.id for other in others)}) == 6
        split = client.targets.create(path, columns=COLUMNS, name="sums", held_out={"ratio": 0.4})
        assert (split.id, split.held_out_target_id) == (others[3].id, others[3].held_out_target_id)
        for gone in (first, others[1]):
            client.targets.delete(gone.id)
        assert not client.targets.create(path, columns=COLUMNS, name="sums").found
    stranger = another_tenant(api)
    with Client(stranger.url, stranger.api_key) as client:
        assert not client.targets.create(path, columns=COLUMNS, name="sums").found


def test_the_same_examples_at_once_are_one_target(api: Api) -> None:
    rows = [question(n, group="at once") for n in range(40)]
    with Client(api.url, api.api_key) as client, ThreadPoolExecutor(6) as threads:
        made = list(threads.map(lambda _: client.targets.create(rows), range(12)))
    assert len({target.id for target in made}) == 1
    assert sum(not target.found for target in made) == 1


def test_evaluations_on_the_same_records_can_be_compared(api: Api) -> None:
    rows = [question(n, group="compared") for n in range(3)]
    with Client(api.url, api.api_key) as client:
        model = api.settings.default_model
        jobs = [client.evaluations.create(model=model, records=rows) for _ in range(2)]
    assert jobs[0].request["target_id"] == jobs[1].request["target_id"]


def test_a_file_that_is_stored_is_not_sent_again(api: Api, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("instruction,output\nAdd 3.,4\n")
    with Client(api.url, api.api_key) as client:
        first = client.files.create(path)
        again = client.files.create(path, part_bytes=5)
        assert (first.found, again.found, again.id) == (False, True, first.id)
        client.files.delete(first.id)
        assert not client.files.create(path).found
    stranger = another_tenant(api)
    with Client(stranger.url, stranger.api_key) as client:
        assert not client.files.create(path).found


class Deleting(httpx.HTTPTransport):
    """Somebody else deletes each file right after it was found."""

    def __init__(self, api: Api) -> None:
        super().__init__()
        self._api = api
        self.deleted: list[str] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = super().handle_request(request)
        if request.method == "GET" and request.url.path == "/v1/files":
            for file in json.loads(response.read())["data"]:
                self._api.call("DELETE", f"/v1/files/{file['id']}")
                self.deleted.append(file["id"])
        return response


def test_a_file_that_is_deleted_while_it_is_used_is_sent_again(api: Api, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("instruction,output\nAdd 5.,6\n")
    other = Deleting(api)
    with Client(api.url, api.api_key, http=other) as client:
        client.files.create(path)
        pool = client.pools.create()
        assert pool.add(path).counts.accepted == 1
        assert client.targets.create(path).count == 1
    assert len(other.deleted) == 2


def test_files_of_stores(api: Api) -> None:
    store = fsspec.filesystem("memory")
    store.pipe("/folder/rows.csv", b"instruction,output\nAdd 7.,8\n")
    store.pipe("/rows.jsonl", b'{"instruction":"Add 9.","output":"10"}\n')
    with Client(api.url, api.api_key) as client:
        pool = client.pools.create()
        for url in ("memory://folder/rows.csv", "memory://rows.jsonl"):
            assert pool.add(url).counts.accepted == 1
            assert client.targets.create(url).count == 1
        for url, said in (("memory://none.csv", "FileNotFound"), ("nosuch://x", "Protocol not known")):
            with pytest.raises(BadInputError, match=f"{url} cannot be read.*{said}"):
                pool.add(url)
