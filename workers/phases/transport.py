"""Phase `transport`: the features of pool and target become k items with reasons."""

import importlib.metadata
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import orjson
from sqlalchemy.orm import Session
from torch import Tensor

from evoselect.arrays import Ints
from evoselect.budget import Budget
from evoselect.groups.masses import foreseen_masses
from evoselect.neighbours.both_ways import Nearest
from evoselect.pools import part as parts
from evoselect.pools.pool import Pool
from evoselect.pools.view import View
from evoselect.select import Texts, select
from evoselect.selection import Selection
from evoselect.spec.selection import SelectionSpec
from store.accounts import quotas
from store.artifacts import StoredFile
from store.errors import ArtifactCorrupt, Invalid
from store.jobs import answers
from store.jobs.requests import SelectionWork
from store.jobs.results import Covered, Health, Rows, SelectionResult
from store.kit.json import Json
from store.loops import steps as loop_steps
from store.records.record import Record, plain_text
from store.records.stored import Records, some
from store.results import items as selected
from workers.features import conditioned_rows
from workers.features.block_files import check_same_sketch
from workers.features.statuses import Statuses
from workers.lists import merging
from workers.lists.asked import PHASES, asked_before
from workers.lists.problem import Problem
from workers.process import results
from workers.process.work import Outcome, Work
from workers.selections import axes as round_axes
from workers.selections import considered, near_copies
from workers.selections import report as selection_report
from workers.selections.budgets import budget_of, pinned_rows
from workers.selections.conditioned import conditioned
from workers.selections.eligibility import (
    counts,
    eligibility_of,
    excluded_contents,
    refuse_bad_rows,
    require_enough,
    store_rejected,
    usable_of,
)
from workers.selections.forms import Forms, forms_of
from workers.selections.funnel.looking import look
from workers.selections.funnel.recall import drawn_among, recall_of
from workers.selections.health import health_of, is_looked_at
from workers.selections.items import item, picked
from workers.selections.near_copies import Flags
from workers.selections.originals import kept_of, table_of
from workers.selections.side import Side
from workers.selections.sides import load
from workers.selections.stages import Stages

MAX_CURVE = 200_000  # candidates up to which the trade-off is shown unasked: it about doubles the solving
MAX_TARGETS = 1_000  # named with their coverage, those served worst first
VERSIONS = ("evoselect", "torch", "numpy", "scipy", "faiss-cpu", "POT", "datasketch")


@dataclass(frozen=True)
class Sides:
    """What is selected from, and for what: both sides as they came, and what of them is usable."""

    asked: SelectionWork
    target: Side
    pool: Side
    eligibility: Statuses
    """Of every candidate."""
    sent: Records
    wanted: list[Record]
    rows: Ints
    """(n,) of the pool that may be selected, ascending."""
    goals: list[int]
    """Rows of the target with features."""
    budget: Budget
    """Over `rows`."""
    copies: near_copies.Found | None
    """Among the candidates that were usable but for them."""

    @property
    def listed(self) -> bool:
        """Whether the shards of the candidates answer for their rows: the pool is large, and can be asked."""
        return self.asked.spec.method == "capacity" and len(self.pool.stretches) > 0 and self.large

    @property
    def large(self) -> bool:
        """Whether the candidates' features are more than this worker reads at once."""
        first = self.target.features(self.goals[:1])
        width = first.values[0].numel() + (0 if first.hidden is None else first.hidden.shape[1])
        return conditioned_rows.is_large(len(self.rows), width)


@dataclass(frozen=True)
class Compared:
    """Both sides as unit rows, and whose answers the candidates are."""

    kind: str
    pool: Pool
    targets: Tensor  # (M, d)
    answers: merging.Merged | None = None


@dataclass(frozen=True)
class Choice:
    """What was selected, and the features that it was selected by."""

    selection: Selection
    compared: Compared
    forms: Forms | None


def run(work: Work) -> Outcome:
    """Load both sides, keep what may be selected, condition, select, store the items."""
    home = work.context.settings.home
    home.mkdir(parents=True, exist_ok=True)
    stages = Stages(work)
    work = replace(work, progress=stages.alive)
    with tempfile.TemporaryDirectory(prefix="scratch-", dir=home) as scratch:
        sides = _load(work, Path(scratch), stages)
        choice = _choose(work, sides, Path(scratch), stages)
        result = _store(work, sides, choice)
        stages.done("described")
        save = partial(_let_go, work, keep_features=sides.asked.features.keep_features)
        return Outcome(job_result=results.checked(SelectionResult, result), save=save)


def _let_go(work: Work, session: Session, *, keep_features: bool) -> None:
    """What only this selection needed: answers of shards, and features where nobody else is to use them.

    Steps of a loop or comparison share features, and keep them.
    """
    job_id = work.claim.job_id
    answers.forget(session, job_id, PHASES)
    if not keep_features and loop_steps.of_step(session, job_id) is None:
        answers.forget_features(session, job_id)


def _load(work: Work, scratch: Path, stages: Stages) -> Sides:
    asked = work.asked(SelectionWork)
    target, pool = load(work, asked, "target", scratch), load(work, asked, "pool", scratch)
    stages.done("read")
    refuse_bad_rows(asked.features, target, pool)
    goals = target.known.status.rows("ok").tolist()
    eligibility = eligibility_of(
        target, pool, excluded_contents(work, asked.exclude_selection_ids), asked.spec
    )
    look(work, asked, target, pool, eligibility=eligibility)
    check_same_sketch([target.known.sketch, pool.known.sketch])
    copies = _find_near_copies(work, asked, target=target, pool=pool, eligibility=eligibility)
    stages.done("copies")
    rows = usable_of(eligibility)
    require_enough(len(goals), asked.k, eligibility)
    budget = budget_of(asked, pool, rows, eligibility)
    sent, wanted = pool.records.at(rows), list(target.records.at(goals))
    return Sides(asked, target, pool, eligibility, sent, wanted, rows, goals, budget, copies)


def _find_near_copies(
    work: Work, asked: SelectionWork, *, target: Side, pool: Side, eligibility: Statuses
) -> near_copies.Found | None:
    """Near-copies among the usable candidates; those that may not be selected are marked so."""
    rows = usable_of(eligibility)
    pinned = set(pinned_rows(asked.pinned, pool, eligibility))
    places = set(np.flatnonzero(np.isin(rows, list(pinned))).tolist())
    sent = pool.records.at(rows)
    found = near_copies.found(
        work,
        asked,
        wanted=list(target.records),
        candidates=sent,
        pinned=places,
        known=_known_copies(work),
    )
    for place, why in ({} if found is None else found.dropped()).items():
        eligibility.give(rows[place : place + 1], why)
    return found


def _known_copies(work: Work) -> Json | None:
    """What this phase found before it asked its shards; None where it is here for the first time."""
    known: Json | None = None
    with suppress(ArtifactCorrupt):
        if (stored := asked_before(work, "copies")) is not None:
            known = orjson.loads(work.context.artifacts.get_bytes(stored.path, stored.sha256))
    return known


def _store_copies(work: Work, found: near_copies.Found | None) -> StoredFile | None:
    if found is None:
        return None
    data = orjson.dumps(near_copies.to_json(found))
    return work.context.artifacts.put_bytes(f"{work.claim.tenant_id}/lists", data, ".json").reference()


def _compared(work: Work, sides: Sides, forms: Forms | None, scratch: Path) -> Compared:
    """Both sides as unit rows; raises Wanted where shards have to answer first.

    ``forms`` where form is not to count.
    """
    asked, target = sides.asked, sides.target.features(sides.goals)
    if not sides.listed:
        found = conditioned(asked.features, sides.pool.shards_of(sides.rows), target, scratch, forms=forms)
        return Compared(found.kind, Pool((parts.Rows(found.candidates),)), found.targets)
    problem = Problem(
        work=work,
        asked=asked,
        stretches=sides.pool.stretches,
        sketch=sides.pool.known.sketch,
        rows=sides.pool.held(sides.rows),
        forms=None if forms is None else forms.of_pool(),
        target=target,
        masses=foreseen_masses(_groups(sides.wanted), len(sides.goals), asked.spec.quotas),
        budget=sides.budget,
        copies=_store_copies(work, sides.copies),
        seen=sides.pool.seen,
        read_anyway=drawn_among(sides.pool, sides.rows),
    )
    answers = merging.merged(problem, scratch)
    return Compared(asked.features.conditioning, answers.pool, answers.targets, answers)


def _choose(work: Work, sides: Sides, scratch: Path, stages: Stages) -> Choice:
    asked, features = sides.asked, sides.asked.features
    told = partial(forms_of, sides.sent, sides.wanted, features)
    forms = told() if features.match == "content" else None
    compared = _compared(work, sides, forms, scratch)
    forms = forms or told()  # for the result alone, which a phase that only asks has not
    stages.done("conditioned")
    selection = select(
        compared.pool,
        compared.targets,
        sides.budget,
        _with_curve(asked.spec, len(sides.rows)),
        seed=asked.seed,
        groups=_groups(sides.wanted),
        texts=_texts(sides) if asked.spec.method == "dsir" else None,
        staged=stages.done,
    )
    stages.done("compared")
    results.check_items(selection)
    quotas.require_k(len(selection.indices), work.context.settings.max_k)
    return Choice(selection, compared, forms)


def _texts(sides: Sides) -> Texts:
    return Texts(*([plain_text(record) for record in side] for side in (sides.sent, sides.wanted)))


def _store(work: Work, sides: Sides, choice: Choice) -> dict[str, object]:
    """The artifacts, and the result that names them."""
    selection = choice.selection
    compared = choice.compared
    near = compared.pool.near(compared.targets)
    rejected, first = store_rejected(work, sides.pool, sides.eligibility)
    flags = sides.copies.flags() if sides.copies else {}
    items, rows = _store_items(work, sides, selection, flags)
    return {
        "counts": counts(sides.target, sides.pool, sides.eligibility),
        "rejected": first,
        "conditioning": compared.kind,
        "forms": choice.forms.shares(selection.indices.tolist()) if choice.forms else None,
        "features": {
            **sides.pool.preflight,
            **(compared.answers.counts if compared.answers else {}),
            **recall_of(
                sides.pool, sides.asked.features, sides.rows, compared.pool, targets=compared.targets
            ),
        },
        "near_copies": sides.copies.summary() if sides.copies else None,
        "diagnostics": selection.diagnostics,
        "coverage": _coverage(selection, sides.wanted),
        "picked": rows,
        "health": _health(work, sides, choice, near),
        "manifest": _manifest(sides),
        "artifacts": {
            **items,
            **_store_near_copies(work, sides, flags),
            "rejected": rejected,
            "considered": considered.put(
                work,
                sides.sent,
                sides.wanted,
                near=near,
                items=considered.similar_items(compared.pool, selection.indices, large=sides.large),
            ),
            **selection_report.store(
                work.context.artifacts,
                work.claim.tenant_id,
                seed=sides.asked.seed,
                sent=sides.sent,
                wanted=sides.wanted,
                candidates=compared.pool,
                targets=compared.targets,
                selection=selection,
                near=near,
                axes=round_axes.of_loop(work, compared.pool.shape[1]),
                copies=sides.copies,
            ),
        },
    }


def _store_near_copies(work: Work, sides: Sides, flags: Mapping[str, Flags]) -> dict[str, StoredFile]:
    if sides.copies is None:
        return {}
    found = near_copies.put(work.context.artifacts, work.claim.tenant_id, flags, sides.copies.candidates)
    return {"near_copies": found}


def _health(work: Work, sides: Sides, choice: Choice, near: Nearest) -> Health | None:
    """Of a loop's round; None for other selections."""
    if not is_looked_at(work):
        return None
    return health_of(
        sides.sent,
        sides.wanted,
        candidates=View(choice.compared.pool),
        targets=choice.compared.targets,
        near=near,
        chosen=choice.selection.indices,
        seed=sides.asked.seed,
    )


def _manifest(sides: Sides) -> dict[str, object]:
    return {
        "sketch": sides.pool.known.sketch,
        "spec": sides.asked.spec.model_dump(mode="json", by_alias=True),
        "match": sides.asked.features.match,
        "seed": sides.asked.seed,
        "versions": {name: importlib.metadata.version(name) for name in VERSIONS},
    }


def _store_items(
    work: Work, sides: Sides, selection: Selection, flags: Mapping[str, Flags]
) -> tuple[dict[str, StoredFile], Rows]:
    """The items, and where all candidates came as one kind of table, the rows of that; what they come to."""
    counted = sides.budget.counted  # else the prices are tokens
    tokens = sides.pool.known.tokens[sides.rows] if counted else sides.budget.prices
    chosen = some(sides.sent, selection.indices.tolist())
    rows = [
        item(reason, candidates=chosen, targets=sides.wanted, tokens=tokens, flags=flags)
        for reason in selection.items()
    ]
    contents = [row["content_hash"] for row in rows]
    kept = kept_of(work, sides.pool.files, {*contents})
    stored = selected.put(work.context.artifacts, f"{work.claim.tenant_id}/items", rows, kept.originals)
    return {"items": stored, **table_of(work, sides.asked, kept, contents)}, picked(rows)


def _with_curve(spec: SelectionSpec, candidates: int) -> SelectionSpec:
    """The report shows the trade-off wherever it is cheap beside the features."""
    wanted = spec.method == "capacity" and candidates <= MAX_CURVE
    return spec.model_copy(update={"tradeoff": True}) if wanted else spec


def _groups(targets: list[Record]) -> list[str] | None:
    """One group name per target, or None where no target has one."""
    names = [record.group for record in targets]
    named = [name for name in names if name is not None]
    if not named:
        return None
    if len(named) < len(names):
        raise Invalid(
            f"{len(named)} of {len(names)} target examples have a group: give one to each, or to none",
            code="mixed_groups",
        )
    return named


def _coverage(selection: Selection, targets: list[Record]) -> list[Covered]:
    """Targets by the largest cosine of a selected item to them, the worst served first."""
    if selection.coverage is None:
        return []
    order = np.argsort(selection.coverage, kind="stable")[:MAX_TARGETS]
    return [Covered(id=targets[row].id, cosine=float(selection.coverage[row])) for row in order]
