"""The benchmark trains and asks by the workers' functions, which give what its earlier trainer gave."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from benchmarks.quality import training
from benchmarks.quality.runs import scores
from benchmarks.quality.training import answer, train
from store.records.record import Record
from tests.quality import earlier
from tests.workers.conftest import proxy as proxy
from tests.workers.conftest import proxy_folder as proxy_folder
from tests.workers.proxy import questions
from workers.models.loading import LoadedModel
from workers.models.tokenization import answers_of, tokenize

Choices = list[list[float]]


def test_equal_losses_and_answers_by_the_earlier_trainer_and_by_the_workers(
    proxy: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = training.SPEC.model_copy(update={"batch_size": 4, "learning_rate": 1e-2, "warmup_ratio": 0.1})
    monkeypatch.setattr(training, "SPEC", spec)
    records = questions(10)
    examples: list[Any] = [row.example for row in tokenize(records, proxy, proxy.max_length)]
    before = {name: weight.clone() for name, weight in proxy.model.state_dict().items()}
    expected, losses = earlier.train(proxy, examples, 3, spec)
    model, found = train(proxy, records, seed=3)
    assert len(found) == training.STEPS
    assert found == pytest.approx(losses, abs=1e-3)
    assert losses[-1] < losses[0] / 2  # equal because both learn, not because neither does
    asked = questions(8)
    told = [row.choice_nlls or [] for row in answer(model, asked)]
    one_by_one = _one_by_one(replace(proxy, model=expected), asked)
    assert [nll for row in told for nll in row] == pytest.approx(
        [nll for row in one_by_one for nll in row], abs=2e-3
    )
    assert all(torch.equal(weight, before[name]) for name, weight in proxy.model.state_dict().items())


def _one_by_one(loaded: LoadedModel, records: Sequence[Record]) -> Choices:
    """Mean loss a token of every choice, each behind its prompt alone."""
    found = []
    for record in records:
        asked = answers_of(record, record.choices or (), loaded)
        assert asked.lengths == [len(tail) for tail in asked.tails]
        found.append([_nll(loaded.model, asked.prompt, tail) for tail in asked.tails])
    return found


def _nll(model: Any, prompt: Sequence[int], tail: Sequence[int]) -> float:
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([[*prompt, *tail]])).logits[0, len(prompt) - 1 : -1]
    return float(torch.nn.functional.cross_entropy(logits, torch.tensor(tail)))


def test_a_row_has_every_question_and_their_means(proxy: LoadedModel) -> None:
    found = answer(proxy, questions(8))
    row = scores(found)
    right = [one.predicted == one.answer for one in found]
    assert row["questions"]["correct"] == "".join(str(int(each)) for each in right)
    assert row["accuracy"] == pytest.approx(sum(right) / 8)
    crosses = [one.choice_cross_entropy for one in found]
    assert row["questions"]["choice_cross_entropy"] == pytest.approx(crosses, abs=1e-3)
    assert row["nll"] == pytest.approx(sum(one.answer_nll or 0.0 for one in found) / 8, abs=1e-4)


def test_a_question_without_a_score_is_no_row(proxy: LoadedModel) -> None:
    long = replace(questions(1)[0], prompt="paris " * 200)
    with pytest.raises(RuntimeError, match="without scores: \\['too_long'\\]"):
        answer(proxy, [*questions(2), long])
