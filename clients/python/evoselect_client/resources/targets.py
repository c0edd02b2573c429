"""Targets: sets of target-task examples."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from evoselect_client.core.labelled import Labelled
from evoselect_client.core.response import WithRaw
from evoselect_client.core.steps import AsyncRaw, Mode, Raw, Steps, Verb
from evoselect_client.data.layouts import Layout
from evoselect_client.data.sources import Records
from evoselect_client.resources.record_upload import with_records
from evoselect_client.resources.records import Recognised, RecordSets
from evoselect_client.specs import HeldOut


class Target(Labelled[Mode]):
    """Examples of the target task."""

    name: str | None = None
    count: int
    groups: dict[str, int] = {}
    held_out_target_id: str | None = None
    recognised: Recognised = Recognised()
    metadata: dict[str, Any] = {}
    found: bool = False
    """Of `create`: the service had these examples already, and nothing was stored."""
    created_at: datetime


class Targets(RecordSets[Target[Mode], Mode]):
    """Sets of target-task examples; they do not change."""

    path, model = "/v1/targets", Target
    with_raw_response: WithRaw[Targets[Raw], Targets[AsyncRaw]] = WithRaw()

    @Verb
    def create(
        self,
        records: Records | None = None,
        *,
        file_id: str | None = None,
        format: str | None = None,
        columns: Mapping[str, str] | None = None,
        template: str | None = None,
        held_out: HeldOut | None = None,
        name: str | None = None,
        metadata: dict[str, str] | None = None,
    ) -> Steps[Target[Mode]]:
        """Store target examples: a list of rows, the path of a file, or an uploaded file's id.

        What shape the rows have is recognised, or named by `format`; or `columns` says which column holds
        which field, as {"prompt": "instruction", "completion": "output"}. `template` is Jinja that makes the
        prompt from a row's columns, as "Question: {{ question }}\\n". `recognised` of the answer says what
        they were.
        held_out {"ratio": ..., "seed": ...} keeps a share apart, in the target `held_out_target_id`.
        The same examples under the same name are found again (`found`); a file that the service has is not
        sent again.
        """
        body = {"file_id": file_id, **Layout(format, columns or {}, template).body(), "held_out": held_out}
        body |= {"name": name, "metadata": metadata}
        return (
            yield from with_records(
                self.session, records, lambda rows: self._post(self.path, {**body, **rows})
            )
        )
