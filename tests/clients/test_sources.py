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
from evoselect_client.data.sources import parts
from store.artifacts import Artifacts
from store.results import items as selected
from tests.live import Api, question
from tests.service.finishing import finish

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


def test_the_selected_rows_of_a_dataset(api: Api) -> None:
    """Rows of several shapes, as one dataset that fills the columns that a row lacks."""
    rows: list[dict[str, Any]] = [
        *(question(n) for n in range(3)),
        {"instruction": "Add.", "output": "4", "score": 2.0, "tags": ["a", None]},
        {"conversations": [{"from": "human", "value": "a?"}, {"from": "gpt", "value": "b"}]},
        CHAT,
    ]
    data = datasets.Dataset.from_list(
        [dict.fromkeys(name for row in rows for name in row) | row for row in rows]
    )
    order = [5, 0, 4, 3]
    with Client(api.url, api.api_key) as client:
        pool = client.pools.create()
        pool.add(data)
        stored = [(row.record, row.original) for row in client.pools.records(pool.id)]
        picked = [stored[number] for number in order]
        items = [
            {"rank": rank, "id": row["id"], "content_hash": row["content_hash"], "weight": 1.0, "record": row}
            for rank, (row, _) in enumerate(picked, 1)
        ]
        originals = {row["content_hash"]: json.dumps(original) for row, original in picked}
        job = client.selections.create(target=[question(9)], pool_id=pool.id, k=4)
        kept = selected.put(Artifacts(api.settings.artifacts_url), "t/items", items, originals)
        finish(api, job.id, {"artifacts": {"items": kept}})
        job = job.wait(timeout=20)
        assert list(job.to_dataset(data)) == [data[number] for number in order]
        with pytest.raises(ValueError, match=r"1 of 4 .* not in this dataset \(those with the ranks 3\)"):
            job.to_dataset(data.select([5, 0, 3]))
        assert [item.rank for item in job.items(extra={"score": 2.0})] == [4]
