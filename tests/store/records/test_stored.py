"""Records that are kept by columns are the sequence that they came as."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from store.records.record import Record, parse_record, to_table
from store.records.stored import Records, some


def row(number: int) -> Record:
    value = {"prompt": f"p{number}", "completion": "x", "id": f"r{number}", "extra": {"n": number}}
    chat = {"messages": [{"role": "user", "content": f"p{number}"}], "completion": "x"}
    return parse_record(chat if number % 3 == 0 else value)


@pytest.mark.parametrize("where", ["memory", "files"])
def test_all_ways_of_reading_give_the_same_records(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, where: str
) -> None:
    monkeypatch.setattr("store.records.stored.BATCH", 4)
    rows = [row(number) for number in range(23)]
    older = to_table(rows[20:]).drop_columns(["quality", "extra"])
    tables = [to_table(rows[:9]), to_table([]), to_table(rows[9:20]), older]
    paths = [tmp_path / f"{number}.parquet" for number in range(4)]
    for table, path in zip(tables, paths, strict=True):
        pq.write_table(table, path, row_group_size=5)
    found = Records.of(tables) if where == "memory" else Records.stored(paths)
    assert list(found)[:20] == rows[:20]
    assert [found[at].content_hash for at in range(-23, 23)] == [one.content_hash for one in (*rows, *rows)]
    assert list(found[3:17]) == rows[3:17]
    assert list(found.column("id")) == [one.id for one in rows]
    odd = found.at(np.arange(1, 20, 2)).at([0, 4, 8])
    assert (len(odd), list(odd), odd[1]) == (3, [rows[1], rows[9], rows[17]], rows[9])
    assert some(found, [19, 2, 19]) == some(rows, [19, 2]) == {2: rows[2], 19: rows[19]}
    assert found[22].extra is None
    assert [table.column_names for table in found.at([20]).tables(["id", "extra"])] == [["id"]]
    with pytest.raises(IndexError, match="record 23 of 23"):
        found[23]


def test_no_table_and_no_row_are_no_records() -> None:
    assert (list(Records.of([])), some(Records.of([]), [])) == ([], {})
    assert list(Records.of([to_table([row(1)])]).at([])) == []
