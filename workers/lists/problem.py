"""A selection whose candidates lie in shards, and which rows of it each shard is asked about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from evoselect.arrays import Floats, Ints
from evoselect.budget import Budget
from evoselect.capacity import shortlist
from evoselect.representations.shards import Features
from evoselect.spec.features import FeatureSpec
from store.artifacts import StoredFile
from store.jobs.plans import COMMON_VERSION, MATRIX_VERSION, ListedPart, MatrixPart, ShardPlan
from store.jobs.requests import SelectionWork
from store.kit.json import Json
from workers.lists import files
from workers.process.work import Work


@dataclass(frozen=True, slots=True)
class Stretch:
    """Rows that follow each other, whose features one shard computed at each checkpoint, or were sent."""

    rows: int
    bits: str
    """Hash of the features: those that were computed again may differ in their last bits."""
    features: list[str] = field(default_factory=list)
    """The shards that computed them, in the order of the checkpoints."""
    matrix: MatrixPart | None = None
    """Where they lie if they were sent;"""
    places: Ints | None = None
    """then (rows,) which rows of the part they are."""


@dataclass(frozen=True, slots=True)
class Own:
    """The usable rows of a stretch that has some."""

    stretch: Stretch
    rows: Ints  # within the stretch, ascending
    first: int  # usable rows before them

    @property
    def places(self) -> Ints:
        """(n,) where their features lie in what the stretch names."""
        return self.rows if self.stretch.places is None else self.stretch.places[self.rows]

    def part(self, fingerprint: str, rows: StoredFile, of: int) -> ListedPart:
        """What is asked of it, of so many usable candidates."""
        stretch = self.stretch
        return ListedPart(
            fingerprint=fingerprint,
            features=tuple(stretch.features),
            matrix=stretch.matrix,
            rows=rows,
            first=self.first,
            of=of,
        )


@dataclass(frozen=True)
class Problem:
    """What the select worker knows before any candidate's features are read."""

    work: Work
    asked: SelectionWork
    stretches: Sequence[Stretch]
    sketch: str
    rows: Ints  # (N,) usable candidates of the pool, ascending
    forms: Tensor | None  # (N,) int64, each one's form, where form is not to count
    target: Features  # M rows
    masses: Floats  # (M,)
    budget: Budget  # over the usable candidates
    copies: StoredFile | None  # near-copies among the candidates, where they were looked for
    seen: StoredFile | None = None  # what is known of a matrix that was sent
    read_anyway: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))  # usable candidates

    @property
    def n(self) -> int:
        """Usable candidates."""
        return len(self.rows)

    @property
    def m(self) -> int:
        """Targets."""
        return len(self.target.values)

    @property
    def spec(self) -> FeatureSpec:
        """Of the features."""
        return self.asked.features

    @cached_property
    def step(self) -> int:
        """Every how many usable candidates one is in the sample that names the first prices."""
        return shortlist.sample_step(self.n, self.m, self.budget.count)

    @cached_property
    def parts(self) -> list[Own]:
        """The usable rows by stretch; a stretch without one is left out."""
        found, start = [], 0
        for stretch in self.stretches:
            first, stop = np.searchsorted(self.rows, [start, start + stretch.rows]).tolist()
            if stop > first:
                found.append(Own(stretch, self.rows[first:stop] - start, first))
            start += stretch.rows
        return found

    def of_part(self, own: Own) -> slice:
        """Its rows among all usable ones."""
        return slice(own.first, own.first + len(own.rows))

    @cached_property
    def fingerprint(self) -> str:
        """Hash of all that the answers depend on."""
        shared: Json = {
            "kind": files.KIND,
            "sketch": self.sketch,
            "request": self.asked.stored(),
            "parts": [[own.stretch.bits, *own.stretch.features] for own in self.parts],
            "rows": files.digest_of(torch.from_numpy(self.rows)),
            "masses": files.digest_of(torch.from_numpy(self.masses)),
            "prices": files.digest_of(torch.from_numpy(self.budget.prices)),
            "targets": files.digest_of(
                self.target.values, *([] if self.target.hidden is None else [self.target.hidden])
            ),
        }
        return files.digest(shared)

    def sums_plan(self, index: int) -> ShardPlan:
        """What the part of that number is asked first."""
        own = self.parts[index]
        named = {"rows": torch.from_numpy(own.places).int()}
        if self.forms is not None:
            named["forms"] = self.forms[self.of_part(own)].int()
        asked = {"forms": 1 if self.forms is None else int(self.forms.max()) + 1, "step": self.step}
        return self.plan("sums", index, files.put(self.work, named), asked)

    def plan(self, phase: str, index: int, rows: StoredFile, asked: Mapping[str, object]) -> ShardPlan:
        """A phase that asks so of the part of that number."""
        own = self.parts[index]
        part = own.part(self.fingerprint, rows, self.n)
        whole = part.model_copy(update={**asked, "copies": self.copies, "seen": self.seen})
        version = COMMON_VERSION if part.matrix is None else MATRIX_VERSION
        payload = whole.model_dump(mode="json", exclude_none=True)
        return ShardPlan(phase, index, len(own.rows), payload, version)
