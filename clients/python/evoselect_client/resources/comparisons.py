"""Comparisons of methods: which one to use for a target, or whether a random draw is as good."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from evoselect_client.core.calls import post
from evoselect_client.core.resource import Resource
from evoselect_client.core.response import WithRaw
from evoselect_client.core.steps import AsyncRaw, Mode, Raw, Steps, Verb
from evoselect_client.resources.jobs import SteppedJob, SteppedJobs
from evoselect_client.specs import EvaluationSpec, FeatureSpec, TrainingSpec


class Gain(Resource):
    """A difference, more is better: a share for accuracy, nats for losses. No interval: noise unknown yet."""

    gain: float
    interval: tuple[float, float] | None = None
    p_value: float | None = None


class ComparedArm(Resource):
    """What one method came to so far."""

    name: str
    trainings: int = 0
    mean: float | None = None
    against_random: Gain | None = None
    against_leader: Gain | None = None
    same_as: str | None = None
    stopped: bool = False
    error: dict[str, Any] | None = None
    selection_ids: list[str] = Field(default_factory=list)
    training_ids: list[str] = Field(default_factory=list)
    model_ids: list[str] = Field(default_factory=list)
    evaluation_ids: list[str] = Field(default_factory=list)


class MethodVerdict(Resource):
    """`kind` is use, random_is_as_good, not_enough, or same_rows; `interim` while trainings go on."""

    kind: str
    arm: str | None = None
    gain: float | None = None
    interval: tuple[float, float] | None = None
    further_trainings: int | None = None
    sentence: str
    interim: bool = False


class MethodComparison(SteppedJob[Mode]):
    """Methods side by side: what each selects is trained on, and measured on the same examples."""

    @property
    def verdict(self) -> MethodVerdict | None:
        """What the trainings say so far; None before two arms are measured."""
        return None if self.result is None else MethodVerdict.model_validate(self.result["verdict"])

    @property
    def arms(self) -> list[ComparedArm]:
        """The table so far, the best arm first."""
        return [ComparedArm.model_validate(arm) for arm in (self.result or {}).get("arms", [])]


class Comparisons(SteppedJobs[MethodComparison[Mode], Mode]):
    """Jobs that tell which method to use."""

    path, model = "/v1/comparisons", MethodComparison
    with_raw_response: WithRaw[Comparisons[Raw], Comparisons[AsyncRaw]] = WithRaw()

    @Verb
    def create(
        self,
        *,
        target_id: str,
        pool_id: str,
        k: int | None = None,
        ratio: float | None = None,
        tokens: int | None = None,
        evaluation_target_id: str | None = None,
        pool_version: int | None = None,
        base_model: str | None = None,
        arms: list[str | dict[str, Any]] | None = None,
        seeds: int | None = None,
        draws: int | None = None,
        minutes: float | None = None,
        trainings: int | None = None,
        successive_halving: bool | None = None,
        measure: str | None = None,
        proxy: str | None = None,
        features: FeatureSpec | dict[str, Any] | None = None,
        training: TrainingSpec | dict[str, Any] | None = None,
        evaluation: EvaluationSpec | dict[str, Any] | None = None,
        seed: int | None = None,
        name: str | None = None,
        metadata: dict[str, str] | None = None,
    ) -> Steps[MethodComparison[Mode]]:
        """Start a comparison at a size: `k` candidates, the share `ratio` of the pool, or `tokens` tokens.

        arms: names of methods, or {"name": ..., "method": ..., "spec": ..., "features": ...}; random is among
        them. minutes and trainings are a budget. The examples that the target kept apart are asked, or those
        of evaluation_target_id. What is left out takes the service's recommended value.
        """
        body = {
            "target_id": target_id,
            "pool_id": pool_id,
            "k": k,
            "ratio": ratio,
            "tokens": tokens,
            "evaluation_target_id": evaluation_target_id,
            "pool_version": pool_version,
            "base_model": base_model,
            "arms": arms,
            "seeds": seeds,
            "draws": draws,
            "minutes": minutes,
            "trainings": trainings,
            "successive_halving": successive_halving,
            "measure": measure,
            "proxy": proxy,
            "features": features,
            "training": training,
            "evaluation": evaluation,
            "seed": seed,
            "name": name,
            "metadata": metadata,
        }
        return (yield from self._post(self.path, body))

    @Verb
    def estimate(self, /, **options: Any) -> Steps[dict[str, Any]]:
        """Check a comparison with the options of `create`: what it would cost, what gain it would see."""
        found: dict[str, Any] = yield from self.session.send(
            post(self.path, dict, options, validate_only=True)
        )
        return found
