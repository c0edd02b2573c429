"""The report of a selection over real HTTP: numbers, page, map."""

import io

import pyarrow.parquet as pq
import pytest

from tests.live import Api
from tests.service.reported import Json, reported

HTML = {"Accept": "text/html"}
PARQUET = {"Accept": "application/vnd.apache.parquet"}


@pytest.fixture(scope="module")
def job(api: Api) -> Json:
    return reported(api)


def test_numbers_page_and_map_agree(api: Api, job: Json) -> None:
    path = f"/v1/selections/{job['id']}/report"
    numbers = api.get(path)
    assert (numbers["object"], numbers["selection"]["id"]) == ("selection.report", job["id"])
    assert len(numbers["map"]["points"]["selected"]["x"]) == 60
    assert numbers["targets"]["total"] == 20
    page = api.call("GET", path, headers=HTML)
    assert page.headers["content-type"].startswith("text/html")
    assert "60 of 303 candidates" in page.text
    table = pq.read_table(io.BytesIO(api.call("GET", path, headers=PARQUET).content))
    assert table.num_rows == 320
    assert table.filter(table["selected"]).column("rank").to_pylist() == list(range(1, 61))
    shape = {name: str(table.schema.field(name).type) for name in ("x", "y", "neighbors", "rank", "score")}
    assert shape == {  # what Embedding Atlas reads: {"ids": rows of the file from 0, "distances"}
        "x": "double",
        "y": "double",
        "neighbors": "struct<ids: list<element: int64>, distances: list<element: double>>",
        "rank": "int64",
        "score": "double",
    }
    for row, near in enumerate(table["neighbors"].to_pylist()):
        assert len(near["ids"]) == len(near["distances"]) == 10
        assert row not in near["ids"]
        assert all(0 <= place < 320 for place in near["ids"])
        assert near["distances"] == sorted(near["distances"])
