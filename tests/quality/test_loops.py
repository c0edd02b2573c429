"""Two rounds share their first; the second goes on from it, by what is left or by the whole pool again."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks.quality import loops
from benchmarks.quality import model as cut
from benchmarks.quality.loop_summary import below, table
from benchmarks.quality.loops import rounds
from benchmarks.quality.names import PARTS
from benchmarks.quality.packed import pack
from benchmarks.quality.runs import Run
from benchmarks.quality.summary import Json, summarise
from benchmarks.quality.training import Texts, answer

POOL = 24


@pytest.fixture(scope="module")
def world(tmp_path_factory: Any) -> Any:
    """What the random arm needs: a pool of which every row has the same answer, so that more steps help."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=cut.TOP + 1,
        num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=16,
    )  # fmt: skip
    whole: Any = LlamaForCausalLM(config)
    whole = whole.eval().requires_grad_(False).bfloat16()
    loaded: Any = SimpleNamespace(model=whole, fingerprint="tiny")
    rows = [pack([i, i + 1], [[60, 61]]) for i in range(1, POOL + 1)]
    texts = Texts(rows, cut.states(rows, loaded, tmp_path_factory.mktemp("states")), [0] * POOL)
    return SimpleNamespace(top=cut.upper(loaded), examples=texts, data=SimpleNamespace(pool=range(POOL)))


def test_the_second_round_goes_on_from_the_first_and_takes_no_row_twice(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loops, "STEPS", 8)
    losses, seen = {}, {}
    for name, rows, model in rounds("loop-random", 20, 3, "any", world):
        losses[name], seen[name] = np.mean(answer(model.get_base_model(), world.examples).nll), rows
    first, once, again = (seen[f"loop-random{part}"] for part in PARTS)
    assert len(first) == 10
    assert once[:10] == again[:10] == first
    assert len(set(once)) == 20
    assert len(set(again)) < 20  # 10 of 24 twice: rows are met again
    assert losses["loop-random/2"] < losses["loop-random/1"]


def test_a_loop_is_done_when_all_its_parts_are_there() -> None:
    keys = Run("loop-fixed", 8, 0, ("A",)).keys()
    assert {name for _, name, _, _ in keys} == {"loop-fixed/1", "loop-fixed/2", "loop-fixed/2-again"}


def made_up(losses: dict[str, float], seeds: int) -> list[Json]:
    rng, found = np.random.default_rng(0), list[Json]()
    hard = rng.normal(3.0, 1.0, 40)
    for method, loss in losses.items():
        for seed in range(seeds):
            values = hard + loss + rng.normal(0.0, 0.1, 40)
            questions = {"choice_cross_entropy": values, "nll": values, "correct": "01" * 20}
            found.append({"task": "T", "method": method, "k": 8, "seed": seed, "questions": questions})
    return found


def test_rounds_and_one_shot_are_compared_and_kept_out_of_the_table_of_methods() -> None:
    losses = {
        "capacity": 0.1,
        "capacity+lambda0.1": 0.0,
        "capacity+top": 0.4,
        "random": 1.0,
        "loop-current/1": 0.5,
        "loop-current/2": 0.2,
    }
    result = summarise(made_up(losses, seeds=2))
    assert result["loop_rounds_improving_tasks"] == ["T"]
    assert result["loop_rounds_improving_tasks_separably"] == ["T"]
    found = {name: values["all"]["difference"] for name, values in result["loops"].items()}
    assert found == {
        "loop-current: second round against first": pytest.approx(-0.3, abs=0.1),
        "loop-current: two rounds against one shot of capacity+top": pytest.approx(-0.2, abs=0.1),
        "loop-current: two rounds against one shot of capacity+lambda0.1": pytest.approx(0.2, abs=0.1),
    }
    assert result["methods"] == ["capacity", "capacity+lambda0.1", "capacity+top", "random"]
    assert result["comparisons"] == 1
    assert result["seeds"] == {"8": dict.fromkeys(losses, 2)}
    lines = table(result["loops"], lambda value: f"{value['difference']:+.1f}", ["T"])
    assert lines[2] == "| loop-current: second round against first | -0.3 | -0.3 |"


def test_a_second_round_that_is_worse_or_that_no_seeds_tell_is_not_named() -> None:
    worse = summarise(made_up({"loop-current/1": 0.0, "loop-current/2": 0.4}, seeds=2))
    assert worse["loop_rounds_improving_tasks"] == []
    single = summarise(made_up({"loop-current/1": 0.4, "loop-current/2": 0.0}, seeds=1))
    assert single["loop_rounds_improving_tasks"] == ["T"]
    assert single["loop_rounds_improving_tasks_separably"] == []
    assert not below({"difference": -1.0, "low": None, "high": None})
