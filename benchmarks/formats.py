"""Training data as it lies on disks: what is taken, what comes back, how fast and in how much memory.

python -m benchmarks.formats [--quick] [--json]

shapes_accepted: of the 25 of docs/data.md. round_trip_equal: of the round_trip_rows that came back byte for
byte from a selection of all that the proxy's template can write. ingest_ratio_to_plain: pace of alpaca rows
over that of records with the same texts, both as lines to the same API; wide_ratio_to_plain: of alpaca rows
with four further columns. masks_equal: of the masks_compared chats under chat templates that ship, those
whose learnt tokens are transformers' own. parquet_peak_mb: growth of the API and its reader while a Parquet
file with 40 further columns comes in. near_copy_* and token_budget_*: see benchmarks.near_copies.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import near_copies
from benchmarks.families.turns import counted
from benchmarks.growth import growth
from benchmarks.machine import describe
from tests.conftest import Stack, start_stack, stop_stack
from tests.store.records.rows_on_disk import ROWS

MB = 10**6
LINES, QUICK_LINES = 1_000_000, 50_000
TABLE_ROWS, QUICK_TABLE_ROWS = 1_000_000, 50_000  # of about 2 kB each
GROUP_ROWS = 2_000
COLUMNS = 40
NDJSON, PARQUET = "application/x-ndjson", "application/vnd.apache.parquet"
TARGET = {"prompt": "Which of them is prime?", "completion": "none"}  # in no row
TEXT = "a sentence of an ordinary length with a number in it, which is "


def main() -> None:
    """Print the numbers."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_LINES:,} lines and rows of tables")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    machine = describe()
    with tempfile.TemporaryDirectory(prefix="evoselect-formats-") as home:
        stack, thread = start_stack(Path(home) / "home", [])
        try:
            with httpx.Client(
                base_url=f"{stack.url}/v1",
                headers={"Authorization": f"Bearer {stack.api_key}"},
                timeout=1800,
            ) as client:
                report = _shapes(client) | _sizes(client, stack, Path(home), quick=arguments.quick)
        finally:
            stop_stack(stack, thread)
    masks = counted()
    report |= {"masks_equal": masks["turns_equal"], "masks_compared": masks["turns_compared"]}
    report |= near_copies.numbers() | {"machine": machine}
    lines = "\n".join(f"{key}: {value}" for key, value in report.items())
    print(json.dumps(report) if arguments.json else lines)


def _shapes(client: httpx.Client) -> dict[str, Any]:
    """Each row to a pool of its own, then those that the proxy can read through one selection."""
    taken, through = 0, []
    for number, kept in enumerate(ROWS):
        line = orjson.dumps(kept.row).replace(b'":', b'" :')  # not as anybody would write it anew
        line = line.replace(b"2 + 2", b"%d + 2" % number)  # each a content of its own
        if _sent(client, NDJSON, line).status_code == httpx.codes.CREATED:
            taken += 1
            through += [] if kept.used else [line.decode()]  # the proxy's template knows no tools
    pool = client.post("/pools", json={}).json()["id"]
    body = "\n".join(through).encode()
    _require(client.post(f"/pools/{pool}/batches", content=body, headers={"Content-Type": NDJSON}))
    target = client.post("/targets", json={"records": [TARGET]}).json()["id"]
    asked = {"target_id": target, "pool_id": pool, "k": len(through), "method": "random"}
    job = client.post("/selections", json=asked).json()["id"]
    while not (state := client.get(f"/selections/{job}", params={"wait": 50}).json())["done"]:
        pass
    if state["status"] != "completed":
        raise RuntimeError(f"the selection of {len(through)} rows ended: {state['error']}")
    rows = client.get(f"/selections/{job}/items", params={"format": "original"}, headers={"Accept": NDJSON})
    back = set(rows.text.split("\n")[:-1])
    return {
        "shapes": len(ROWS),
        "shapes_accepted": taken,
        "round_trip_rows": len(through),
        "round_trip_equal": len(back & set(through)),
    }


def _sizes(client: httpx.Client, stack: Stack, folder: Path, *, quick: bool) -> dict[str, Any]:
    lines = QUICK_LINES if quick else LINES
    seconds = {}
    for name, line in (("warm", _plain), ("plain", _plain), ("alpaca", _alpaca), ("wide", _wide)):
        path = _written(folder / f"{name}.jsonl", line, lines // 10 if name == "warm" else lines)
        start = time.perf_counter()
        with path.open("rb") as file:
            _require(_sent(client, NDJSON, file))
        seconds[name] = time.perf_counter() - start
        path.unlink()
    rows = QUICK_TABLE_ROWS if quick else TABLE_ROWS
    path = _table(folder / "wide.parquet", rows)
    with growth(stack.supervisor.running["api"].process.pid, every=0.05) as grown, path.open("rb") as file:
        start = time.perf_counter()
        _require(_sent(client, PARQUET, file))
        took = time.perf_counter() - start
    return {
        "ingest_ratio_to_plain": round(seconds["plain"] / seconds["alpaca"], 3),
        "wide_ratio_to_plain": round(seconds["plain"] / seconds["wide"], 3),
        "plain_rows_per_second": round(lines / seconds["plain"]),
        "alpaca_rows_per_second": round(lines / seconds["alpaca"]),
        "wide_rows_per_second": round(lines / seconds["wide"]),
        "parquet_peak_mb": round(grown[0] / MB),
        "parquet_mb": round(path.stat().st_size / MB),
        "parquet_seconds": round(took, 1),
        "parquet_rows_per_second": round(rows / took),
    }


def _sent(client: httpx.Client, kind: str, content: Any) -> httpx.Response:
    pool = client.post("/pools", json={}).json()["id"]
    return client.post(f"/pools/{pool}/batches", content=content, headers={"Content-Type": kind})


def _require(answer: httpx.Response) -> None:
    if answer.status_code != httpx.codes.CREATED:
        raise RuntimeError(f"{answer.status_code}: {answer.text[:500]}")


def _plain(number: int) -> str:
    return f'{{"prompt":"{TEXT}{number}?\\n\\n","completion":"{TEXT}{number}."}}\n'


def _alpaca(number: int) -> str:
    return f'{{"instruction":"{TEXT}{number}?","input":"","output":"{TEXT}{number}."}}\n'


def _wide(number: int) -> str:
    more = f'"source":"web","score":{number % 997 + 0.5},"tags":["a","b"],"kept":true'
    return f'{{"instruction":"{TEXT}{number}?","output":"{TEXT}{number}.",{more}}}\n'


def _written(path: Path, line: Callable[[int], str], count: int) -> Path:
    with path.open("w") as file:
        file.writelines(map(line, range(count)))
    return path


def _table(path: Path, rows: int) -> Path:
    """Alpaca rows with further columns, a group after the other."""
    writer = None
    for first in range(0, rows, GROUP_ROWS):
        numbers = range(first, min(rows, first + GROUP_ROWS))
        table = pa.table(
            {
                "instruction": [f"{TEXT}{number}?" for number in numbers],
                "output": [f"{TEXT}{number}." for number in numbers],
                **{
                    f"column_{c}": [f"{TEXT}{number * c % 997}" for number in numbers] for c in range(COLUMNS)
                },
            }
        )
        writer = writer or pq.ParquetWriter(path, table.schema, compression="none", use_dictionary=False)
        writer.write_table(table)
    assert writer is not None
    writer.close()
    return path


if __name__ == "__main__":
    main()
