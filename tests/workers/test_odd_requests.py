"""Whole requests on models with odd templates: a live API, and the real worker's loop in this process."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from transformers.utils import chat_template_utils

from tests.live import Json
from tests.workers import odd_models
from tests.workers.line import Line, whole_line

TEMPLATES = {"no-system": odd_models.STRICT, "clock": odd_models.CLOCK, "no-template": None}
SYSTEM = {
    "id": "sys",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
    ],
}
PLAIN = [{"id": f"p{n}", "prompt": f"Question: {n}", "completion": " she"} for n in range(6)]


def chat(number: int, question: str = "the sky", answer: str = "is blue") -> Json:
    turns = [("user", f"{question} {number}"), ("assistant", f"{answer} {number}")]
    return {"id": f"x{number}", "messages": [{"role": role, "content": text} for role, text in turns]}


@dataclass(frozen=True)
class Later:
    """The present of a machine whose clock is years ahead."""

    years: int

    def __call__(self) -> datetime:
        return datetime(2027 + self.years, 1, 1)


@pytest.fixture(scope="module")
def models_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The operator's list of the models."""
    folder = tmp_path_factory.mktemp("odd")
    for name, template in TEMPLATES.items():
        odd_models.write(folder / name, template, prefix=False)
    file = folder / "models.json"
    sources = {name: {"kind": "folder", "location": str(folder / name)} for name in TEMPLATES}
    file.write_text(json.dumps(sources))
    return file


@pytest.fixture
def line(
    database_url: str, models_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Line]:
    with whole_line(database_url, tmp_path, models_file, monkeypatch) as found:
        yield found


def test_a_turn_that_the_template_refuses_costs_its_row_and_nothing_else(line: Line) -> None:
    rows = [chat(n) for n in range(8)]
    pool_id = line.api.made("/v1/pools", {})["id"]
    line.api.made(f"/v1/pools/{pool_id}/batches", {"records": [*rows[3:], SYSTEM]})
    body: dict[str, Any] = {"target": rows[:3], "pool_id": pool_id, "k": 2, "model": "no-system"}
    done = line.done("selections", body)
    assert done["status"] == "completed", done["error"]
    assert done["result"]["counts"]["left_out"] == {"template_mismatch": 1}
    rejecting = line.done("selections", body | {"features": {"on_bad_row": "reject"}})
    assert rejecting["error"]["code"] == "bad_rows"
    for word in ("sys", "System role not supported"):
        assert word in rejecting["error"]["detail"]
    training = line.done("trainings", {"pool_id": pool_id, "base_model": "no-system"})
    assert training["status"] == "completed", training["error"]
    assert training["result"]["left_out"] == {"template_mismatch": 1}
    short = {"max_length": 12, "on_long": "truncate_prompt_left", "turns": "last"}
    scored = line.done("selections", body | {"features": short})
    assert scored["result"]["counts"]["shortened"] == {"pool": 5, "target": 3}
    learnt = line.done("trainings", {"selection_id": scored["id"], "base_model": "no-system"})
    assert (learnt["result"]["shortened"], learnt["result"]["tokens"]) == (2, 2 * 12)
    lineage = line.api.get(f"/v1/models/{learnt['result']['model_id']}/lineage")["trainings"][0]["spec"]
    assert {name: lineage[name] for name in short} == short


def test_a_record_has_one_score_whenever_and_beside_whom_it_is_asked(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, rows = [chat(8)], [chat(n) for n in range(8)]
    spec = {"model": "clock", "features": {"conditioning": "none"}, "method": "mean_cosine"}
    found: list[dict[str, float]] = []
    for years, candidates in enumerate((rows, [chat(9), *reversed(rows)])):
        monkeypatch.setattr(chat_template_utils, "datetime", type("Clock", (), {"now": Later(years)}))
        body = spec | {"target": target, "candidates": candidates, "k": len(candidates)}
        items = line.api.get(f"/v1/selections/{line.done('selections', body)['id']}/items")["data"]
        found.append({item["id"]: item["score"] for item in items})
    assert len(found[0]) == 8
    assert {name: found[1][name] for name in found[0]} == pytest.approx(found[0], abs=1e-6)


def test_chats_for_a_model_without_a_template_end_in_the_models_own_words(line: Line) -> None:
    chats = [chat(n) for n in range(8)]
    done = line.done(
        "selections", {"target": chats[:3], "candidates": chats[3:], "k": 2, "model": "no-template"}
    )
    assert (done["status"], done["error"]["code"]) == ("failed", "no_chat_template")
    assert "no-template" in done["error"]["detail"]
    plain = {"target": PLAIN[:2], "candidates": PLAIN[2:], "k": 2, "model": "no-template"}
    assert line.done("selections", plain)["status"] == "completed"
