"""Whether the form of a prompt counts: what `match` changes in a selection, and what its result says."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from evoselect.representations.forms import Form
from evoselect.representations.shards import Features, Shard
from evoselect.spec.features import FeatureSpec
from store.artifacts import Artifacts
from store.data.sources import Source
from store.jobs import claims, plans, shards
from store.jobs import lifecycle as jobs
from store.jobs.claims import Claim, Offer
from store.records import record as records
from store.records.record import Record, parse_record
from store.session import Database
from store.settings import Settings
from store.tables.states import JobKind
from tests.workers.selections.computing import left
from workers.context import Context
from workers.features.block import FeatureBlock
from workers.phases import transport
from workers.process.work import Work
from workers.selections.conditioned import conditioned
from workers.selections.forms import Forms, forms_of

ASKED, SAID = Form("Question: ", "\nAnswer:"), Form("User: ", "\nAssistant:")
SUBJECTS, ROWS = 4, 48


def written(form: Form, text: str) -> dict[str, str]:
    return {"prompt": f"{form.head}{text}{form.tail}", "completion": "x"}


def rows() -> tuple[list[Record], list[Record]]:
    """Candidates of four subjects, those of the first in the other form only; targets of it in theirs."""
    forms = [SAID if row % SUBJECTS == 0 or row % 8 > 3 else ASKED for row in range(ROWS)]
    pool = [
        parse_record(written(form, f"subject {row % SUBJECTS} no {row}")) for row, form in enumerate(forms)
    ]
    target = [parse_record(written(ASKED, f"subject 0 target {row}")) for row in range(6)]
    return pool, target


def values(row: Record, seed: int) -> np.ndarray[Any, Any]:
    """(1, 12): mostly the form, less the subject, some noise."""
    text = row.prompt or ""
    found = 0.3 * np.random.default_rng(seed).normal(size=12)
    found[int(text.split("subject ")[1][0])] += 1.0
    found[8 if text.startswith(ASKED.head) else 9] += 2.0
    return (found / np.linalg.norm(found))[None]


def block(side: list[Record], seed: int) -> FeatureBlock:
    found = np.stack([values(row, seed + at) for at, row in enumerate(side)]).astype(np.float32)
    ones = np.ones((len(side), 1), dtype=np.float32)
    tokens = np.full(len(side), 3, dtype=np.int32)
    return FeatureBlock(found, ones, ones[:, 0], tokens, ["ok"] * len(side), "s", {})


@pytest.fixture
def ctx(database: Database, tmp_path: Path) -> Context:
    return Context(Settings(), database, Artifacts(f"file://{tmp_path}"))


def take(ctx: Context, queue: str) -> Claim:
    with ctx.database.transaction() as session:
        claim = claims.claim(session, Offer(queue, ("features", "transport"), "w", 60.0))
    assert claim is not None
    return claim


def result(ctx: Context, tenant: str, match: str) -> dict[str, Any]:
    """Of a selection of six candidates."""
    pool, target = rows()
    sources = []
    for role, side in (("target", target), ("pool", pool)):
        stored = ctx.artifacts.put_table("records", records.to_table(side))
        sources.append(Source(role, stored.path, stored.sha256, len(side)))
    request = {"features": {"match": match}, "target_id": "t", "k": 6, "spec": {}, "model": "m", "seed": 0}
    request |= {"exclude_selection_ids": [], "pool_id": "none", "pool_version": 1}
    with ctx.database.transaction() as session:
        parts = plans.feature_shards(sources, ROWS)
        jobs.create(session, tenant_id=tenant, kind=JobKind.SELECTION, request=request, plans=parts)
    for _ in sources:
        claim = take(ctx, "features")
        side = {"target": target, "pool": pool}[claim.payload["role"]]
        done = left(ctx.artifacts, tenant, side, lambda own: block(list(own), len(own)))
        with ctx.database.transaction() as session:
            shards.commit(session, claim, done)
    found = transport.run(Work(take(ctx, "select"), ctx, lambda done: None)).job_result
    assert found is not None
    return found.stored()


def test_form_counts_or_not_as_the_user_says_and_the_result_shows_it(ctx: Context, tenant: str) -> None:
    shares = {}
    for match in ("both", "content"):
        found = result(ctx, tenant, match)
        assert found["manifest"]["match"] == match
        assert found["forms"]["found"] == 2
        by_head = {form["head"]: form for form in found["forms"]["named"]}
        assert [form["target"] for form in found["forms"]["named"]] == [0.0, 1.0]  # the largest first
        assert by_head[SAID.head]["pool"] == 0.625
        shares[match] = by_head[ASKED.head]["selected"]
    assert shares == {"both": 1.0, "content": 0.0}


def test_chats_have_the_form_of_their_turns() -> None:
    def chat(system: str, text: str) -> Record:
        turns = [{"role": "system", "content": system}, {"role": "user", "content": text}]
        return parse_record({"messages": turns, "completion": "x"})

    pool = [chat(("Be brief.", "Think first.")[row % 2], f"subject no {row}") for row in range(20)]
    found = forms_of(pool, pool[:6], FeatureSpec())
    assert found is not None
    assert found.of_pool().tolist() == [0, 1] * 10
    assert set(found.pool) == {Form("Be brief.\n"), Form("Think first.\n")}
    assert found.shares([0, 2])["named"][0] == {
        "head": "Be brief.\n", "tail": "", "capitals": False, "pool": 0.5, "target": 0.5, "selected": 1.0,
    }  # fmt: skip


def test_large_pools_are_looked_at_only_where_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.selections.forms.MAX_ROWS", ROWS - 1)
    assert forms_of(*rows(), FeatureSpec()) is None
    assert isinstance(forms_of(*rows(), FeatureSpec(match="content")), Forms)


def test_a_single_candidate_has_no_forms_to_tell_apart(tmp_path: Path) -> None:
    pool, target = rows()
    spec, forms = FeatureSpec(match="content"), forms_of(pool[:1], target, FeatureSpec(match="content"))
    alone = Shard(1, lambda: Features(torch.ones(1, 1, 12)))
    found = conditioned(spec, [alone], Features(torch.ones(6, 1, 12)), tmp_path, forms=forms)
    assert (found.kind, found.candidates.shape) == ("none", (1, 12))
