"""Selections: jobs that pick candidates for a target, and what they picked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SkipValidation

from evoselect_client.core.calls import NDJSON, PARQUET, Call, get, post, segment
from evoselect_client.core.nouns import pages
from evoselect_client.core.resource import Resource
from evoselect_client.core.response import WithRaw
from evoselect_client.core.results import SelectionResult
from evoselect_client.core.steps import AsyncRaw, Emit, Listing, Mode, Page, Raw, Steps, Values, Verb
from evoselect_client.core.watch.progress import html_table
from evoselect_client.data.layouts import extra_query
from evoselect_client.data.sources import Records, as_list
from evoselect_client.resources.jobs import Job, Jobs
from evoselect_client.specs import FeatureFiles, FeatureSpec, Method, SelectionSpec


class ServedTarget(Resource):
    """An example of the target that an item serves."""

    id: str
    cosine: float
    """-1 to 1."""
    mass: float
    """How much the item brings to it, of a total of 1."""


class Cluster(Resource):
    """Candidates that nearly repeat each other."""

    representative: str
    rows: int


class Leak(Resource):
    """An example of a target that a candidate nearly repeats."""

    target_id: str
    partner: str
    similarity: float
    run_share: float


class Item(Resource):
    """One selected candidate, with the reasons for it."""

    rank: int
    """From 1: the most valuable first."""
    id: str
    content_hash: str
    weight: float
    """Its share of the selection; all add up to 1."""
    record: dict[str, Any]
    repeats: int = 1
    """How often a trainer without weights should show it."""
    tokens: int | None = None
    pinned: bool = False
    score: float | None = None
    """What the order is by: larger is better."""
    ot_gradient: float | None = None
    redundancy: float | None = None
    """Sum of its similarities to the other items."""
    nearest_selected: str | None = None
    targets: list[ServedTarget] = []
    cluster: Cluster | None = None
    leaks: list[Leak] = []
    why: str = ""

    def __repr__(self) -> str:
        score = "" if self.score is None else f", score {self.score:.4g}"
        return f"<Item {self.rank} {self.id!r:.60}{score}>"

    def _repr_html_(self) -> str:
        text = self.record.get("prompt") or self.record.get("messages")
        shown = {"id": self.id, "score": self.score, "why": self.why, "record": f"{text!s:.300}"}
        return html_table(f"rank {self.rank}", shown)


class Rejected(Resource):
    """A candidate that could not be selected, and why."""

    id: str
    reason: str


class Selection(Job[Mode]):
    """Which candidates are worth training on."""

    result: SkipValidation[SelectionResult] | None = None
    """What it came to; None until it is completed."""

    def output(self) -> SelectionResult:
        """The result of a completed selection; raises JobFailedError for any other."""
        found: SelectionResult = super().output()
        return found

    @Listing
    def items(self, *, extra: Mapping[str, Any] | None = None, page_size: int = 500) -> Values[Item]:
        """The selected candidates in order, fetched page by page while you iterate.

        With `extra` those alone whose record has these values in `extra`: {"source": "web"}.
        """
        yield from self._noun.items.steps(self.id, extra=extra, page_size=page_size)

    @Listing
    def rows(self, *, reasons: bool = False, page_size: int = 500) -> Values[str]:
        """The selected rows as they came, each as one line of JSON, in rank order.

        With `reasons` each gets a last member `_evoselect`: rank, score, weight, repeats, why.
        """
        yield from self._noun.rows.steps(self.id, reasons=reasons, page_size=page_size)

    @Verb
    def save(self, path: str | os.PathLike[str], *, reasons: bool = False) -> Steps[Path]:
        """Write the selected rows as they came into a file, in rank order; returns its path.

        A name that ends with .parquet gives Parquet with the schema that the rows had: ApiError (no_table)
        where not the whole pool came as tables with the same columns. Any other name gives lines, but one
        that promises another format (.csv, .gz, ...) is refused: BadInputError.
        `reasons` as of `rows`.
        """
        from evoselect_client.data.saving import save_rows

        return (yield from save_rows(self._noun, self.id, Path(path), reasons))

    @Verb
    def to_dataset(self, dataset: Any) -> Steps[Any]:
        """The selected rows of a `datasets.Dataset`, in rank order, whatever shape they have.

        Raises ValueError when a selected row is not among them: the dataset is not the one that was sent, or
        was changed since.
        """
        from evoselect_client.data.matching import selected_rows

        return (yield from selected_rows(self._noun.rows.steps(self.id), dataset))

    @Verb
    def to_pandas(self, *, extra: Mapping[str, Any] | None = None) -> Steps[Any]:
        """The items as a pandas DataFrame in rank order: the reasons, then the fields of the record."""
        from evoselect_client.data.exports import frame

        return (yield from frame(self._noun.items.steps(self.id, extra=extra)))

    @Verb
    def to_jsonl(self, path: str | os.PathLike[str], *, reasons: bool = False) -> Steps[Path]:
        """The selected rows as they came, a line each; whatever the file's name is. See `save`."""
        from evoselect_client.data.saving import save_lines

        return (yield from save_lines(self._noun, self.id, Path(path), reasons))

    @Verb
    def to_parquet(self, path: str | os.PathLike[str], *, reasons: bool = False) -> Steps[Path]:
        """The selected rows as the table that they came as, whatever the file's name is. See `save`."""
        from evoselect_client.data.saving import save_table

        return (yield from save_table(self._noun, self.id, Path(path), reasons))

    @Listing
    def rejected(self) -> Values[Rejected]:
        """Every candidate that could not be selected, in the order of the pool."""
        yield from self._noun.rejected.steps(self.id)

    @Verb
    def report(self) -> Steps[str]:
        """The report as one HTML page that needs nothing else."""
        page: str = yield from self._noun.report.steps(self.id)
        return page

    @Verb
    def report_numbers(self) -> Steps[dict[str, Any]]:
        """The numbers behind the report, as decoded JSON."""
        numbers: dict[str, Any] = yield from self._noun.report_numbers.steps(self.id)
        return numbers

    @Verb
    def report_map(self) -> Steps[bytes]:
        """The map of the report as a Parquet file."""
        content: bytes = yield from self._noun.report_map.steps(self.id)
        return content


class Comparison(Resource):
    """Two selections side by side; `coverage` is None where they have different targets."""

    overlap: dict[str, Any]
    rank_correlation: float | None
    coverage: dict[str, Any] | None
    transport: dict[str, float | None]


class Candidate(Resource):
    """Why a candidate is in or out: `status` is selected, not_selected or not_usable."""

    id: str
    content_hash: str
    repeated: bool
    status: str
    reason: str
    item: dict[str, Any] | None = None
    nearest_target: dict[str, Any] | None = None
    nearest_item: dict[str, Any] | None = None
    """The item that it is most like ({rank, id, content_hash, cosine}), of one that was not selected."""
    last_selected: dict[str, Any] | None = None


class Selections(Jobs[Selection[Mode], Mode]):
    """Jobs that pick candidates for a target."""

    path, model = "/v1/selections", Selection
    with_raw_response: WithRaw[Selections[Raw], Selections[AsyncRaw]] = WithRaw()

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
        method: Method | str | None = None,
        spec: SelectionSpec | dict[str, Any] | None = None,
        features: FeatureSpec | dict[str, Any] | None = None,
        feature_files: FeatureFiles | dict[str, Any] | None = None,
        model: str | None = None,
        seed: int | None = None,
        exclude_selection_ids: list[str] | None = None,
        priority: int | None = None,
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
            "priority": priority,
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
        path = f"{self.path}/{segment(id)}/items"
        asked: dict[str, Any] = extra_query(extra)
        yield from pages(self.session, path, Item.model_validate, page_size=page_size, **asked)

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
        return (yield from self._page(id))

    @Verb
    def report_numbers(self, id: str) -> Steps[dict[str, Any]]:
        """The numbers behind the report, as decoded JSON."""
        return (yield from self.session.send(get(f"{self.path}/{segment(id)}/report", dict)))

    @Verb
    def report_map(self, id: str) -> Steps[bytes]:
        """The map of the report as a Parquet file, a row for each point."""
        call = Call("GET", f"{self.path}/{segment(id)}/report", bytes, accept=PARQUET)
        return (yield from self.session.send(call))

    @Listing
    def rejected(self, id: str) -> Values[Rejected]:
        """Every candidate that could not be selected, with the reason, in the order of the pool."""
        yield from self._lines(f"{segment(id)}/rejected", Rejected)

    @Listing
    def rows(self, id: str, *, reasons: bool = False, page_size: int = 500) -> Values[str]:
        """The selected rows as they came, each as one line of JSON, in rank order; see Selection.rows."""
        after = 0
        while True:
            asked = {"format": "original", "reasons": reasons, "after": after, "limit": page_size}
            call = Call("GET", f"{self.path}/{segment(id)}/items", str, asked, accept=NDJSON)
            text = yield from self.session.send(call)
            lines = text.split("\n")[:-1]  # splitlines would cut at other characters too
            after += len(lines)
            yield Emit(Page(lines, len(lines) == page_size, after))
            if len(lines) < page_size:
                return
