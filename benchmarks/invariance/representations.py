"""What records are compared by: the service's features and conditionings, and some side by side."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from benchmarks.invariance.data import Data, Family
from benchmarks.invariance.features import Features, in_chat
from evoselect.conditioning import condition
from evoselect.spec.features import FeatureSpec
from store.records import Record
from workers.forms import forms_of
from workers.models import LoadedModel


@dataclass(frozen=True)
class Part:
    """Features of one spec."""

    spec: FeatureSpec
    in_chat: bool = False
    """The record as a turn of the user and one of the assistant, in the proxy's chat template."""


@dataclass(frozen=True)
class Representation:
    """Parts side by side, each with the same weight."""

    name: str
    parts: tuple[Part, ...]


def _part(kind: str, conditioning: str, match: str, *, in_chat: bool = False) -> Part:
    spec = {"kind": kind, "conditioning": conditioning, "match": match}
    return Part(FeatureSpec.model_validate(spec), in_chat)


GRADIENT = _part("gradient", "centred", "content")
HIDDEN = _part("hidden", "whitened", "content")
CONTENT = Representation("gradient centred + hidden whitened, content", (GRADIENT, HIDDEN))
REPRESENTATIONS = (
    *(
        Representation(f"{kind} {conditioning}, {match}", (_part(kind, conditioning, match),))
        for match in ("both", "content")
        for kind in ("gradient", "hidden")
        for conditioning in ("centred", "whitened")
    ),
    Representation(
        "gradient centred + hidden whitened, both",
        (_part("gradient", "centred", "both"), _part("hidden", "whitened", "both")),
    ),
    CONTENT,
)
CHAT = tuple(
    Representation(f"gradient in chat centred, {match}", (_part("gradient", "centred", match, in_chat=True),))
    for match in ("both", "content")
)


class World:
    """All records, and their features as far as they are asked for."""

    def __init__(self, data: Data, loaded: LoadedModel, say: Callable[[str], None]) -> None:
        self.data, self._loaded, self._say = data, loaded, say
        self._features: dict[tuple[str, bool], Features] = {}

    def of(self, part: Part) -> Features:
        """The features of a part's kind, which conditionings share."""
        name = part.spec.kind, part.in_chat
        if name not in self._features:
            bare = FeatureSpec(kind=part.spec.kind)
            self._features[name] = Features(
                self._loaded,
                bare,
                lambda text: self._say(f"{part.spec.kind}{' in chat' * part.in_chat}: {text}"),
            )
        return self._features[name]

    def cost(self, form: Representation) -> float:
        """Seconds that the features of 1,000 rows took."""
        parts = [self.of(part) for part in form.parts]
        return round(sum(1000 * part.seconds / part.rows for part in parts), 1)

    def conditioned(
        self, form: Representation, rows: Sequence[int], task: str, family: Family | None
    ) -> tuple[Tensor, Tensor]:
        """Unit rows of candidates and of a task's targets, conditioned by these candidates."""
        written = self.data.canonical if family is None else self.data.rendered[family]
        sent, wanted = [written[row] for row in rows], self.data.target[task]
        parts = [self._part(part, sent, wanted) for part in form.parts]
        return tuple(normalize(torch.cat(side, dim=1), dim=1) for side in zip(*parts, strict=True))

    def _part(self, part: Part, sent: list[Record], wanted: list[Record]) -> tuple[Tensor, Tensor]:
        features = self.of(part)
        pool, target = (
            features([in_chat(row) if part.in_chat else row for row in side]) for side in (sent, wanted)
        )
        forms = forms_of(sent, wanted, part.spec)
        return condition(
            pool, target, part.spec, forms=forms.of_pool() if forms and part.spec.match == "content" else None
        )
