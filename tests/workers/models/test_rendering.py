"""Tools in chats: what the template writes of them is what transformers writes, or the row is refused."""

import copy
from typing import Any

import pytest
from transformers import PreTrainedTokenizerBase

from store.records.layout import Layout, read_row
from store.records.record import Record, from_table, to_table
from workers.models.conventions import TemplateMismatch
from workers.models.loading import LoadedModel
from workers.models.rendering import prompt_of, text_of
from workers.models.tokenization import tokenize

TEMPLATE = (  # ChatML with tools in a system turn, as Qwen2.5 writes them
    "{% if tools %}<|im_start|>system\n{% for t in tools %}{{ t | tojson }}\n{% endfor %}<|im_end|>\n"
    "{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}"
    "{% for c in m.get('tool_calls', []) %}<tool_call>{{ c['function']['name'] }} "
    "{{ c['function']['arguments'] | tojson }}</tool_call>{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
DEAF = TEMPLATE.replace("c['function']['name']", "''")
TOOLS: list[Any] = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}]
CALL = {"type": "function", "id": "c1", "function": {"name": "add", "arguments": '{"a": 2}'}}
TURNS: list[dict[str, Any]] = [
    {"role": "user", "content": "What is 2 + 2?"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "content": "4", "tool_call_id": "c1"},
    {"role": "assistant", "content": "It is 4."},
]


@pytest.fixture
def tokenizer(proxy: LoadedModel) -> PreTrainedTokenizerBase:
    made = copy.deepcopy(proxy.tokenizer)
    made.chat_template = TEMPLATE
    return made


def record_of(**row: Any) -> Record:
    record, _ = read_row({"messages": TURNS, **row}, Layout())
    return from_table(to_table([record]))[0]


def test_tools_and_calls_are_written_as_transformers_writes_them(tokenizer: PreTrainedTokenizerBase) -> None:
    record = record_of(tools=TOOLS)
    text = text_of(record, record.completion, tokenizer, "plain")
    turns = [dict(turn) for turn in TURNS]
    turns[1] |= {
        "content": "",
        "tool_calls": [{**CALL, "function": {"name": "add", "arguments": {"a": 2}}}],
    }
    whole = tokenizer.apply_chat_template(turns, tools=TOOLS, tokenize=False)
    asked = tokenizer.apply_chat_template(turns[:-1], tools=TOOLS, tokenize=False, add_generation_prompt=True)
    assert text.prompt == asked == prompt_of(record, tokenizer)
    assert text.prompt + text.answer + text.end == str(whole).rstrip()
    assert text.answer == "It is 4."
    assert '<tool_call>add {"a": 2}</tool_call>' in text.prompt


@pytest.mark.parametrize(
    ("template", "row", "said"),
    [
        (DEAF, {}, "does not write calls of tools, such as 'add'"),
        (
            TEMPLATE.replace("t | tojson", "''"),
            {"messages": TURNS[::3], "tools": TOOLS},
            "tools that are offered",
        ),
    ],
)
def test_a_template_that_leaves_them_out_refuses_the_row(
    tokenizer: PreTrainedTokenizerBase, template: str, row: dict[str, Any], said: str
) -> None:
    tokenizer.chat_template = template
    record = record_of(**row)
    with pytest.raises(TemplateMismatch, match=said):
        text_of(record, record.completion, tokenizer, "plain")


def test_the_real_model_refuses_the_row_and_no_other(proxy: LoadedModel) -> None:
    """Its template knows nothing of calls."""
    plain, _ = read_row({"messages": TURNS[::3]}, Layout())
    found = tokenize([record_of(), plain], proxy, 512)
    assert [row.status for row in found] == ["template_mismatch", "ok"]
    assert "does not write calls of tools" in found[0].why
