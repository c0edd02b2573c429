"""Rows that do not fit: what stays of them, and what is said of them before and after."""

from typing import Any

import pytest

from evoselect.gradients.examples import Span
from evoselect.spec.features import FeatureSpec
from evoselect.spec.reading import OnLong, Reading
from store.jobs.costs import by_powers
from store.records.layout import Layout, read_row
from tests.workers.proxy import questions, record
from workers.features.block_files import from_bytes, in_original_order, join, to_bytes
from workers.features.compute import compute_features
from workers.features.fingerprint import sketch_fingerprint
from workers.features.prediction import predict
from workers.models.loading import LoadedModel
from workers.models.shortening import head_of, shortened
from workers.models.tokenization import tokenize

IDS = list(range(20))
SPANS = [(6, 9), (12, 15), (18, 20)]


@pytest.mark.parametrize(
    ("on_long", "most", "ids", "learnt"),
    [
        ("drop", 19, None, []),
        ("truncate_prompt_left", 16, [0, *range(5, 20)], [(2, 5), (8, 11), (14, 16)]),
        ("truncate_prompt_left", 15, None, []),  # nothing of the prompt would be left but its start token
        ("truncate_answer", 14, list(range(14)), [(6, 9), (12, 14)]),
        ("truncate_answer", 12, list(range(9)), [(6, 9)]),
        ("truncate_answer", 7, list(range(7)), [(6, 7)]),
        ("truncate_answer", 6, None, []),
        ("split_turns", 19, list(range(15)), [(6, 9), (12, 15)]),
        ("split_turns", 14, list(range(9)), [(6, 9)]),
        ("split_turns", 8, None, []),
    ],
)
def test_what_stays_of_a_chat(on_long: OnLong, most: int, ids: list[int] | None, learnt: list[Span]) -> None:
    found = shortened((IDS, SPANS), most, on_long, 1)
    assert found == (None if ids is None else (ids, learnt))
    if found is not None:
        before = {IDS[at] for start, stop in SPANS for at in range(start, stop)}
        assert {found[0][at] for start, stop in learnt for at in range(start, stop)} <= before


def test_what_begins_every_text_stays() -> None:
    assert head_of([5, 6, 7], [5, 6], None) == 2
    assert head_of([1, 6, 7], [], 1) == 1  # as a template writes it
    assert head_of([6, 7], [], 1) == head_of([6, 7], [5], None) == 0


@pytest.mark.parametrize(
    ("row", "on_long", "text"),
    [
        (
            {"prompt": "please " * 70 + "peru", "completion": " lima"},
            "truncate_prompt_left",
            "please peru lima </s>",
        ),
        ({"prompt": "peru", "completion": " please" * 70}, "truncate_answer", "please please"),
        ({"prompt": "peru", "completion": " please" * 70}, "truncate_prompt_left", None),
        ({"prompt": "peru", "completion": " please" * 70}, "split_turns", None),
    ],
)
def test_a_row_fits_its_window(proxy: LoadedModel, row: Any, on_long: OnLong, text: str | None) -> None:
    [item] = tokenize([record(**row)], proxy, 64, Reading(on_long=on_long))
    assert item.tokens > 64
    if text is None:
        assert (item.status, item.shortened) == ("truncated_answer", False)
        return
    assert item.example is not None
    assert (item.status, item.shortened, len(item.example.ids)) == ("ok", True, 64)
    assert str(proxy.tokenizer.decode(list(item.example.ids))).endswith(text)


def test_a_long_chat_keeps_its_first_whole_answers(proxy: LoadedModel) -> None:
    turns = [{"role": role, "content": "please " * 9 + "peru"} for role in ("user", "assistant") * 4]
    whole, _ = read_row({"messages": turns}, Layout())
    part, _ = read_row({"messages": turns[:4]}, Layout())
    [cut] = tokenize([whole], proxy, 64, Reading(on_long="split_turns"))
    [alone] = tokenize([part], proxy, 64)
    assert cut.example == alone.example is not None
    assert tokenize([whole], proxy, 64)[0].status in ("too_long", "truncated_answer")


def test_shortened_rows_are_counted_and_foreseen(proxy: LoadedModel) -> None:
    rows = [*questions(4), record("please " * 70, "lima"), record("please", "please " * 70)]
    spec = FeatureSpec(dtype="float32", on_long="truncate_prompt_left")
    block = compute_features(rows, proxy, spec, progress=lambda done: None)
    assert block.status == [*["ok"] * 5, "truncated_answer"]
    assert block.shortened == 1
    kept = from_bytes(to_bytes(block))
    assert join([kept, in_original_order(kept, [5, 4, 3, 2, 1, 0])]).shortened == 2
    lengths = predict(rows, block, proxy, spec, rows=6).lengths
    assert lengths["up_to"] == by_powers(block.tokens.tolist()) == {"64": 4, "128": 2}
    assert (lengths["window"], lengths["on_long"]) == (64, "truncate_prompt_left")
    assert lengths["longer"] == {"shortened": 1, "truncated_answer": 1}
    assert sketch_fingerprint(proxy, spec) != sketch_fingerprint(proxy, FeatureSpec(dtype="float32"))


def test_lengths_are_counted_by_powers_of_two() -> None:
    assert by_powers([0, 1, 64, 65, 128, 129]) == {"64": 3, "128": 2, "256": 1}
    assert by_powers([]) == {}
