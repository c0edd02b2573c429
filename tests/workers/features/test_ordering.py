"""The order of a shard's rows, and that a block of another order is not taken for it."""

import numpy as np
import pytest

from store.errors import ArtifactCorrupt
from store.jobs.results import Block, FeaturesResult
from store.records.record import Record, parse_record
from tests.workers.proxy import record
from workers.features.fingerprint import block_key
from workers.features.known import Known
from workers.features.ordering import by_length
from workers.features.row_files import rows_of
from workers.features.statuses import Statuses
from workers.selections.computed import require_rows


def chat(*contents: str) -> Record:
    roles = ("user", "assistant") * len(contents)
    return parse_record(
        {"messages": [{"role": r, "content": c} for r, c in zip(roles, contents, strict=False)]}
    )


ROWS = [
    record("x" * 50, "a" * 20),
    chat("x", "a" * 10, "x" * 30, "a" * 10),  # 50 from the first answer on
    chat("x" * 90, "a" * 40),
    record("x" * 60, "a" * 20),
]


def test_rows_are_sorted_by_what_follows_the_first_answer_then_by_the_prompt() -> None:
    assert by_length(ROWS, 4) == [1, 2, 3, 0]
    assert by_length(ROWS, 2) == [1, 0, 2, 3]


def test_blocks_whose_rows_stand_otherwise_are_damaged() -> None:
    order = by_length(ROWS, 4)
    ordered = [ROWS[row] for row in order]
    rows = rows_of([Known(np.zeros(4, dtype=np.int32), Statuses.of(["ok"] * 4), "s")], order, 4)
    stored = [
        Block(key=block_key("s", ordered[at : at + 2], "t"), artifact=str(at), sha256="0", rows=2)
        for at in (0, 2)
    ]
    found = FeaturesResult(blocks=stored)
    require_rows("t", found, rows, ROWS)
    with pytest.raises(ArtifactCorrupt, match="of other rows, or in another order"):
        require_rows("t", found, rows, [ROWS[0], *ROWS[:0:-1]])
