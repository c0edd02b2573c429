"""What an indexing does with the features that it finds or computes, and when it is tried again."""

from sqlalchemy import select

from store.tables.data import FeatureBlock
from tests.workers.line import Line
from tests.workers.proxy import ALIAS
from tests.workers.selections.indexes.test_index import indexed, pool_of, rows, selected, similar
from tests.workers.selections.indexes.test_index import line as line


def test_features_that_are_not_to_stay_go_and_the_index_goes_on_without_them(line: Line) -> None:
    pool = pool_of(line.api, rows(0, 20))
    features = {"kind": "hidden", "keep_features": False}
    indexed(line, pool, model=ALIAS, features=features)
    with line.api.database.transaction() as session:
        assert session.scalars(select(FeatureBlock).where(FeatureBlock.rows > 0)).all() == []
    line.api.made(f"/v1/pools/{pool}/batches", {"records": rows(20, 25)})
    assert indexed(line, pool, model=ALIAS, features=features)["added"] == 5
    assert similar(line.api, pool, "r22")["missing"] == 0


def test_a_bad_row_that_came_later_is_left_out(line: Line) -> None:
    pool = pool_of(line.api, rows(0, 12))
    selected(line, pool, kind="hidden", on_bad_row="reject")
    long = {"id": "long", "prompt": "please " * 100, "completion": "x"}
    line.api.made(f"/v1/pools/{pool}/batches", {"records": [long]})
    assert indexed(line, pool)["left_out"] == {"too_long": 1}


def test_one_that_ended_without_a_result_is_tried_again(line: Line) -> None:
    pool = pool_of(line.api, rows(0, 8))
    body = {"pool_id": pool, "model": ALIAS, "features": {"kind": "hidden"}}
    job = line.api.made("/v1/indexings", body)["id"]
    assert line.api.made(f"/v1/indexings/{job}/cancel", {})["status"] == "cancelled"
    again = line.api.made(f"/v1/indexings/{job}/retry", {})["id"]
    while line.place.drain():
        pass
    assert line.api.get(f"/v1/indexings/{again}")["status"] == "completed"
    assert similar(line.api, pool, "r1")["index"]["indexing_id"] == again


def test_a_pool_of_which_nothing_has_features_says_so(line: Line) -> None:
    long = {"id": "long", "prompt": "please " * 100, "completion": "x"}
    body = {"pool_id": pool_of(line.api, [long]), "model": ALIAS, "features": {"kind": "hidden"}}
    job = line.done("indexings", body)
    assert (job["status"], job["error"]["code"]) == ("failed", "no_usable_rows")
