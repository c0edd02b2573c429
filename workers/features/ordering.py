"""The order in which a shard's records are computed: alike lengths side by side, so that blocks pad little.

It depends on the records and the window alone, so that whoever reads the blocks finds the rows again, and a
pool that is cut into other shards still has the same blocks.
"""

from collections.abc import Sequence

from store.records.record import Record


def by_length(records: Sequence[Record], window: int) -> list[int]:
    """Indices by falling length of what runs in the graph, then of the prompt before it, in characters.

    Within each run of ``window`` rows. In the graph is what follows the first answer, as if all turns of the
    assistant were learnt.
    """

    def key(row: int) -> tuple[int, int, int, int]:
        before, graph = _lengths(records[row])
        return row // window, -graph, -before, row

    return sorted(range(len(records)), key=key)


def _lengths(record: Record) -> tuple[int, int]:
    turns = record.messages or ()
    lengths = [len(turn["content"]) for turn in turns]
    first = next((at for at, turn in enumerate(turns) if turn["role"] == "assistant"), len(turns))
    return len(record.prompt or "") + sum(lengths[:first]), sum(lengths[first:]) + len(record.completion)
