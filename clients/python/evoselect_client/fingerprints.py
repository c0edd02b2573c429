"""Which rows of a dataset were selected: found by the hash of their content, as the service computes it."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from evoselect_client.models import Item
from evoselect_client.sources import rows
from evoselect_client.steps import Steps, Values, each

SHOWN = 3  # missing items that an error names


def fingerprint(record: Mapping[str, Any]) -> str | None:
    """SHA-256 over prompt FF completion, or FE role FE content per turn, FF completion; None for no record.

    The completion may follow from the rest: it is the last assistant turn, or else choices[answer].
    """
    prompt, completion = record.get("prompt"), record.get("completion")
    turns = list(record.get("messages") or ())
    if turns and turns[-1]["role"] == "assistant" and completion is None:
        completion = turns.pop()["content"]
    choices, answer = record.get("choices"), record.get("answer")
    if completion is None and choices is not None and answer is not None:
        completion = choices[answer]
    if completion is None or (prompt is None and not turns):
        return None
    if prompt is not None:
        return sha256(b"\xff".join((prompt.encode(), completion.encode()))).hexdigest()
    texts = [text.encode() for turn in turns for text in (turn["role"], turn["content"])]
    return sha256(b"\xfe".join((b"", *texts)) + b"\xff" + completion.encode()).hexdigest()


def selected_rows(items: Values[Item], dataset: Any) -> Steps[Any]:
    """See Selection.to_dataset."""
    wanted: dict[str, str] = {}  # content hash to id, in rank order

    def take(item: Item) -> None:
        wanted[item.content_hash] = item.id

    yield from each(items, take)
    return dataset.select(_places(wanted, dataset))


def _places(wanted: dict[str, str], dataset: Any) -> list[int]:
    """Row numbers in the order of `wanted`; a content that stands twice is taken where it stands first."""
    found: dict[str, int] = {}
    for number, row in enumerate(rows(dataset)):
        content = fingerprint(row)
        if content in wanted:
            found.setdefault(str(content), number)
    missing = [id for content, id in wanted.items() if content not in found]
    if missing:
        raise ValueError(
            f"{len(missing)} of {len(wanted)} selected items are not in this dataset (such as "
            f"{', '.join(missing[:SHOWN])}): pass the dataset that was sent to the pool, unchanged."
        )
    return [found[content] for content in wanted]
