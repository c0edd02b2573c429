"""The operator for data-juicer, found by its entry point and run by a recipe, against a live service."""

import subprocess
import sys
from pathlib import Path

from datasets import Dataset, load_dataset

from evoselect_client.models import Selection
from tests_integrations.examples import POOL, example, prompts

HEAD = "project_name: picked\ndataset_path: pool.jsonl\nexport_path: out/picked.jsonl\nnp: 1\n"


def test_a_recipe_runs_the_operator(selection: Selection, here: Path) -> None:
    """With another operator before it, whose statistics stand in the rows."""
    process = example("data_juicer").replace("k: 1000", "k: 3")
    before = "process:\n  - text_length_filter:\n      text_key: completion\n      min_len: 1\n"
    recipe = here / "recipe.yaml"
    recipe.write_text(HEAD + "text_keys: prompt\n" + process.replace("process:\n", before))
    tool = Path(sys.executable).with_name("dj-process")
    done = subprocess.run([tool, "--config", recipe], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    rows = load_dataset("json", data_files=str(here / "out" / "picked.jsonl"), split="train")
    assert prompts(rows) == prompts(item.record for item in selection.items())


def test_rows_of_query_and_response(selection: Selection, here: Path) -> None:
    from data_juicer.ops import load_ops

    (select,) = load_ops([{"evoselect_selector": {"target": "target.jsonl", "k": 3}}])
    rows = [{"query": row["prompt"], "response": row["completion"], "n": n} for n, row in enumerate(POOL)]
    picked = select.run(Dataset.from_list(rows))
    assert picked["query"] == prompts(item.record for item in selection.items())
    assert [POOL[n]["prompt"] for n in picked["n"]] == picked["query"]
