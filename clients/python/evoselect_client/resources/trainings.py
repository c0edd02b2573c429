"""Trainings: jobs that train a LoRA adapter on a selection."""

from __future__ import annotations

from typing import Any

from pydantic import SkipValidation

from evoselect_client.core.response import WithRaw
from evoselect_client.core.results import TrainingResult
from evoselect_client.core.steps import AsyncRaw, Mode, Raw, Steps, Verb
from evoselect_client.resources.jobs import Job, Jobs
from evoselect_client.specs import TrainingSpec


class Training(Job[Mode]):
    """A LoRA adapter in the making."""

    result: SkipValidation[TrainingResult] | None = None
    """What it came to; None until it is completed."""

    def output(self) -> TrainingResult:
        """The result of a completed training; raises JobFailedError for any other."""
        found: TrainingResult = super().output()
        return found

    @property
    def model_id(self) -> str:
        """The id of the trained model; raises JobFailedError when there is none."""
        return str(self.output()["model_id"])


class Trainings(Jobs[Training[Mode], Mode]):
    """Jobs that train a LoRA adapter on a selection."""

    path, model = "/v1/trainings", Training
    with_raw_response: WithRaw[Trainings[Raw], Trainings[AsyncRaw]] = WithRaw()

    @Verb
    def create(
        self,
        *,
        selection_id: str | None = None,
        file_id: str | None = None,
        pool_id: str | None = None,
        base_model: str | None = None,
        spec: TrainingSpec | dict[str, Any] | None = None,
        seed: int | None = None,
        priority: int | None = None,
        name: str | None = None,
        metadata: dict[str, str] | None = None,
    ) -> Steps[Training[Mode]]:
        """Start a training on a completed selection, on the records of a file, or on all of a pool."""
        source = {"selection_id": selection_id, "file_id": file_id, "pool_id": pool_id}
        body = {**source, "base_model": base_model, "spec": spec, "seed": seed, "priority": priority}
        return (yield from self._post(self.path, {**body, "name": name, "metadata": metadata}))
