"""The order in which a shard's records are computed: alike lengths side by side, so that blocks pad little.

It depends on the records and the window alone, so that whoever reads the blocks finds the rows again, and a
pool that is cut into other shards still has the same blocks.
"""

from collections.abc import Sequence

from store.records.record import Record


def by_length(records: Sequence[Record], window: int) -> list[int]:
    """Indices by falling length of answer, then prompt, in characters, within each run of ``window`` rows."""

    def key(row: int) -> tuple[int, int, int, int]:
        record = records[row]
        return row // window, -len(record.completion), -_prompt(record), row

    return sorted(range(len(records)), key=key)


def _prompt(record: Record) -> int:
    return len(record.prompt or "") + sum(len(turn["content"]) for turn in record.messages or ())
