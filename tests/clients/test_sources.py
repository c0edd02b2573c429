"""What records may be: every source gives the lines that a list of the same records gives."""

import io
import json
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evoselect_client import Client
from evoselect_client.fingerprints import fingerprint
from evoselect_client.sources import parts
from store.records.record import parse_record
from tests.live import Api, question
from tests.service.test_routes import complete

RECORDS = [question(n) for n in range(2_500)]
LINES = b"".join(json.dumps(record).encode() + b"\n" for record in RECORDS)
TABLE = pa.Table.from_pylist(RECORDS)
CHAT = {
    "messages": [
        {"role": "user", "content": "2 + 2?"},
        {"role": "assistant", "content": "3"},
        {"role": "user", "content": "No."},
    ],
    "completion": "4",
}


@pytest.mark.parametrize(
    "records",
    [
        RECORDS,
        (record for record in RECORDS),
        io.BytesIO(LINES),
        io.StringIO(LINES.decode()),
        pd.DataFrame(RECORDS),
        TABLE,
        pa.RecordBatchReader.from_batches(TABLE.schema, TABLE.to_batches(max_chunksize=700)),
        datasets.Dataset.from_list(RECORDS),
        datasets.Dataset.from_list(RECORDS).to_iterable_dataset(),
    ],
    ids=["list", "iterator", "bytes", "text", "pandas", "table", "reader", "dataset", "iterable_dataset"],
)
def test_every_source_gives_the_same_lines(records: Any) -> None:
    content = b"".join(piece for part in parts(records, 10_000) for piece in part.content)
    assert [json.loads(line) for line in content.splitlines()] == RECORDS


def test_cells_of_tables_become_json() -> None:
    frame = pd.DataFrame(
        {
            "prompt": ["a?", "b?"],
            "completion": ["x", "y"],
            "answer": [np.int64(1), None],
            "choices": [np.array(["x", "y"], dtype=object), None],
            "group": ["g", float("nan")],
        }
    )
    (part,) = parts(frame)
    first, second = (json.loads(line) for line in b"".join(part.content).splitlines())
    assert (first["choices"], first["answer"], first["group"]) == (["x", "y"], 1, "g")
    assert (second["choices"], second["answer"], second["group"]) == (None, None, None)


def test_one_mapping_is_a_mistake() -> None:
    with pytest.raises(TypeError, match="pass a list"):
        list(parts({"prompt": "a", "completion": "b"}))


def test_a_parquet_file_goes_as_it_is(api: Api, tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "pool.parquet")
    with Client(api.url, api.api_key) as client:
        pool = client.pools.create()
        upload = pool.add(tmp_path / "pool.parquet")
    assert (upload.counts.accepted, upload.version) == (len(RECORDS), 1)


@pytest.mark.parametrize(
    "record",
    [
        question(1),
        {"prompt": "é?", "completion": "ü", "group": "g", "metadata": {"a": 1}},
        {"prompt": "2 + 2?", "choices": ["3", "4"], "answer": 1},
        {"prompt": "2 + 2?", "choices": ["3", "4"], "answer": 1, "completion": "because 4"},
        CHAT,
        {"messages": [*CHAT["messages"], {"role": "assistant", "content": "4"}]},
    ],
)
def test_the_fingerprint_is_the_services(record: dict[str, Any]) -> None:
    assert fingerprint(record) == parse_record(record).content_hash


def test_the_selected_rows_of_a_dataset(api: Api) -> None:
    rows: list[dict[str, Any]] = [*(question(n, messages=None) for n in range(5)), {"prompt": None, **CHAT}]
    data = datasets.Dataset.from_list(rows)
    picked = [5, 0, 3]
    items = [
        {"rank": rank, "id": f"c{n}", "content_hash": fingerprint(rows[n]), "weight": 1.0, "record": rows[n]}
        for rank, n in enumerate(picked, 1)
    ]
    with Client(api.url, api.api_key) as client:
        job = client.selections.create(target=[question(9)], candidates=[question(1)], k=1)
        complete(api, job.id, items)
        job = job.wait(timeout=20)
        chosen = job.to_dataset(data)
        assert [data[n] for n in picked] == list(chosen)
        with pytest.raises(ValueError, match="2 of 3 selected items are not in this dataset"):
            job.to_dataset(data.select([1, 2, 3]))
