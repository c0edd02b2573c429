"""What the benchmark writes out for speed gives the product's numbers."""

from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.quality import training
from benchmarks.quality.packed import by_length, packed, right
from benchmarks.quality.training import answer, train
from evoselect.spec.training import EvaluationSpec
from tests.workers.conftest import proxy as proxy
from tests.workers.conftest import proxy_folder as proxy_folder
from tests.workers.proxy import questions
from workers.evaluations.records import evaluate
from workers.models.loading import LoadedModel
from workers.models.tokenization import tokenize
from workers.trainings.lora import train_lora


def test_choices_behind_one_prompt_score_as_the_products_evaluation_has_them(proxy: LoadedModel) -> None:
    records = questions(8)
    expected = evaluate(records, proxy, EvaluationSpec(), progress=lambda done: None).rows
    found = answer(proxy.model, [packed(record, proxy) for record in records], [right(r) for r in records])
    assert found.nll == pytest.approx([row.answer_nll for row in expected], rel=1e-4)
    wanted = [row.choice_cross_entropy for row in expected]
    assert found.choice_cross_entropy == pytest.approx(wanted, rel=1e-4)
    assert found.correct == [row.predicted == row.answer for row in expected]


def test_a_training_has_the_losses_of_the_products_trainer(
    proxy: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = training.SPEC.model_copy(update={"batch_size": 4, "learning_rate": 1e-2, "warmup_ratio": 0.1})
    monkeypatch.setattr(training, "SPEC", spec)
    records = questions(10)
    expected = train_lora(
        records, None, proxy, spec=spec, out_dir=tmp_path, seed=3, progress=lambda state: None
    )
    examples: list[Any] = [row.example for row in tokenize(records, proxy, proxy.max_length)]
    before = {name: weight.clone() for name, weight in proxy.model.state_dict().items()}
    model, losses = train(proxy, examples, seed=3)
    assert losses == pytest.approx(expected.loss_history, abs=1e-3)
    assert not any(weight.requires_grad for weight in model.parameters())
    assert all(torch.equal(weight, before[name]) for name, weight in proxy.model.state_dict().items())


def test_every_row_is_in_one_batch_within_the_budget(proxy: LoadedModel) -> None:
    rows = [packed(record, proxy) for record in questions(9)]
    batches = by_length(rows, 40)
    assert sorted(i for batch in batches for i in batch) == list(range(9))
    assert all(
        max(len(rows[i].ids) for i in batch) * len(batch) <= 40 or len(batch) == 1 for batch in batches
    )
