"""What records are compared by: the service's kinds of features under its conditionings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from benchmarks.invariance.data import Data, Family
from benchmarks.invariance.features import Features
from evoselect.representations.shards import combine, condition
from evoselect.spec.features import FeatureSpec
from workers.models.loading import LoadedModel
from workers.selections.forms import forms_of


@dataclass(frozen=True)
class Representation:
    """Features of one spec."""

    name: str
    spec: FeatureSpec


def _of(kind: str, conditioning: str, match: str, rendering: str = "plain") -> Representation:
    settings = {"kind": kind, "conditioning": conditioning, "match": match, "rendering": rendering}
    spec = FeatureSpec.model_validate(settings)
    beside = f" + hidden {spec.hidden_conditioning}" if kind == "combined" else ""
    what = "gradient" if kind == "combined" else kind
    written = "" if rendering == "plain" else f" as {rendering}"
    return Representation(f"{what}{written} {conditioning}{beside}, {match}", spec)


MATCHES = ("both", "content")
KINDS = [(kind, how) for kind in ("gradient", "hidden", "combined") for how in ("centred", "whitened")]
CONTENT = _of("combined", "centred", "content")  # what `match: content` takes, and what the keys are of
REPRESENTATIONS = [_of(*kind, match) for match in MATCHES for kind in KINDS]
CHAT = [_of(*kind, match, "chat") for match in MATCHES for kind in KINDS]


class World:
    """All records, and their features as far as they are asked for."""

    def __init__(self, data: Data, loaded: LoadedModel, say: Callable[[str], None]) -> None:
        self.data = data
        self._features = {name: Features(loaded, name, say) for name in ("plain", "chat")}
        self._costs: dict[tuple[str, str], float] = {}

    def cost(self, form: Representation) -> float:
        """Seconds that the features of 1,000 rows take."""
        kind, rendering = form.spec.kind, form.spec.rendering
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
        spec = form.spec
        (pool, states), (target, asked) = (self._features[spec.rendering](side) for side in (sent, wanted))
        forms = forms_of(sent, wanted, spec)
        numbers = forms.of_pool() if forms and spec.match == "content" else None
        if spec.kind == "combined":
            return combine(pool, target, (states, asked), spec, forms=numbers)
        if spec.kind == "hidden":
            pool, target = states[:, None], asked[:, None]
        return condition(pool, target, spec, forms=numbers)
