"""What the model sees of a record."""

import pytest

from store.records import parse_record
from tests.workers.proxy import record
from workers.models import LoadedModel
from workers.tokenization import TemplateMismatch, tokenize


def decoded(proxy: LoadedModel, value: object) -> tuple[str, str]:
    """Prompt and answer as text."""
    [item] = tokenize([parse_record(value)], proxy.tokenizer, 64)
    assert item.example is not None
    ids, start = list(item.example.ids), item.example.start
    return str(proxy.tokenizer.decode(ids[:start])), str(proxy.tokenizer.decode(ids[start:]))


def test_plain_prompt_is_used_as_it_stands_and_the_answer_ends_with_the_end_of_text(
    proxy: LoadedModel,
) -> None:
    assert decoded(proxy, {"prompt": "capital of peru", "completion": "lima"}) == (
        "capital of peru",
        "lima </s>",
    )


def test_messages_go_through_the_template_and_end_once(proxy: LoadedModel) -> None:
    turns = [{"role": "user", "content": "capital of peru"}, {"role": "assistant", "content": "lima"}]
    prompt, answer = decoded(proxy, {"messages": turns})
    assert prompt == "<user> capital of peru </s> <assistant>"
    assert answer == "lima </s>"


def test_padding_side_of_the_tokenizer_does_not_matter(proxy: LoadedModel) -> None:
    records = [record("capital of peru", "lima"), record("peru", "it is called lima")]
    proxy.tokenizer.padding_side = "left"
    left = tokenize(records, proxy.tokenizer, 64)
    proxy.tokenizer.padding_side = "right"
    assert tokenize(records, proxy.tokenizer, 64) == left


@pytest.mark.parametrize(
    ("prompt", "completion", "status"),
    [
        ("please " * 64, "lima", "too_long"),
        ("please " * 60, "it is called lima", "truncated_answer"),
        ("capital of peru", "\u200b\u200d", "no_answer_tokens"),
        ("please " * 60, "it is lima", "ok"),
    ],
)
def test_every_kind_of_row_is_named(proxy: LoadedModel, prompt: str, completion: str, status: str) -> None:
    [item] = tokenize([record(prompt, completion)], proxy.tokenizer, 64)
    assert item.status == status
    assert (item.example is None) == (status != "ok")


def test_a_template_that_rewrites_the_prompt_is_refused(proxy: LoadedModel) -> None:
    proxy.tokenizer.chat_template = "{{ messages | length }} {{ messages[-1]['content'] }}"
    turns = [{"role": "user", "content": "peru"}, {"role": "assistant", "content": "lima"}]
    with pytest.raises(TemplateMismatch, match="send it as prompt and completion"):
        tokenize([parse_record({"messages": turns})], proxy.tokenizer, 64)
