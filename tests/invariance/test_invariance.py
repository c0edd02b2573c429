"""The benchmark's data hold what they claim, and its measures give what was put in."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks.invariance import __main__ as benchmark
from benchmarks.invariance import features
from benchmarks.invariance.data import RENDERINGS, TARGETS, TASKS, Data, Family, build
from benchmarks.invariance.measure import JUDGED, POOLS, Judge, Pool, summary
from benchmarks.invariance.representations import CHAT, CONTENT
from tests.workers.proxy import ALIAS, register, write_proxy
from workers.models.loading import load


@pytest.fixture(scope="module")
def data() -> Data:
    return build(scale=0.5)


def test_every_candidate_is_one_question_in_every_form(data: Data) -> None:
    assert set(data.source) > set(TASKS)
    for family, rows in data.rendered.items():
        for row, record in enumerate(rows):
            form = RENDERINGS[family][data.rendering[family][row]]
            question = (data.canonical[row].prompt or "").removeprefix("Question: ").removesuffix("\nAnswer:")
            assert record.prompt == form(question)
            assert (record.completion, record.id) == (data.canonical[row].completion, data.canonical[row].id)


def test_renderings_are_spread_evenly_over_every_set_and_faults_have_their_shares(data: Data) -> None:
    for family, forms in RENDERINGS.items():
        for name in set(data.source):
            own = [
                at for at, source in zip(data.rendering[family], data.source, strict=True) if source == name
            ]
            times = Counter(own)
            assert len(times) == len(forms)
            assert max(times.values()) - min(times.values()) <= 1
    shares = {kind: times / len(data.kind) for kind, times in Counter(data.kind).items()}
    assert shares["wrong_answer"] == pytest.approx(0.10, abs=0.005)
    assert shares["near_duplicate"] == pytest.approx(0.15, abs=0.005)
    assert all(
        (data.copy_of[row] is None) == (kind != "near_duplicate") for row, kind in enumerate(data.kind)
    )


def test_no_target_is_a_candidate(data: Data) -> None:
    pool = {record.prompt for record in data.canonical}
    for task in TASKS:
        assert len(data.target[task]) == TARGETS
        assert not pool & {record.prompt for record in data.target[task]}


def test_pools_leave_out_what_they_say(data: Data) -> None:
    task, written = TASKS[0], data.rendering["surface"]
    whole, elsewhere, absent = (pool.rows(data, task) for pool in POOLS[:3])
    assert len(whole) == len(written)
    assert {data.source[row] for row in set(whole) - set(elsewhere)} == {task}
    assert {written[row] for row in set(whole) - set(elsewhere)} == {0}
    assert 0 not in {written[row] for row in absent}
    assert {written[row] for row in elsewhere if data.source[row] != task} == set(range(6))


def judged(data: Data, pool: Pool, by: str) -> dict[str, float]:
    """Of a judge who sees the set alone, or the rendering alone."""

    def conditioned(rows: list[int], task: str, family: Family | None) -> tuple[Tensor, Tensor]:
        seen = data.source if by == "set" else [str(at) for at in data.rendering[pool.family]]
        wanted = task if by == "set" else "0"
        liked = torch.tensor([0.9 if family is None or seen[row] == wanted else 0.1 for row in rows])
        noise = torch.nn.functional.normalize(
            torch.randn(len(rows), 6, generator=torch.manual_seed(0)), dim=1
        )
        candidates = torch.cat([liked[:, None], noise * (1 - liked**2).sqrt()[:, None]], dim=1)
        return candidates, torch.tensor([[1.0] + [0.0] * 6]).repeat(4, 1)

    judge = Judge(data, 30, conditioned)
    return summary([judge.draw(pool, task) for task in TASKS])


def test_a_judge_of_sets_has_no_bias_and_one_of_renderings_has_all_of_it(data: Data) -> None:
    by_set, by_rendering = judged(data, POOLS[0], "set"), judged(data, POOLS[0], "rendering")
    assert by_set["own_share"] == 1.0
    assert by_set["rendering_bias_points"] < 10
    assert by_rendering["rendering_bias_points"] == pytest.approx(100 * 5 / 6, abs=3)
    assert by_rendering["own_share"] < 0.35
    assert np.isclose(by_rendering["off_points"][0], by_rendering["rendering_bias_points"])  # type: ignore[index]


def test_the_whole_of_it_on_a_tiny_model_and_a_second_run_computes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    register(write_proxy(tmp_path / "tiny"), monkeypatch)
    wide = replace(
        load(ALIAS, dtype="float32"), max_length=4096
    )  # its tokens are letters, its positions rotary
    monkeypatch.setattr(benchmark, "load", lambda alias: wide)
    monkeypatch.setattr(benchmark, "TASKS", TASKS[:1])
    monkeypatch.setattr(features, "CACHE", tmp_path / "kept")
    small, pools = build(scale=0.1), [pool for pool in POOLS if pool.name == JUDGED]
    first = benchmark.measure(small, pools, [CONTENT, CHAT[-1]])
    assert len(first["lines"]) == 2
    assert set(benchmark.KEYS) <= first.keys()
    assert (
        "| surface, own elsewhere | gradient as chat whitened + hidden whitened, content |"
        in benchmark.as_text(first)
    )
    assert "rows" in capsys.readouterr().err
    second = benchmark.measure(small, pools, [CONTENT, CHAT[-1]])
    assert [second[key] for key in benchmark.KEYS] == [first[key] for key in benchmark.KEYS]
    assert "rows" not in capsys.readouterr().err
