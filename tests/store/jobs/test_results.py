"""What came of jobs and shards: rows of earlier releases are read, and rows keep the JSON that they kept."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from store.artifacts import Artifact, StoredFile
from store.data.content_runs import Index
from store.data.pools import Faults
from store.data.sources import Source
from store.jobs.plans import FeaturePart, feature_shards
from store.jobs.results import EvaluationFiles, FeaturesResult, SelectionResult, Trained, files_of
from store.loops.results import Generated, RoundResult

ITEMS = {"path": "t/items/1", "sha256": "0", "rows": 2}


def test_a_file_is_kept_with_what_was_said_of_it_and_nothing_else() -> None:
    stored = Artifact("a/b", "0f", 12)
    assert stored.reference().stored() == {"path": "a/b", "sha256": "0f"}
    assert stored.reference(rows=0, size=12, name="x").stored() == {
        "path": "a/b",
        "sha256": "0f",
        "rows": 0,
        "size": 12,
        "name": "x",
    }


def test_files_of_a_release_that_stored_fewer_are_none() -> None:
    files = files_of({"diagnostics": {"transport": 9.9}, "artifacts": {"items": ITEMS, "gone": ITEMS}})
    assert files.items == StoredFile(path="t/items/1", sha256="0", rows=2)
    assert (files.report, files.table, files.near_copies) == (None, None, None)
    with pytest.raises(ValidationError):
        files_of(None)  # a job that is not completed has none


def test_a_selection_keeps_the_json_that_its_worker_made() -> None:
    found = {
        "counts": {
            "pool": 3,
            "usable": 2,
            "left_out": {"in_target": 1},
            "target": 1,
            "target_statuses": {"ok": 1},
        },
        "rejected": [{"id": "c", "reason": "in_target"}],
        "conditioning": "centred",
        "forms": None,
        "diagnostics": {
            "k": 2,
            "candidates": 2,
            "targets": 1,
            "bandwidth": 0.5,
            "group_shares": {"all": 1.0},
            "transport": 0.25,
            "tradeoff": [
                {"lambda": 0.5, "transport": 0.3, "redundancy": 0.1, "residual": 0.0, "beyond": 0.0}
            ],
            "own": {"of a method": [1, 2]},
        },
        "coverage": [{"id": "t", "cosine": 0.5}],
        "artifacts": {"items": ITEMS, "table": ITEMS},
    }
    assert json.loads(json.dumps(SelectionResult.model_validate(found).stored())) == found


def test_shards_and_rounds_of_earlier_releases_are_read() -> None:
    block = {"key": "k", "artifact": "a", "sha256": "0", "rows": 3}
    found = FeaturesResult.of({"blocks": [block]})
    assert (found.blocks[0].cached, found.pace, found.outlook) == (False, None, {})
    assert (
        Trained.of({"model_id": "mdl_1", "steps": 3, "loss_history": [-5.0]}).steps == 3
    )  # no range is asked
    assert EvaluationFiles.of({"rows": {"path": "r", "sha256": "0"}}).rows.rows is None
    arm: dict[str, Any] = {
        "selection_id": None,
        "training_id": None,
        "evaluation_id": None,
        "model_id": "m",
        "evaluation": {},
    }
    assert (
        RoundResult.of({"loss": None, "gain": None, "arms": {"selected": arm}}).arms["selected"].model_id
        == "m"
    )
    assert Index.model_validate({}).runs == ()
    assert (Faults.model_validate({}).lines, Faults.model_validate({}).file_id) == ([], None)


def test_a_generators_own_counts_are_kept_beside_those_that_count() -> None:
    made = Generated.of(
        {"candidates": 2, "cost": 0.5, "prompt_tokens": 3, "completion_tokens": 4, "duplicates": 1}
    )
    assert (made.tokens, made.cost) == (7, 0.5)
    assert made.stored()["duplicates"] == 1
    assert Generated(candidates=2).stored() == {"candidates": 2}
    assert Generated.of({}).tokens == 0  # a round whose pool is the whole pool generates nothing


def test_the_payload_of_a_shard_is_read_as_it_was_planned() -> None:
    (plan, _) = feature_shards([Source("pool", "a", "0", 5)], 3)
    part = FeaturePart.model_validate(plan.payload)
    assert (part.role, part.start, part.stop, part.first, part.of) == ("pool", 0, 3, True, 5)
