"""Which rows of a pool a selection took, left out, or could not take; and how filters narrow them."""

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from service.data import records
from service.pages.records.statuses import CandidateStatuses

POOL = pa.table({"id": ["a", "b", "c", "d"], "content_hash": ["A", "B", "C", "D"]})
CONSIDERED = pa.table(
    {"content_hash": ["A", "B", "D"], "nearest_target": ["t", "u", "t"], "cosine": [0.9, 0.2, 0.6]}
)
STATUSES = CandidateStatuses(pa.array(["A"]), CONSIDERED, {"c": "too_long"})
TURNS = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))


def test_each_candidate_has_one_fate() -> None:
    assert STATUSES.left_out(None)(POOL).to_pylist() == [False, True, False, True]
    assert STATUSES.left_out(0.5)(POOL).to_pylist() == [False, False, False, True]
    assert STATUSES.unusable(POOL).to_pylist() == [False, False, True, False]


def test_a_content_that_could_be_selected_is_not_unusable_by_the_id_of_another() -> None:
    twins = pa.table({"id": ["c", "c"], "content_hash": ["B", "C"]})
    assert STATUSES.unusable(twins).to_pylist() == [False, True]


def test_jobs_that_did_not_store_what_they_considered() -> None:
    old = CandidateStatuses(pa.array(["A"]), None, {"c": "too_long"})
    assert old.left_out(None)(POOL).to_pylist() == [False, True, False, True]
    assert old.unusable(POOL).to_pylist() == [False, False, True, False]
    assert old.nearest(["B"]) == {}


def test_the_nearest_targets_of_many() -> None:
    assert STATUSES.nearest(["D", "none", "B"]) == {"D": ("t", 0.6), "B": ("u", 0.2)}
    assert STATUSES.nearest([]) == {}


def test_the_most_similar_items_of_many_where_they_are_known() -> None:
    assert STATUSES.similar(["B"]) == {}  # stored by an earlier release
    more = CONSIDERED.append_column("item_rank", pa.array([None, 1, 1], pa.int64()))
    more = more.append_column("item_cosine", pa.array([None, 0.5, 0.25]))
    known = CandidateStatuses(
        pa.array(["A"]), more.append_column("item_cosine", pa.array([None, 0.5, 0.25])), {}
    )
    assert known.similar(["D", "none", "B", "A"]) == {"D": (1, 0.25), "B": (1, 0.5)}


def test_a_filter_is_asked_of_what_the_last_one_left() -> None:
    rows = {
        "prompt": ["a b", "c", None],
        "completion": ["x", "y", "z"],
        "extra": ['{"s":"w"}', None, '{"s":"v"}'],
        "id": ["1", "2", "3"],
        "content_hash": ["x", "y", "z"],
    }
    sink, turns = pa.BufferOutputStream(), [None, None, [{"role": "user", "content": "A turn"}]]
    pq.write_table(pa.table({**rows, "messages": pa.array(turns, TURNS)}), sink)
    group = records._Group(pq.ParquetFile(pa.BufferReader(sink.getvalue())), 0, 0, 0)
    asked = list[int]()

    def keep(part: pa.Table) -> pa.Array:
        asked.append(part.num_rows)
        return pc.not_equal(part["content_hash"], "x")

    assert records._places(group, "A", {}, keep) == [2]
    assert asked == [2]
    assert records._places(group, None, {"s": "v"}, keep) == [2]
    assert records._places(group, "nowhere", {"s": "v"}, keep) == []
    assert asked == [2, 3]  # nobody asks about rows that are out already


def test_the_row_behind_a_page_s_first_ones_is_found_in_its_turns() -> None:
    turns = [[{"role": "user", "content": word}] for word in ("one", "two", "One more")]
    texts = {"prompt": pa.nulls(3, pa.string()), "completion": ["x"] * 3}
    table = pa.table({**texts, "messages": pa.array(turns, TURNS)})
    assert records._holding(table.slice(1), "one").tolist() == [1]
