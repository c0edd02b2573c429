"""What a selection came to, in a dozen lines on stdout."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from evoselect_cli.output import out
from evoselect_client.models import Item, Selection

LOOKED_AT = 500  # items that the sources are counted of
EXAMPLES = 5
SHOWN_CHARS = 60
SOURCES = ("source", "dataset", "origin", "category")  # columns that often say where a row is from


def print_selection(job: Selection, out_file: Path | None) -> None:
    """Counts, against a random draw, by source, examples, where the rows are, what next."""
    first = list(islice(job.items(page_size=LOOKED_AT), LOOKED_AT))
    for line in lines_of(job, first, out_file):
        out.print(line, markup=False, soft_wrap=True)


def lines_of(job: Selection, first: Sequence[Item], out_file: Path | None) -> list[str]:
    """The lines, for the first items of a completed selection and the file that its rows went to."""
    result: Mapping[str, Any] = job.result or {}
    counts, diagnostics = result.get("counts", {}), result.get("diagnostics", {})
    lines = [f"{job.id}: selected {diagnostics.get('k', len(first))} of {counts.get('pool', '?')} candidates"]
    if left := {name: number for name, number in counts.get("left_out", {}).items() if number}:
        lines.append("left out: " + ", ".join(f"{number} {name}" for name, number in left.items()))
    if funnel := result.get("features", {}).get("funnel"):
        lines.append(funnel["warning"] or f"the funnel's recall by its sample: {funnel['recall']:.2f}")
    measures = diagnostics.get("metrics", {})
    if {"selected", "random"} <= measures.keys():
        own, drawn = (measures[name]["transport"] for name in ("selected", "random"))
        lines.append(f"distance to the target: {own:.3f}, of a random draw {drawn:.3f}")
    if sources := Counter(source for item in first if (source := source_of(item.record))):
        whole = "" if len(first) < LOOKED_AT else f" (of the first {LOOKED_AT})"
        lines.append("by source" + whole + ": " + ", ".join(f"{n} {s}" for s, n in sources.most_common(5)))
    lines += [f"  {item.rank}. {excerpt(item.record)}" for item in first[:EXAMPLES]]
    lines.append(f"rows: {out_file}" if out_file else f"rows: evoselect items {job.id} --out picked.jsonl")
    return [*lines, f"report: evoselect report {job.id} --open", f"next: evoselect train {job.id}"]


def source_of(record: dict[str, Any]) -> str | None:
    """What the record says of where it is from."""
    for place in (record.get("extra"), record.get("metadata"), record):
        for name in SOURCES:
            value = (place or {}).get(name)
            if isinstance(value, str) and value:
                return value
    return None


def excerpt(record: dict[str, Any]) -> str:
    """The beginning of its question."""
    turns = record.get("messages") or [{}]
    text = record.get("prompt") or str(turns[-1].get("content", ""))
    flat = " ".join(text.split())
    return flat if len(flat) <= SHOWN_CHARS else flat[: SHOWN_CHARS - 3] + "..."
