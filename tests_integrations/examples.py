"""What the pipelines' tests share: small data, and the examples that stand in the modules' docstrings."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

TARGET = [{"prompt": f"{n} + 1?", "completion": str(n + 1)} for n in range(3)]
POOL = [{"prompt": f"{n} + 2?", "completion": str(n + 2)} for n in range(12)]
K = 3


def write_files(folder: Path) -> None:
    """Write target.jsonl and pool.jsonl, which the examples read."""
    for name, rows in (("target", TARGET), ("pool", POOL)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def run_example(name: str) -> dict[str, Any]:
    """Run the example in a module's docstring as it stands; the names that it leaves."""
    names: dict[str, Any] = {"__name__": "example"}
    exec(example(name), names)
    return names


def example(name: str) -> str:
    """What stands below the first paragraph of a module's docstring."""
    module = import_module(f"evoselect_client.integrations.{name}")
    return (module.__doc__ or "").partition("\n\n")[2]


def prompts(rows: Any) -> list[str]:
    """The prompts of rows, in their order."""
    return [row["prompt"] for row in rows]
