"""What records are compared by: the service's kinds of features under its conditionings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from benchmarks.invariance.data import Data, Family
from benchmarks.invariance.features import Features
from evoselect.conditioning import combine, condition
from evoselect.spec.features import FeatureSpec
from store.records import Record
from workers.forms import forms_of
from workers.models import LoadedModel


@dataclass(frozen=True)
class Representation:
    """Features of one spec, or of two side by side with the same weight."""

    name: str
    specs: tuple[FeatureSpec, ...]


def _spec(kind: str, conditioning: str, match: str, rendering: str = "plain") -> FeatureSpec:
    settings = {"kind": kind, "conditioning": conditioning, "match": match, "rendering": rendering}
    return FeatureSpec.model_validate(settings)


def _of(*specs: FeatureSpec) -> Representation:
    rendering = "" if specs[0].rendering == "plain" else f" as {specs[0].rendering}"
    parts = " + ".join(f"{spec.kind}{rendering} {spec.conditioning}" for spec in specs)
    return Representation(f"{parts}, {specs[0].match}", specs)


MATCHES = ("both", "content")
KINDS = [(kind, how) for kind in ("gradient", "hidden", "combined") for how in ("centred", "whitened")]
MIXED = [_of(_spec("gradient", "centred", match), _spec("hidden", "whitened", match)) for match in MATCHES]
CONTENT = MIXED[1]  # what the keys are of
REPRESENTATIONS = [*(_of(_spec(*kind, match)) for match in MATCHES for kind in KINDS), *MIXED]
CHAT = [_of(_spec(*kind, match, "chat")) for match in MATCHES for kind in KINDS]


class World:
    """All records, and their features as far as they are asked for."""

    def __init__(self, data: Data, loaded: LoadedModel, say: Callable[[str], None]) -> None:
        self.data = data
        self._features = {name: Features(loaded, name, say) for name in ("plain", "chat")}
        self._costs: dict[tuple[str, str], float] = {}

    def cost(self, form: Representation) -> float:
        """Seconds that the features of 1,000 rows take; two specs side by side are one pass."""
        rendering = form.specs[0].rendering
        kind = form.specs[0].kind if len(form.specs) == 1 else "combined"
        if (kind, rendering) not in self._costs:
            found = self._features[rendering].cost(kind, self.data.rendered["surface"])
            self._costs[kind, rendering] = found
        return self._costs[kind, rendering]

    def conditioned(
        self, form: Representation, rows: Sequence[int], task: str, family: Family | None
    ) -> tuple[Tensor, Tensor]:
        """Unit rows of candidates and of a task's targets, conditioned by these candidates."""
        written = self.data.canonical if family is None else self.data.rendered[family]
        sent, wanted = [written[row] for row in rows], self.data.target[task]
        parts = [self._part(spec, sent, wanted) for spec in form.specs]
        pool, target = (normalize(torch.cat(side, dim=1), dim=1) for side in zip(*parts, strict=True))
        return pool, target

    def _part(self, spec: FeatureSpec, sent: list[Record], wanted: list[Record]) -> tuple[Tensor, Tensor]:
        (pool, states), (target, asked) = (self._features[spec.rendering](side) for side in (sent, wanted))
        forms = forms_of(sent, wanted, spec)
        numbers = forms.of_pool() if forms and spec.match == "content" else None
        if spec.kind == "combined":
            return combine(pool, target, (states, asked), spec, forms=numbers)
        if spec.kind == "hidden":
            pool, target = states[:, None], asked[:, None]
        return condition(pool, target, spec, forms=numbers)
