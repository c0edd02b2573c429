"""One side of a selection, pool or target, row by row."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from evoselect.arrays import Ints
from evoselect.representations.shards import Features, Shard
from store.artifacts import StoredFile
from store.kit.json import Json
from store.records.stored import Records
from workers.features.known import Known, of_rows, together
from workers.features.statuses import Statuses
from workers.lists.problem import Stretch
from workers.selections.funnel.through import Through

Role = Literal["target", "pool"]


@dataclass(frozen=True, slots=True)
class Side:
    """Records of one role, what is known of each, and their features in shards."""

    records: Records
    known: Known = field(default_factory=lambda: Known(np.empty(0, dtype=np.int32), Statuses.of([]), ""))
    shards: Sequence[Shard] = ()
    preflight: Json = field(default_factory=dict)
    """What the first shard found out for all of them; see workers.features.preflight."""
    files: list[tuple[str, str]] = field(default_factory=list)
    """Path and sha256 of each stored file that the records are from, once."""
    stretches: Sequence[Stretch] = ()
    """Of all rows, where shards can answer for them."""
    seen: StoredFile | None = None
    """What is known of them and of their stretches, where they were sent."""
    through: Through | None = None
    """The rows that shards and stretches hold, where not all went through a funnel."""

    def held(self, rows: Ints) -> Ints:
        """Where rows that have features stand among those that shards and stretches hold."""
        return rows if self.through is None else self.through.places(rows)

    def shards_of(self, rows: Sequence[int] | Ints) -> list[Shard]:
        """The features of some rows, ascending, in shards."""
        return of_rows(self.shards, self.held(np.asarray(rows, dtype=np.int64)))

    def features(self, rows: Sequence[int] | Ints) -> Features:
        """The same at once."""
        return together(self.shards_of(rows))
