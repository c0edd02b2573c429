"""Everything a run needs, held by a process: data, tokens, features."""

from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch import Tensor

from benchmarks.quality import features
from benchmarks.quality.data import Data, Pool, build
from evoselect.spec.features import FeatureSpec
from store.models.allow_list import DEFAULT_ALIAS
from store.records.record import Record
from workers.models.loading import LoadedModel, load
from workers.models.tokenization import tokenize

KINDS = {  # what is computed, and which part of it is meant
    "gradient": (FeatureSpec(kind="combined"), "values"),
    "hidden": (FeatureSpec(kind="combined"), "hidden"),
    "hidden-by-position": (FeatureSpec(kind="hidden", hidden_weighting="position"), "values"),
    "gradient-chat": (FeatureSpec(kind="combined", rendering="chat"), "values"),
    "hidden-chat": (FeatureSpec(kind="combined", rendering="chat"), "hidden"),
}


class World:
    """Loads and computes what is asked for, once."""

    def __init__(self, cache: Path, pool: Pool = "mixed", trained: str = DEFAULT_ALIAS) -> None:
        cache.mkdir(parents=True, exist_ok=True)
        self.cache = cache
        self.trained = trained
        self.data: Data = build(pool)
        self._features: dict[str, Tensor] = {}

    @cached_property
    def proxy(self) -> LoadedModel:
        """What features are computed by."""
        return load(DEFAULT_ALIAS, dtype="float32")

    @cached_property
    def loaded(self) -> LoadedModel:
        """The model that is trained; the proxy where no other is asked for."""
        return self.proxy if self.trained == DEFAULT_ALIAS else load(self.trained, dtype="float32")

    @property
    def records(self) -> list[Record]:
        """The pool, and after it the targets of every task in turn."""
        return [*self.data.pool, *(record for task in self.data.tasks.values() for record in task.target)]

    def targets(self, task: str) -> slice:
        """Where the task's targets are among the records."""
        names = list(self.data.tasks)
        start = len(self.data.pool)
        start += sum(len(self.data.tasks[name].target) for name in names[: names.index(task)])
        return slice(start, start + len(self.data.tasks[task].target))

    @cached_property
    def tokens(self) -> npt.NDArray[np.int64]:
        """(n,) of the pool's rows, as a training sees them."""
        found = tokenize(self.data.pool, self.loaded, self.loaded.max_length)
        if left := [row.status for row in found if row.example is None]:
            raise RuntimeError(f"{len(left)} rows of the pool cannot be trained on: {set(left)}")
        return np.array([len(row.example.ids) for row in found if row.example is not None])

    def own(self, task: str) -> list[int]:
        """Rows of the pool from the task's own set, with the right answer."""
        marks = [record.metadata or {} for record in self.data.pool]
        return [i for i, m in enumerate(marks) if m["source"] == task and m["kind"] != "wrong_answer"]

    def features(self, kind: str) -> Tensor:
        """(n, blocks, block_dim) of all records."""
        if kind not in self._features:
            spec, part = KINDS[kind]
            self._features[kind] = features.computed(self.records, self.proxy, spec, self.cache)[part]
        return self._features[kind]
