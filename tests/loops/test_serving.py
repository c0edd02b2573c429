"""The endpoint of the experiment: kept answers are said again, others are made together and kept."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch

from benchmarks.loops.decoding import Decoder
from benchmarks.loops.serving import served
from tests.workers.proxy import write_proxy

LAST = 24  # tokens


def body(text: str, **more: Any) -> dict[str, Any]:
    asked = {"messages": [{"role": "user", "content": text}], "temperature": 0.0, "max_tokens": LAST}
    return {"model": "generator", **asked, "seed": 0, **more}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_proxy(tmp_path_factory.mktemp("served") / "tiny")


def test_rows_beside_each_other_get_the_answers_that_they_get_alone(folder: Path) -> None:
    decoder = Decoder(folder, torch.float32)  # bfloat16 rounds by the rows beside, and can decide near ties
    asked = [
        body("peru"),
        body("peru please lima"),
        body("what is the capital of peru", max_tokens=3),
        body("peru"),
        body("spain please"),
    ]
    together = decoder.answers(asked)
    assert together == [decoder.answers([one])[0] for one in asked]
    assert together[0] == together[3]
    assert together[2].tokens == 3 or together[2].finished


def test_a_seed_draws_an_answer_and_temperature_makes_them_differ(folder: Path) -> None:
    decoder = Decoder(folder)
    asked = [body("peru", temperature=1.0, seed=seed) for seed in range(6)]
    found = [answer.text for answer in decoder.answers(asked)]
    assert len(set(found)) > 1
    assert found == [answer.text for answer in decoder.answers(asked)]


def ask(url: str, asked: Mapping[str, Any]) -> httpx.Response:
    return httpx.post(f"{url}/chat/completions", json=asked, timeout=30.0)


def test_an_answer_is_kept_and_said_again_without_the_model(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "checks.jsonl"
    with served(path, folder) as url:
        first = ask(url, body("peru")).json()["choices"][0]["message"]
        assert ask(url, body("peru")).json()["choices"][0]["message"] == first
    (line,) = map(json.loads, path.read_text().splitlines())
    assert line["request"] == body("peru")
    with served(path, None) as url:
        assert ask(url, body("peru")).json()["choices"][0]["message"] == first
        refused = ask(url, body("spain"))
    assert refused.status_code == 404
    assert "give --generator-model" in refused.json()["error"]["message"]


def test_a_folder_without_a_model_is_told_to_who_asks(tmp_path: Path) -> None:
    with served(tmp_path / "checks.jsonl", tmp_path / "nothing") as url:
        found = ask(url, body("peru"))
    assert found.status_code == 500
    assert "nothing" in found.json()["error"]["message"]
