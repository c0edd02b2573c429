"""The report of a selection over real HTTP: numbers, page, map."""

import io

import pyarrow.parquet as pq
import pytest

from service.selections.report_copies import Member, copies
from service.selections.report_page import page
from service.selections.report_responses import Report
from store.tables.jobs import Job
from tests.live import Api
from tests.service.reported import Json, reported

HTML = {"Accept": "text/html"}
PARQUET = {"Accept": "application/vnd.apache.parquet"}


@pytest.fixture(scope="module")
def job(api: Api) -> Json:
    return reported(api)


def test_the_report_of_a_selection_whose_request_lacks_what_has_a_default(api: Api) -> None:
    old = reported(api, n=30, k=5)
    with api.database.transaction() as session:
        row = session.get_one(Job, old["id"])
        row.request = {name: value for name, value in row.request.items() if name != "exclude_selection_ids"}
    path = f"/v1/selections/{old['id']}/report"
    assert api.call("GET", path, headers=HTML).status_code == 200
    assert api.get(path)["selection"]["request"]["k"] == 5


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


def test_the_page_shows_near_copies_and_leaks_with_their_texts(api: Api, job: Json) -> None:
    numbers = api.get(f"/v1/selections/{job['id']}/report")
    assert [len(texts) for texts in numbers["near_copy_texts"]["clusters"]] == [5]
    assert [leak["text"] for leak in numbers["near_copy_texts"]["leaks"][0]] == ["4 + 4?\n8"]
    document = api.call("GET", f"/v1/selections/{job['id']}/report", headers=HTML).text
    shown_copies = document.partition('id="copies"')[2].partition("</section>")[0]
    rows = [row.partition("</tr>")[0] for row in shown_copies.split("<tr>")]
    (leak,) = [row for row in rows if ">c4<" in row]
    assert "7 candidates in 1 clusters" in shown_copies
    assert all(f">c{number}</td>" in shown_copies for number in (7, 9, 11, 12))
    assert "7 + 7?" in shown_copies
    assert "and 2 more" in shown_copies
    assert "Leaks from the target" in shown_copies
    assert "1 candidates nearly repeat one of 20 examples" in shown_copies
    for shown in ("0.9688", "50.0 %", "4 + 4?", "t0&lt;/script&gt;"):
        assert shown in leak
    assert '<span class="id">tgt_held</span>' in shown_copies
    assert "None of its 20 examples is nearly repeated." in shown_copies
    assert "<img" not in shown_copies
    assert "<script" not in shown_copies


def test_reports_without_near_copies_or_their_texts_are_shown(api: Api, job: Json) -> None:
    numbers = api.get(f"/v1/selections/{job['id']}/report")
    earlier = copies(Report.model_validate({**numbers, "near_copy_texts": None}))
    assert earlier is not None
    representative = numbers["near_copies"]["clusters"]["listed"][0]["representative"]
    assert earlier.clusters[0].members == [Member(representative, None)]
    assert earlier.leaks[0].listed[0].texts is None
    assert "Not looked for" in page(Report.model_validate({**numbers, "near_copies": None}), [], {})


@pytest.mark.parametrize("asked", [None, {"leaks": "drop"}, {"within": "drop"}])
def test_the_page_says_whether_copies_and_leaks_were_left_out(
    api: Api, job: Json, asked: Json | None
) -> None:
    numbers = api.get(f"/v1/selections/{job['id']}/report")
    numbers["selection"]["request"]["spec"]["near_copies"] = asked
    shown = page(Report.model_validate(numbers), [], {})
    assert ("Leaks were left out." in shown) == (asked == {"leaks": "drop"})
    assert ("Of each cluster the first one could be selected." in shown) == (asked == {"within": "drop"})
