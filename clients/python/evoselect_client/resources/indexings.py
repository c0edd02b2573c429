"""Indexings: jobs that make the records of a pool findable by their features."""

from __future__ import annotations

from typing import Any

from pydantic import SkipValidation

from evoselect_client.core.response import WithRaw
from evoselect_client.core.results import IndexingResult
from evoselect_client.core.steps import AsyncRaw, Mode, Raw, Steps, Verb
from evoselect_client.resources.jobs import Job, Jobs
from evoselect_client.specs import FeatureSpec


class Indexing(Job[Mode]):
    """The index of a pool in the making."""

    result: SkipValidation[IndexingResult] | None = None
    """What it came to; None until it is completed."""

    def output(self) -> IndexingResult:
        """The result of a completed indexing; raises JobFailedError for any other."""
        found: IndexingResult = super().output()
        return found


class Indexings(Jobs[Indexing[Mode], Mode]):
    """Jobs that make the records of a pool findable by their features."""

    path, model = "/v1/indexings", Indexing
    with_raw_response: WithRaw[Indexings[Raw], Indexings[AsyncRaw]] = WithRaw()

    @Verb
    def create(
        self,
        *,
        pool_id: str,
        selection_id: str | None = None,
        model: str | None = None,
        features: FeatureSpec | dict[str, Any] | None = None,
        priority: int | None = None,
        name: str | None = None,
        metadata: dict[str, str] | None = None,
    ) -> Steps[Indexing[Mode]]:
        """Start an indexing of a pool, by the features of its newest completed selection.

        `selection_id` names another one; `model` and `features` are taken in place of a selection's. When the
        pool has grown, another one reads the new rows alone.
        """
        body = {"pool_id": pool_id, "selection_id": selection_id, "model": model, "features": features}
        return (
            yield from self._post(
                self.path, {**body, "priority": priority, "name": name, "metadata": metadata}
            )
        )
