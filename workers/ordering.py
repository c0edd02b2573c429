"""The order in which a shard's records are computed: alike lengths side by side, so that blocks pad little.

It depends on the records alone, so that whoever reads the blocks finds the rows again.
"""

from collections.abc import Sequence

from store.records import Record


def by_length(records: Sequence[Record]) -> list[int]:
    """Indices by falling length of the answer, then of the prompt, in characters; ties keep their order."""
    return sorted(range(len(records)), key=lambda i: (-len(records[i].completion), -_prompt(records[i]), i))


def _prompt(record: Record) -> int:
    return len(record.prompt or "") + sum(len(turn["content"]) for turn in record.messages or ())
