"""Evaluation against a plain forward over each answer alone."""

import math
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy

from evoselect.spec.training import EvaluationSpec
from store.records.record import Record, parse_record
from tests.workers.proxy import questions, record
from workers.evaluations.records import EvaluationResult, RecordScore, evaluate, halves_of
from workers.models.loading import LoadedModel


def score(records: list[Record], loaded: LoadedModel, **spec: Any) -> EvaluationResult:
    return evaluate(records, loaded, EvaluationSpec(**spec), progress=lambda done: None)


def plain_nll(loaded: LoadedModel, prompt: str, answer: str) -> float:
    """NLL per token of the answer's text by one forward without cache or padding."""
    before, whole = (loaded.tokenizer(text)["input_ids"] for text in (prompt, prompt + answer))
    ids = torch.tensor([whole])
    with torch.no_grad():
        logits = loaded.model(input_ids=ids).logits[0]
    return float(cross_entropy(logits[len(before) - 1 : -1], ids[0, len(before) :]))


def test_numbers_equal_a_plain_forward_over_each_choice(proxy: LoadedModel) -> None:
    records = questions(6)
    result = score(records, proxy)
    for item, row in zip(records, result.rows, strict=True):
        assert item.choices is not None
        assert item.prompt is not None
        expected = [plain_nll(proxy, item.prompt, choice) for choice in item.choices]
        assert row.choice_nlls == pytest.approx(expected, rel=1e-4)
        assert row.answer_nll == pytest.approx(expected[0], rel=1e-4)
        assert row.predicted == expected.index(min(expected))
        total = sum(math.exp(-nll) for nll in expected)
        assert row.choice_cross_entropy == pytest.approx(expected[0] + math.log(total), rel=1e-4)
    summary = result.summary()
    assert summary["accuracy"] == sum(row.predicted == 0 for row in result.rows) / 6
    assert summary["n_choices"] == 6


def test_batches_do_not_change_the_numbers(proxy: LoadedModel) -> None:
    assert EvaluationSpec().dtype == "float32"  # in which they do not; in bfloat16 they may
    whole = score(questions(8), proxy).summary()
    small = score(questions(8), proxy, batch_tokens=16).summary()
    for name in ("accuracy", "choice_cross_entropy", "answer_nll"):
        assert small[name] == pytest.approx(whole[name], rel=1e-4)


def test_a_completion_that_is_no_choice_has_its_own_loss(proxy: LoadedModel) -> None:
    explained = parse_record(
        {"prompt": "capital of peru", "completion": " it is lima", "choices": [" lima", " rome"], "answer": 0}
    )
    [row] = score([explained], proxy).rows
    assert row.answer_nll == pytest.approx(plain_nll(proxy, "capital of peru", " it is lima"), rel=1e-4)
    assert row.choice_nlls is not None
    assert len(row.choice_nlls) == 2


def test_records_without_choices_count_for_the_loss_alone(proxy: LoadedModel) -> None:
    summary = score([*questions(2), record("capital of peru", "lima")], proxy).summary()
    assert (summary["n"], summary["n_choices"]) == (3, 2)
    without = score([record("capital of peru", "lima")], proxy).summary()
    assert without["accuracy"] is None
    assert without["choice_cross_entropy"] is None


def test_records_that_cannot_be_scored_are_left_out_and_counted(proxy: LoadedModel) -> None:
    result = score([*questions(2), record("please " * 64, "lima"), record("peru", "\u200b")], proxy)
    assert [row.status for row in result.rows] == ["ok", "ok", "too_long", "no_answer_tokens"]
    summary = result.summary()
    assert summary["n"] == 2
    assert summary["left_out"] == {"too_long": 1, "no_answer_tokens": 1}
    table = result.table()
    assert table.column("id").to_pylist()[:2] == ["q0", "q1"]
    assert table.column("answer_nll").to_pylist()[2] is None


def test_progress_counts_every_record(proxy: LoadedModel) -> None:
    seen: list[int] = []
    evaluate(questions(5), proxy, EvaluationSpec(batch_tokens=32), progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 5


def test_greedy_answers_are_compared_word_for_word(proxy: LoadedModel) -> None:
    prompt = "what is the capital of peru"
    ids = torch.tensor([proxy.tokenizer(prompt)["input_ids"]])
    made = proxy.model.generate(input_ids=ids, max_new_tokens=20, do_sample=False, pad_token_id=1)
    said = str(proxy.tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True))
    ended = bool((made[0, ids.shape[1] :] == proxy.tokenizer.eos_token_id).any())
    records = [record(prompt, said), record(prompt, "lima"), *questions(2)]
    result = score(records, proxy, generate=True)
    matches = [row.exact_match for row in result.rows]
    assert matches[0] is ended  # what never ends is no answer
    assert matches[1:] == [False, None, None]
    assert result.summary()["exact_match"] == sum(filter(None, matches)) / 2
    assert score(records, proxy).summary()["exact_match"] is None
    proxy.tokenizer.clean_up_tokenization_spaces = True
    [capital, unknown] = score(
        [record(prompt, said.upper()), record(prompt, "\u732b")], proxy, generate=True
    ).rows
    assert (capital.exact_match, unknown.exact_match) == (ended, False)  # it knows small letters alone


def test_every_number_has_its_interval(proxy: LoadedModel) -> None:
    summary = score(questions(6), proxy).summary()
    for name in ("accuracy", "choice_cross_entropy", "answer_nll"):
        low, high = summary["intervals"][name]
        assert low <= summary[name] <= high
    assert summary["intervals"]["exact_match"] is None


def test_halves_share_no_content_and_are_those_of_every_model() -> None:
    texts = ["a", "b", "c", "d", "d"]
    examples = [parse_record({"prompt": f"{text}?", "completion": "x"}) for text in texts]
    first, other = (
        EvaluationResult([RecordScore(str(at), "ok", base + at) for at in range(5)]) for base in (0.0, 10.0)
    )
    halves, again = halves_of(first, examples), halves_of(other, examples)
    assert halves is not None
    assert again is not None
    assert [half["n"] for half in halves] == [half["n"] for half in again]
    assert sum(half["n"] for half in halves) == 5
    assert abs(halves[0]["n"] - halves[1]["n"]) == 1  # the content that comes twice is on one side
    assert sum(half["n"] * half["answer_nll"] for half in halves) == pytest.approx(10.0)
    assert [b["answer_nll"] - a["answer_nll"] for a, b in zip(halves, again, strict=True)] == [10.0, 10.0]
    assert halves_of(first, [examples[-1]] * 5) is None
