"""The client in a real kernel: bars of tqdm while one waits, tables for what one looks at."""

from pathlib import Path

import nbformat
from nbclient import NotebookClient

CELLS = [
    """
from evoselect_client import Client
client = Client()
target, pool = client.targets.create("target.jsonl"), client.pools.create()
pool.add("pool.jsonl", progress=True).counts.accepted
""",
    "job = client.selections.create(target_id=target.id, pool_id=pool.id, k=3).wait(progress=True)",
    "job",
    "next(job.items())",
]


def test_a_notebook_shows_bars_and_tables(here: Path) -> None:
    cells = [nbformat.v4.new_code_cell(text) for text in CELLS]
    done = NotebookClient(nbformat.v4.new_notebook(cells=cells), timeout=120).execute()
    sent, waited, job, item = ("".join(map(str, cell.outputs)) for cell in done.cells)
    assert "application/vnd.jupyter.widget-view+json" in sent
    assert "application/vnd.jupyter.widget-view+json" in waited
    (held,) = done.metadata["widgets"].values()
    states = [one["state"] for one in held["state"].values()]
    bars = [str(one["value"]).replace("\u2007", " ") for one in states if "value" in one]
    assert any("12/? " in text and "records" in text for text in bars), bars
    assert any("completed: 100%" in text for text in bars), bars
    assert "<caption>selection sel_" in job
    assert "<caption>rank 1</caption>" in item
