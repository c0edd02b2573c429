"""Which tokens of a chat are learnt: those that transformers and TRL learn, and no other."""

import copy
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.families.turns import CHATS, of_template, tokenizer_of
from evoselect.gradients.examples import Example
from evoselect.spec.features import FeatureSpec
from evoselect.spec.reading import Reading
from store.records.layout import Layout, read_row
from workers.features.fingerprint import sketch_fingerprint
from workers.models.loading import LoadedModel
from workers.models.tokenization import tokenize
from workers.trainings.trainer import IGNORED, dataset

TURNS: list[dict[str, Any]] = [
    {"role": "user", "content": "capital of peru"},
    {"role": "assistant", "content": "lima"},
    {"role": "user", "content": "of italy"},
    {"role": "assistant", "content": "it is rome"},
]
MARKED = (
    "{% for m in messages %}<{{ m['role'] }}> {% if m['role'] == 'assistant' %}"
    "{% generation %}{{ m['content'] }} {{ eos_token }}{% endgeneration %}"
    "{% else %}{{ m['content'] }} {{ eos_token }}{% endif %}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant> {% endif %}"
)
# Of those that ship, by prefixes and by marks, with and without tools.
REAL = {
    "llama3": ["call of a tool"],
    "llama3_training": ["call of a tool"],
    "qwen2_5": [],
    "qwen2_5_training": [],
    "qwen3_instruct_2507": [],
    "qwen3_training": [],
    "phi3_5": ["call of a tool"],
    "glm4moe_training": [],
}


def learnt(loaded: LoadedModel, example: Example) -> list[str]:
    """The text of each span that is learnt."""
    ends = [*(first for first, _ in example.between), len(example.ids)]
    starts = [example.start, *(stop for _, stop in example.between)]
    return [str(loaded.tokenizer.decode(list(example.ids[a:b]))) for a, b in zip(starts, ends, strict=True)]


def spans(loaded: LoadedModel, turns: list[Any], reading: Reading | None = None) -> list[str] | str:
    """What is learnt of a chat, or why nothing is."""
    record, _ = read_row({"id": "one", "messages": turns}, Layout())
    [item] = tokenize([record], loaded, 64, reading or Reading())
    return item.why or item.status if item.example is None else learnt(loaded, item.example)


@pytest.fixture(params=["prefixes", "marks"])
def either(proxy: LoadedModel, request: pytest.FixtureRequest) -> LoadedModel:
    if request.param == "marks":
        proxy.tokenizer.chat_template = MARKED
    return proxy


@pytest.mark.parametrize("name", REAL)
def test_ids_and_places_are_the_libraries_own_under_real_templates(name: str) -> None:
    found = of_template(name)
    assert len(found) == len(CHATS)
    assert [one.chat for one in found if one.refused] == REAL[name]
    assert all(one.equal for one in found if not one.refused), found


def test_all_turns_of_the_assistant_are_learnt_or_the_last_alone(either: LoadedModel) -> None:
    assert spans(either, TURNS) == ["lima </s>", "it is rome </s>"]
    assert spans(either, TURNS, Reading(turns="last")) == ["it is rome </s>"]
    assert spans(either, TURNS[:2]) == ["lima </s>"]


def test_turns_of_weight_0_are_read_and_not_learnt(either: LoadedModel) -> None:
    first, last = copy.deepcopy(TURNS), copy.deepcopy(TURNS)
    first[1] |= {"weight": 0}
    last[3] |= {"weight": 0.0}
    assert spans(either, first) == ["it is rome </s>"]
    assert spans(either, last) == ["lima </s>"]
    assert spans(either, last, Reading(turns="last")) == "no_answer_tokens"


def test_a_template_that_rewrites_earlier_turns_refuses_the_row_and_says_what_to_set() -> None:
    loaded: Any = SimpleNamespace(alias="qwen3", tokenizer=tokenizer_of("qwen3"))
    records = [read_row({"id": "one", "messages": turns}, Layout())[0] for turns in (TURNS[:2], TURNS)]
    short, long = tokenize(records, loaded, 999)
    assert (short.status, long.status) == ("ok", "template_mismatch")
    assert "record one does not fit the chat template: the template writes turn 1 differently" in long.why
    assert "set turns to last" in long.why
    items = tokenize(records, loaded, 999, Reading(turns="last"))
    for item, answer in zip(items, ("lima", "it is rome"), strict=True):
        assert item.example is not None
        assert learnt(loaded, item.example) == [f"<think>\n\n</think>\n\n{answer}<|im_end|>"]


def test_a_chat_that_begins_with_the_assistant_is_refused_where_nothing_marks_its_turns(
    proxy: LoadedModel,
) -> None:
    assert "its first turn is the assistant's" in spans(proxy, [TURNS[1], *TURNS])
    proxy.tokenizer.chat_template = MARKED
    assert len(spans(proxy, [TURNS[1], *TURNS])) == 3


def test_marks_are_followed_to_the_token(
    proxy: LoadedModel,
) -> None:
    proxy.tokenizer.chat_template = MARKED.replace("{% endgeneration %}", " please{% endgeneration %}")
    assert spans(proxy, TURNS) == ["lima </s> please", "it is rome </s> please"]


def test_what_is_learnt_is_part_of_the_fingerprint(proxy: LoadedModel) -> None:
    assert sketch_fingerprint(proxy, FeatureSpec()) != sketch_fingerprint(proxy, FeatureSpec(turns="last"))


def test_a_training_learns_what_features_see(proxy: LoadedModel) -> None:
    record, _ = read_row({"messages": TURNS}, Layout())
    [item] = tokenize([record], proxy, 64)
    assert item.example is not None
    [row] = dataset([item.example], [0])
    assert all(
        label in (IGNORED, token) for label, token in zip(row["labels"], row["input_ids"], strict=True)
    )
    kept = [label for label in row["labels"] if label != IGNORED]
    assert str(proxy.tokenizer.decode(kept)) == "lima </s> it is rome </s>"
    assert len(kept) == item.example.answer_tokens
