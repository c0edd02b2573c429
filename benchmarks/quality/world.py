"""Everything a run needs, held by a process: data, states, features."""

import copy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.quality import features, model
from benchmarks.quality.data import Data, Pool, build
from benchmarks.quality.features import Features, Made
from benchmarks.quality.packed import Row, packed, right, unended
from benchmarks.quality.training import STEPS, Texts, train
from store.model_registry import DEFAULT_ALIAS
from store.records import Record
from workers.models import LoadedModel, load

WARM_SEED, WARM_ROWS = 1000, 160


@dataclass(frozen=True)
class Side:
    """Features of the pool and of a task's targets, and logs of their lengths in tokens."""

    pool: Features
    target: Features
    pool_lengths: Tensor  # (n, 2): answer, whole
    target_lengths: Tensor


class World:
    """Loads and computes what is asked for, once."""

    def __init__(self, cache: Path, pool: Pool = "mixed") -> None:
        cache.mkdir(parents=True, exist_ok=True)
        self.cache = cache
        self.data: Data = build(pool)
        self._features: dict[str, Features] = {}
        self._tests: dict[str, Texts] = {}

    @cached_property
    def loaded(self) -> LoadedModel:
        """The proxy, which is also the model that is trained."""
        return load(DEFAULT_ALIAS)

    @cached_property
    def top(self) -> Any:
        """Its top layers."""
        return model.upper(self.loaded)

    @property
    def learnable(self) -> list[Record]:
        """The pool, and after it the targets of every task in turn."""
        return [*self.data.pool, *(record for task in self.data.tasks.values() for record in task.target)]

    @cached_property
    def rows(self) -> Texts:
        """Of the learnable records, all their answers, the right one ended."""
        rows = [packed(record, self.loaded, ended=True) for record in self.learnable]
        return Texts(rows, model.states(rows, self.loaded, self.cache), [right(r) for r in self.learnable])

    @cached_property
    def examples(self) -> Texts:
        """Of the learnable records, as a training sees them."""
        return self.rows.examples()

    def test(self, task: str) -> Texts:
        """The questions that judge a task."""
        if task not in self._tests:
            records = self.data.tasks[task].test
            rows = [packed(record, self.loaded) for record in records]
            states = model.states(rows, self.loaded, self.cache)
            self._tests[task] = Texts(rows, states, [right(record) for record in records])
        return self._tests[task]

    def side(self, kind: str, task: str) -> Side:
        """Features of one kind for one task."""
        whole, (pool, target) = self.features(kind), self._places(task)
        return Side(whole[pool], whole[target], self.lengths[pool], self.lengths[target])

    def side_after(self, trained: Any, training: str, task: str) -> Side:
        """Gradients of the top layers in the adapter ``trained``, which ``training`` identifies."""
        pool, target = self._places(task)
        texts = self.examples.take([*range(pool.stop), *range(target.start, target.stop)])
        made = Made("top", f"{self.loaded.fingerprint} {model.TOP} {training}", self.cache)
        found = features.of_top(made, texts, merged(trained))
        rest = slice(pool.stop, None)
        return Side(found[pool], found[rest], self.lengths[pool], self.lengths[target])

    def _places(self, task: str) -> tuple[slice, slice]:
        """Of pool and target among the learnable records."""
        names, size = list(self.data.tasks), len(self.data.pool)
        start = size + sum(len(self.data.tasks[name].target) for name in names[: names.index(task)])
        return slice(0, size), slice(start, start + len(self.data.tasks[task].target))

    @cached_property
    def lengths(self) -> Tensor:
        """(n, 2) of the learnable records."""
        return torch.tensor([[len(row.labels), len(row.ids)] for row in self.examples.rows]).log()

    def features(self, kind: str) -> Features:
        """Of all learnable records."""
        if kind not in self._features:
            self._features[kind] = self._compute(kind)
        return self._features[kind]

    def _compute(self, kind: str) -> Features:
        if kind == "product":
            return features.product(self.learnable, self.loaded, self.cache)
        warm = kind.removeprefix("warm-")
        texts = self.examples if warm == "top" else self._questions()
        made = Made(kind, f"{self.loaded.fingerprint} {model.TOP}", self.cache)
        return features.of_top(made, texts, self.top if warm == kind else self.warmed)

    @cached_property
    def warmed(self) -> Any:
        """The top layers after a training on a random draw that no run uses."""
        chosen = np.random.default_rng(WARM_SEED).permutation(len(self.data.pool))[:WARM_ROWS].tolist()
        return merged(train(self.top, self.examples, chosen, STEPS, WARM_SEED))

    def _questions(self) -> Texts:
        end = int(self.loaded.tokenizer.eos_token_id or 0)
        rows: list[Row] = [unended(row, end) for row in self.rows.rows]
        return Texts(rows, self.rows.states, self.rows.right)


def merged(trained: Any) -> Any:
    """A frozen copy with the adapter added to its layers; the trained model stays as it is."""
    return copy.deepcopy(trained).merge_and_unload().eval().requires_grad_(False)
