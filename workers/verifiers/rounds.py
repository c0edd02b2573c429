"""The candidates of a round, checked: each gets its score as `quality`, one without is left out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from evoselect.spec.loop import LoopSpec
from evoselect.spec.verifier import AgreementVerifier, Asked, Called, HookVerifier, Modelled, Verifier
from store.errors import Invalid
from store.kit import egress
from store.kit.egress import Egress
from store.loops.plan import Spent
from store.loops.results import Verified
from store.models import generators as endpoints
from store.records.record import Record
from store.settings import Settings
from workers.generators.calls import FIRST_DELAY_SECONDS, Calls
from workers.generators.chat import Chat
from workers.verifiers import calibration, exact, replies
from workers.verifiers.agreement import Agreement
from workers.verifiers.checking import Checking, State
from workers.verifiers.hook import Hook
from workers.verifiers.judge import Judge

WHO = "verifier"


@dataclass(frozen=True, slots=True)
class Check:
    """What a round's candidates are checked with."""

    spec: LoopSpec
    number: int
    target: Sequence[Record]
    """Examples that the verifier is tried on in the first round, and that it is shown."""
    spent: Spent
    """So far, with the round's own generation."""
    state: State
    """What an earlier attempt left."""
    step: Callable[[], None]
    keep: Callable[[State], None]
    first_delay_seconds: float = FIRST_DELAY_SECONDS
    """Seconds before a request is tried again for the first time."""

    def run(self, settings: Settings, records: Sequence[Record]) -> tuple[list[Record], Verified]:
        """Candidates with a score, and what that took; raises NoResponse, Invalid, and what `step` raises."""
        asked = self.spec.verifier
        assert asked is not None
        own = calibration.some(self.target, asked.calibration, self.spec.seed) if self.number == 1 else []
        pairs: list[tuple[Record, Record]] = []
        if isinstance(asked, Called):
            pairs = calibration.pairs(own, self.target, self.spec.seed)
            self._ask(asked, settings, [*own, *(wrong for _, wrong in pairs), *records])
        else:  # a wrong answer has the form of a right one
            exact.score(asked, [*own, *records], self.state, self.step)
        found = [
            replace(record, quality=score)
            for record in records
            if (score := self.state.scores.get(record.content_hash)) is not None
        ]
        if records and not found and self.number == 1:
            raise self._nothing()
        return found, self._told(records, found, own, pairs=pairs)

    def _ask(self, asked: Asked, settings: Settings, records: Sequence[Record]) -> None:
        most = asked.examples if isinstance(asked, AgreementVerifier) else 0
        shown = calibration.some(self.target, most, 0)  # the same in all rounds: so is what a score means
        calls, verifier = opened(asked, settings, self.first_delay_seconds, shown)
        checking = Checking(verifier, asked.concurrency, self.state, self._may_ask, self.step, self.keep)
        try:
            checking.run(list({record.content_hash: record for record in records}.values()))
        finally:
            calls.close()

    def _nothing(self) -> Invalid:
        counts = {name: count for name, count in self.state.counts.items() if count}
        spent = "" if self._may_ask(self.state) else "; what `stop` allows was used up before"
        return Invalid(f"the verifier gave no candidate a score: {counts}{spent}", code="verifier_no_scores")

    def _told(
        self,
        records: Sequence[Record],
        found: Sequence[Record],
        own: Sequence[Record],
        *,
        pairs: Sequence[tuple[Record, Record]],
    ) -> Verified:
        auc, scores = calibration.area(pairs, self.state.scores)
        told = {
            "scored": len(found),
            "unverified": len(records) - len(found),
            "mean": sum(record.quality or 0.0 for record in found) / len(found) if found else None,
            "auc": auc,
            "own_share": calibration.share(own, self.state.scores, self.spec.selecting.least_quality or 0.0),
            "calibrated": scores,
            "cost": round(cost(self.spec.verifier, self.state), 6),
        }
        return Verified.of({**Verified().model_dump(), **self.state.counts, **told})

    def _may_ask(self, state: State) -> bool:
        stop, counts, asked = self.spec.stop, state.counts, self.spec.verifier
        assert asked is not None
        tokens = self.spent.generated_tokens + counts["prompt_tokens"] + counts["completion_tokens"]
        limits = ((stop.generated_tokens, tokens), (stop.cost, self.spent.cost + cost(asked, state)))
        return not any(most is not None and found >= most for most, found in limits)


def cost(asked: Verifier | None, state: State) -> float:
    """By the verifier's prices; a hook and an exact check have none."""
    if not isinstance(asked, Modelled):
        return 0.0
    prompts = state.counts["prompt_tokens"] * asked.prompt_price
    return (prompts + state.counts["completion_tokens"] * asked.completion_price) / 1e6


def opened(
    asked: Asked, settings: Settings, first_delay_seconds: float, shown: Sequence[Record] = ()
) -> tuple[Calls, replies.Verifier]:
    """The connection, to be closed, and the verifier behind it, which may be shown target examples."""
    url, key = str(asked.url), None
    if asked.endpoint is not None:
        place = endpoints.find(asked.endpoint, settings.endpoints, "/verifier")
        url, key = place.url, place.key()
    way = Egress(allowed=egress.networks(settings.generator_networks))
    seconds, per_minute = asked.seconds, asked.requests_per_minute
    if isinstance(asked, HookVerifier):
        calls = Calls(
            url,
            key,
            way,
            who=WHO,
            seconds=seconds,
            per_minute=per_minute,
            first_delay_seconds=first_delay_seconds,
        )
        return calls, Hook(calls, asked)
    chat = Chat(
        url,
        key,
        way,
        who=WHO,
        seconds=seconds,
        per_minute=per_minute,
        first_delay_seconds=first_delay_seconds,
    )
    return chat, Agreement(chat, asked, shown) if isinstance(asked, AgreementVerifier) else Judge(chat, asked)
