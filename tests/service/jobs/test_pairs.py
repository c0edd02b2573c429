"""One evaluation against another on the same examples."""

import pytest

from service.jobs.pairs import difference, paired_differences, paired_tasks


def nll(*values: float | None) -> list[dict[str, object]]:
    return [{"answer_nll": value, "predicted": None, "answer": None} for value in values]


def test_the_difference_is_second_less_first_over_examples_that_both_have() -> None:
    found = difference("answer_nll", nll(1.0, 2.0, None, 4.0), nll(2.0, 4.0, 9.0, 7.0))
    assert found is not None
    assert found.n == 3
    assert found.difference == pytest.approx(2.0)
    assert found.first + found.difference == pytest.approx(found.second)
    assert found.interval[0] < found.difference < found.interval[1]


def test_one_example_has_no_spread_and_no_difference() -> None:
    assert difference("answer_nll", nll(1.0), nll(2.0)) is None
    assert set(paired_differences(nll(1.0), nll(2.0)).values()) == {None}


def test_examples_of_unlike_number_are_a_fault_of_the_caller() -> None:
    with pytest.raises(ValueError, match="shorter"):
        difference("answer_nll", nll(1.0, 2.0), nll(1.0))


def test_questions_of_tasks_are_paired_by_their_text() -> None:
    def rows(*asked: tuple[int, str, float]) -> list[dict[str, object]]:
        return [
            {"task": "t", "metric": "acc", "doc_id": at, "doc_hash": text, "value": value}
            for at, text, value in asked
        ]

    found = paired_tasks(
        rows((0, "a", 0.0), (1, "b", 0.0), (2, "c", 1.0)), rows((0, "a", 1.0), (1, "B", 1.0), (2, "c", 1.0))
    )
    assert found["t acc"] is not None
    assert (found["t acc"].n, found["t acc"].difference) == (2, 0.5)
