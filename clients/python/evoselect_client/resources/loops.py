"""Loops: rounds of generate, select, train and evaluate."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from pydantic import Field, SkipValidation

from evoselect_client.core.calls import post, segment
from evoselect_client.core.nouns import pages
from evoselect_client.core.resource import Resource
from evoselect_client.core.response import WithRaw
from evoselect_client.core.results import LoopResult
from evoselect_client.core.steps import AsyncRaw, Listing, Mode, Raw, Steps, Values, Verb
from evoselect_client.data.sources import Records, as_list
from evoselect_client.resources.jobs import SteppedJob, SteppedJobs
from evoselect_client.resources.records import Batch
from evoselect_client.specs import (
    EvaluationSpec,
    FeatureSpec,
    Generator,
    SelectionSpec,
    Stop,
    TrainingSpec,
    Verifier,
)


class Arm(Resource):
    """What one arm of a round has come to; None where it has not come so far."""

    selection_id: str | None = None
    training_id: str | None = None
    evaluation_id: str | None = None
    model_id: str | None = None
    evaluation: dict[str, Any] = Field(default_factory=dict)


class Round(Resource):
    """One turn of a loop; `gain` is by how much its loss lies below the random arm's, in nats."""

    number: int
    state: str
    pool_id: str | None = None
    """The pool with its candidates; None until there are some."""
    generated: dict[str, Any] = Field(default_factory=dict)
    health: dict[str, Any] | None = None
    """How it lies beside the target, with `warnings`; None until it has selected."""
    guard: dict[str, Any] | None = None
    """What it has done to the guard's examples; None without a guard."""
    loss: str | None = None
    gain: float | None = None
    arms: dict[str, Arm] = Field(default_factory=dict)
    created_at: datetime
    completed_at: datetime | None = None

    @property
    def warnings(self) -> list[dict[str, str]]:
        """`code` and `detail` of what somebody should look at."""
        return list((self.health or {}).get("warnings", ()))


class Loop(SteppedJob[Mode]):
    """Rounds until a model is trained."""

    result: SkipValidation[LoopResult] | None = None
    """What it came to; None until it is completed."""

    def output(self) -> LoopResult:
        """The result of a completed loop; raises JobFailedError for any other."""
        found: LoopResult = super().output()
        return found

    @property
    def model_id(self) -> str:
        """The id of the last round's model; raises JobFailedError when there is none."""
        return str(self.output()["model_id"])

    @Listing
    def rounds(self) -> Values[Round]:
        """The rounds so far, in order."""
        yield from self._noun.rounds.steps(self.id)

    @Verb
    def push(self, number: int, records: Records, *, more: bool = False) -> Steps[Batch]:
        """Give a round that waits its candidates; see Loops.push."""
        batch: Batch = yield from self._noun.push.steps(self.id, number, records, more=more)
        return batch


class Loops(SteppedJobs[Loop[Mode], Mode]):
    """Jobs that run rounds of generate, select, train and evaluate."""

    path, model = "/v1/loops", Loop
    with_raw_response: WithRaw[Loops[Raw], Loops[AsyncRaw]] = WithRaw()

    @Verb
    def create(
        self,
        *,
        target_id: str,
        generator: Generator | dict[str, Any],
        verifier: Verifier | dict[str, Any] | None = None,
        k: int | None = None,
        ratio: float | None = None,
        evaluation_target_id: str | None = None,
        base_model: str | None = None,
        rounds: int | None = None,
        proxy: str | None = None,
        consume_once: bool | None = None,
        random_arm: bool | None = None,
        anchor_share: float | None = None,
        guard_target_id: str | None = None,
        selection: SelectionSpec | dict[str, Any] | None = None,
        features: FeatureSpec | dict[str, Any] | None = None,
        training: TrainingSpec | dict[str, Any] | None = None,
        evaluation: EvaluationSpec | dict[str, Any] | None = None,
        stop: Stop | None = None,
        seed: int | None = None,
        priority: int | None = None,
        name: str | None = None,
        metadata: dict[str, str] | None = None,
    ) -> Steps[Loop[Mode]]:
        """Start a loop that selects `k` candidates, or the share `ratio`, in each round.

        generator: {"kind": "pool", "pool_id": ...}, {"kind": "push"}, or {"kind": "openai", ...}. What is
        left out takes the service's recommended value.
        """
        body = {
            "target_id": target_id,
            "evaluation_target_id": evaluation_target_id,
            "generator": generator,
            "verifier": verifier,
            "k": k,
            "ratio": ratio,
            "base_model": base_model,
            "rounds": rounds,
            "proxy": proxy,
            "consume_once": consume_once,
            "random_arm": random_arm,
            "anchor_share": anchor_share,
            "guard_target_id": guard_target_id,
            "selection": selection,
            "features": features,
            "training": training,
            "evaluation": evaluation,
            "stop": stop,
            "seed": seed,
            "priority": priority,
            "name": name,
            "metadata": metadata,
        }
        return (yield from self._post(self.path, body))

    @Listing
    def rounds(self, id: str) -> Values[Round]:
        """The rounds so far, in order."""
        path = f"{self.path}/{segment(id)}/rounds"
        yield from pages(self.session, path, Round.model_validate, page_size=100)

    @Verb
    def push(
        self,
        id: str,
        number: int,
        records: Records,
        *,
        more: bool = False,
        client_batch_id: str | None = None,
    ) -> Steps[Batch]:
        """Give a round that waits its candidates; it goes on with them unless `more` are to come."""
        batch_id = client_batch_id or str(uuid.uuid4())  # makes it safe to send again
        path = f"{self.path}/{segment(id)}/rounds/{segment(str(number))}/candidates"
        body = {"records": as_list(records), "more": more, "client_batch_id": batch_id}
        return (yield from self.session.send(post(path, Batch.model_validate, body)))
