"""The nouns that hold work: selections, trainings, evaluations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from evoselect_client.calls import Call, get, post, segment
from evoselect_client.layouts import Layout, extra_query
from evoselect_client.models import (
    Candidate,
    Comparison,
    Evaluation,
    Event,
    Item,
    Job,
    Selection,
    Training,
)
from evoselect_client.nouns import PAGE_SIZE, Nouns, pages
from evoselect_client.sending import NDJSON, with_records
from evoselect_client.sources import Records, as_list
from evoselect_client.steps import Emit, Listing, Mode, Steps, Values, Verb

JobT = TypeVar("JobT", bound=Job[Any])
HTML = "text/html"


class Jobs(Nouns[JobT, Mode]):
    """What selections, trainings and evaluations share."""

    @Verb
    def cancel(self, id: str) -> Steps[JobT]:
        """Ask the job to stop; ConflictError when it has ended already."""
        return (yield from self.act(id, "cancel"))

    @Verb
    def delete(self, id: str) -> Steps[None]:
        """Delete a job that has ended, with its results; ConflictError before, or while it is needed."""
        yield from self._delete(f"{self.path}/{segment(id)}", bool)

    @Verb
    def retry(self, id: str) -> Steps[JobT]:
        """The same request as a new job; ConflictError unless the old one ended without a result."""
        return (yield from self.act(id, "retry"))

    @Listing
    def events(self, id: str, *, after: int = 0) -> Values[Event]:
        """The job's transitions so far, in order, those with a number above `after`."""
        yield from self.transitions(id, after)

    @Verb
    def poll(self, id: str, seconds: float) -> Steps[JobT]:
        """The job's state, as soon as it has ended or after some seconds."""
        return (yield from self.look(id, seconds))

    def act(self, id: str, verb: str) -> Steps[JobT]:
        """The steps of `cancel` and `retry`."""
        return (yield from self._post(f"{self.path}/{segment(id)}/{verb}", {}))

    def look(self, id: str, seconds: float) -> Steps[JobT]:
        """The steps of `poll`."""
        return (yield from self._get(f"{self.path}/{segment(id)}", wait=max(0, round(seconds))))

    def transitions(self, id: str, after: int) -> Values[Event]:
        """The steps of `events`."""
        yield from pages(
            self.session, f"{self.path}/{segment(id)}/events", Event.model_validate, PAGE_SIZE, after=after
        )

    def page(self, id: str) -> Steps[str]:
        """The steps of `report`."""
        return (
            yield from self.session.send(Call("GET", f"{self.path}/{segment(id)}/report", str, accept=HTML))
        )


class Selections(Jobs[Selection[Mode], Mode]):
    """Jobs that pick candidates for a target."""

    path, model = "/v1/selections", Selection

    @Verb
    def create(
        self,
        *,
        target_id: str | None = None,
        target: Records | None = None,
        pool_id: str | None = None,
        candidates: Records | None = None,
        pool_version: int | None = None,
        k: int | None = None,
        ratio: float | None = None,
        tokens: int | None = None,
        tokens_from: str | None = None,
        pinned: list[str] | None = None,
        method: str | None = None,
        spec: dict[str, Any] | None = None,
        features: dict[str, Any] | None = None,
        feature_files: dict[str, str] | None = None,
        model: str | None = None,
        seed: int | None = None,
        exclude_selection_ids: list[str] | None = None,
        name: str | None = None,
        metadata: dict[str, str] | None = None,
    ) -> Steps[Selection[Mode]]:
        """Start a selection of `k` candidates, of the share `ratio` of the pool, or of `tokens` tokens.

        `pinned` ids or content hashes are selected in any case; `tokens_from` (`extra.NAME`) says where each
        candidate's tokens stand.

        Give target_id or target (inline, or a path), and pool_id or candidates. What is left out takes the
        service's recommended value.
        """
        body = {
            "target_id": target_id,
            "target": None if target is None else as_list(target),
            "pool_id": pool_id,
            "candidates": None if candidates is None else as_list(candidates),
            "pool_version": pool_version,
            "k": k,
            "ratio": ratio,
            "tokens": tokens,
            "tokens_from": tokens_from,
            "pinned": pinned,
            "method": method,
            "spec": spec,
            "features": features,
            "feature_files": feature_files,
            "model": model,
            "seed": seed,
            "exclude_selection_ids": exclude_selection_ids,
            "name": name,
            "metadata": metadata,
        }
        return (yield from self._post(self.path, body))

    @Verb
    def estimate(self, /, **options: Any) -> Steps[dict[str, Any]]:
        """Check a selection with the options of `create`, and say what it would cost; nothing is started."""
        for name in ("target", "candidates"):
            if options.get(name) is not None:
                options[name] = as_list(options[name])
        found: dict[str, Any] = yield from self.session.send(
            post(self.path, dict, options, validate_only=True)
        )
        return found

    @Listing
    def items(self, id: str, *, extra: Mapping[str, Any] | None = None, page_size: int = 500) -> Values[Item]:
        """The selected candidates in order, fetched page by page while you iterate; see Selection.items."""
        yield from self.picked(id, page_size, extra)

    @Verb
    def compare(self, id: str, other_id: str) -> Steps[Comparison]:
        """What two completed selections share, and how coverage changes from the first to the second."""
        call = get(f"{self.path}/{segment(id)}/compare/{segment(other_id)}", Comparison.model_validate)
        return (yield from self.session.send(call))

    @Verb
    def candidate(self, id: str, candidate_id: str) -> Steps[Candidate]:
        """Why a candidate, by its id or content hash, was selected or was not."""
        path = f"{self.path}/{segment(id)}/candidates/{segment(candidate_id)}"
        return (yield from self.session.send(get(path, Candidate.model_validate)))

    @Verb
    def report(self, id: str) -> Steps[str]:
        """The report of a completed selection, as one HTML page that needs nothing else."""
        return (yield from self.page(id))

    @Listing
    def rows(self, id: str, *, reasons: bool = False, page_size: int = 500) -> Values[str]:
        """The selected rows as they came, each as one line of JSON, in rank order; see Selection.rows."""
        yield from self.originals(id, reasons, page_size)

    def originals(self, id: str, reasons: bool, page_size: int) -> Values[str]:
        """The steps of `rows`."""
        after = 0
        while True:
            asked = {"format": "original", "reasons": reasons, "after": after, "limit": page_size}
            call = Call("GET", f"{self.path}/{segment(id)}/items", str, asked, accept=NDJSON)
            text = yield from self.session.send(call)
            lines = text.split("\n")[:-1]  # splitlines would cut at other characters too
            for line in lines:
                yield Emit(line)
            if len(lines) < page_size:
                return
            after += len(lines)

    def picked(self, id: str, page_size: int, extra: Mapping[str, Any] | None) -> Values[Item]:
        """The steps of `items`."""
        path = f"{self.path}/{segment(id)}/items"
        yield from pages(self.session, path, Item.model_validate, page_size, **extra_query(extra))


class Trainings(Jobs[Training[Mode], Mode]):
    """Jobs that train a LoRA adapter on a selection."""

    path, model = "/v1/trainings", Training

    @Verb
    def create(
        self,
        *,
        selection_id: str | None = None,
        file_id: str | None = None,
        pool_id: str | None = None,
        base_model: str | None = None,
        spec: dict[str, Any] | None = None,
        seed: int | None = None,
        name: str | None = None,
        metadata: dict[str, str] | None = None,
    ) -> Steps[Training[Mode]]:
        """Start a training on a completed selection, on the records of a file, or on all of a pool."""
        source = {"selection_id": selection_id, "file_id": file_id, "pool_id": pool_id}
        body = {**source, "base_model": base_model, "spec": spec, "seed": seed}
        return (yield from self._post(self.path, {**body, "name": name, "metadata": metadata}))


class Evaluations(Jobs[Evaluation[Mode], Mode]):
    """Jobs that measure a model on held-out examples."""

    path, model = "/v1/evaluations", Evaluation

    @Verb
    def create(
        self,
        *,
        model: str,
        target_id: str | None = None,
        records: Records | None = None,
        tasks: list[str] | None = None,
        limit: int | None = None,
        spec: dict[str, Any] | None = None,
        format: str | None = None,
        columns: Mapping[str, str] | None = None,
        name: str | None = None,
        metadata: dict[str, str] | None = None,
    ) -> Steps[Evaluation[Mode]]:
        """Start an evaluation of a base model's alias or a trained model's id.

        `records`, `format` and `columns` as of Targets.create.
        `tasks` are names of lm-eval's, where the service offers them; `limit` takes the first questions of
        each.
        """
        body = {
            "model": model,
            "target_id": target_id,
            **Layout(format, columns or {}).body(),
            "tasks": tasks,
            "limit": limit,
            "spec": spec,
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
