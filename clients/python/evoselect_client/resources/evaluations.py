"""Evaluations: jobs that measure a model on held-out examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import SkipValidation

from evoselect_client.core.calls import get, segment
from evoselect_client.core.resource import Resource
from evoselect_client.core.response import WithRaw
from evoselect_client.core.results import EvaluationResult
from evoselect_client.core.steps import AsyncRaw, Listing, Mode, Raw, Steps, Values, Verb
from evoselect_client.data.layouts import Layout
from evoselect_client.data.sources import Records
from evoselect_client.resources.jobs import Job, Jobs
from evoselect_client.resources.record_upload import with_records
from evoselect_client.specs import EvaluationSpec


class Score(Resource):
    """The numbers of one example; None where there is none. Of named tasks `model_extra` has them."""

    id: str | None = None
    status: str | None = None
    """ok, or why the example could not be scored."""
    answer_nll: float | None = None
    """Nats a token."""
    answer: int | None = None
    """The right choice, from 0."""
    predicted: int | None = None
    """The choice with the largest likelihood a token."""
    choice_cross_entropy: float | None = None
    """Nats."""
    choice_nlls: list[float] | None = None
    """Nats a token."""
    exact_match: bool | None = None


class Evaluation(Job[Mode]):
    """A model measured on held-out examples."""

    result: SkipValidation[EvaluationResult] | None = None
    """What it came to; None until it is completed."""

    def output(self) -> EvaluationResult:
        """The result of a completed evaluation; raises JobFailedError for any other."""
        found: EvaluationResult = super().output()
        return found

    @Listing
    def scores(self) -> Values[Score]:
        """The numbers of each example, in their order."""
        yield from self._noun.scores.steps(self.id)


class Evaluations(Jobs[Evaluation[Mode], Mode]):
    """Jobs that measure a model on held-out examples."""

    path, model = "/v1/evaluations", Evaluation
    with_raw_response: WithRaw[Evaluations[Raw], Evaluations[AsyncRaw]] = WithRaw()

    @Verb
    def create(
        self,
        *,
        model: str,
        target_id: str | None = None,
        records: Records | None = None,
        tasks: list[str] | None = None,
        limit: int | None = None,
        spec: EvaluationSpec | dict[str, Any] | None = None,
        format: str | None = None,
        columns: Mapping[str, str] | None = None,
        template: str | None = None,
        priority: int | None = None,
        name: str | None = None,
        metadata: dict[str, str] | None = None,
    ) -> Steps[Evaluation[Mode]]:
        """Start an evaluation of a base model's alias or a trained model's id.

        `records`, `format`, `columns` and `template` as of Targets.create.
        `tasks` are names of lm-eval's, where the service offers them; `limit` takes the first questions of
        each.
        """
        body = {
            "model": model,
            "target_id": target_id,
            **Layout(format, columns or {}, template).body(),
            "tasks": tasks,
            "limit": limit,
            "spec": spec,
            "priority": priority,
            "name": name,
            "metadata": metadata,
        }
        return (
            yield from with_records(
                self.session, records, lambda rows: self._post(self.path, {**body, **rows})
            )
        )

    @Verb
    def compare(self, id: str, other_id: str) -> Steps[dict[str, Any]]:
        """Paired differences from the first to the second, by measure; None where nothing can be paired."""
        call = get(f"{self.path}/{segment(id)}/compare/{segment(other_id)}", dict)
        found = yield from self.session.send(call)
        differences: dict[str, Any] = found["differences"]
        return differences

    @Listing
    def scores(self, id: str) -> Values[Score]:
        """The numbers of each example of a completed evaluation, in their order."""
        yield from self._lines(f"{segment(id)}/scores", Score)
