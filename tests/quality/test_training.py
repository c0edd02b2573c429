"""The cut model answers as the whole one does; every run has the same steps; finished runs are left out."""

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks.quality import model as cut
from benchmarks.quality.packed import collate, only, pack
from benchmarks.quality.runs import Run, missing
from benchmarks.quality.training import Texts, answer, answer_nlls, batches, schedule, train

PROMPTS = [[5, 6, 7, 8], [9, 10]]
ANSWERS = [[[11, 12, 13], [14], [15, 16]], [[17, 18], [19, 20, 21, 22]]]


@dataclass
class Loaded:
    """What the cut needs of a loaded model."""

    model: Any
    fingerprint: str = "tiny"


@pytest.fixture(scope="module")
def loaded() -> Any:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=32, hidden_size=16, intermediate_size=32, num_hidden_layers=cut.TOP + 2,
        num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=64,
    )  # fmt: skip
    whole: Any = LlamaForCausalLM(config)
    return Loaded(whole.eval().requires_grad_(False).bfloat16())


@pytest.fixture
def texts(loaded: Any, tmp_path: Any) -> Texts:
    rows = [pack(prompt, answers) for prompt, answers in zip(PROMPTS, ANSWERS, strict=True)]
    return Texts(rows, cut.states(rows, loaded, tmp_path), [0, 1])


def alone(model: Any, prompt: list[int], tokens: list[int]) -> float:
    """Mean NLL of one answer by the whole model."""
    ids = torch.tensor([[*prompt, *tokens]])
    found = model(ids).logits[0, len(prompt) - 1 : -1].float().log_softmax(-1)
    return float(-found.gather(1, torch.tensor(tokens)[:, None]).mean())


def test_packed_answers_score_as_each_alone(loaded: Any, texts: Texts) -> None:
    found = answer_nlls(cut.upper(loaded), texts, [0, 1])
    for prompt, answers, nlls in zip(PROMPTS, ANSWERS, found, strict=True):
        wanted = [alone(loaded.model, prompt, tokens) for tokens in answers]
        assert nlls.tolist() == pytest.approx(wanted, abs=0.02)  # bfloat16


def test_one_answer_of_a_row_is_the_row_of_that_answer() -> None:
    for prompt, answers in zip(PROMPTS, ANSWERS, strict=True):
        for number, tokens in enumerate(answers):
            cut_row, kept = only(pack(prompt, answers), number)
            assert cut_row == pack(prompt, [tokens])
            assert len(kept) == len(cut_row.ids)


def test_padding_is_seen_by_itself_alone() -> None:
    mask = collate([pack([1, 2, 3, 4, 5], [[6]]), pack([1], [[2]])]).mask
    assert not mask[1, 0].tril(-1)[:, 1:].any()
    assert mask[1, 0].diagonal().all()  # a row that sees nothing would be NaN
    assert mask[0, 0].equal(torch.ones(5, 5, dtype=torch.bool).tril())


def test_training_learns_and_leaves_the_model_alone(loaded: Any, texts: Texts) -> None:
    top = cut.upper(loaded)
    before = answer(top, texts).nll
    trained = train(top, texts.examples(), [0, 1], steps=12, seed=0)
    assert sum(answer(trained.get_base_model(), texts).nll) < sum(before) - 0.5
    assert answer(top, texts).nll == before


@pytest.mark.parametrize("k", [5, 16, 40])
def test_every_draw_gets_the_same_steps_and_sees_all_it_can(k: int) -> None:
    found = batches(range(100, 100 + k), list(range(200)), steps=10, seed=3)
    assert len(found) == 10
    if k <= 40:  # an epoch fits
        assert {i for batch in found for i in batch} == set(range(100, 100 + k))
    assert found == batches(range(100, 100 + k), list(range(200)), steps=10, seed=3)


def test_the_learning_rate_rises_and_falls() -> None:
    rates = [schedule(step, 20) for step in range(20)]
    assert rates[0] == 0.5
    assert rates[1] == 1.0
    assert rates[1:] == sorted(rates[1:], reverse=True)
    assert 0 < rates[-1] < 0.01


def test_a_run_that_another_process_did_meanwhile_is_left_out() -> None:
    plan = [Run("capacity", 8, seed, ("A",)) for seed in range(3)]
    stored: list[dict[str, Any]] = []
    left = missing(plan, lambda: stored)
    assert next(left) == plan[0]
    stored += [{"task": "A", "method": "capacity", "k": 8, "seed": seed} for seed in (0, 1)]
    assert list(left) == plan[2:]


def test_a_run_is_done_when_all_its_rows_are_there() -> None:
    plan = [Run("random", 8, 0, ("A", "B")), Run("capacity", 8, 0, ("A",))]
    stored = [{"task": task, "method": "random", "k": 8, "seed": 0} for task in ("A", "B")]
    assert list(missing(plan, lambda: stored)) == plan[1:]
    assert list(missing(plan, lambda: stored[:1])) == plan


def test_an_answer_sees_the_prompt_and_itself_alone() -> None:
    mask = collate([pack([1, 2], [[3, 4, 5], [6, 7]])]).mask[0, 0]  # read: 1 2 | 3 4 | 6
    assert mask[4].tolist() == [True, True, False, False, True]
    assert mask[3].tolist() == [True, True, True, True, False]
