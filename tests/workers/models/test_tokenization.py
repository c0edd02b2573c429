"""What the model sees of a record."""

import re
from pathlib import Path
from typing import Any

import orjson
import pytest

from evoselect.gradients.layers import Coverage, choose_layers, coverage
from evoselect.spec.features import FeatureSpec
from evoselect.spec.reading import Reading, Rendering
from evoselect.spec.training import EvaluationSpec, TrainingSpec
from store.errors import Invalid
from store.records.record import Record, parse_record
from tests.workers import odd_models
from tests.workers.proxy import record, register
from workers.evaluations.records import evaluate
from workers.features.compute import compute_features
from workers.features.fingerprint import sketch_fingerprint
from workers.models.conventions import NoChatTemplate, UnusableTokenizer
from workers.models.loading import LoadedModel, load
from workers.models.tokenization import answers_of, tokenize
from workers.phases.features import require_readable
from workers.trainings.lora import UntrainableRecord, train_lora

DATA = Path(__file__).parents[1] / "data"
PREFIX_CHAT = [
    parse_record(
        {
            "id": "chat",
            "messages": [
                {"role": "user", "content": "What is the capital of Italy?"},
                {"role": "assistant", "content": "Rome is the capital."},
            ],
        }
    ),
    record("Question: who sells seashells?\nAnswer:\n", "she", id="newline"),
    record("Answer:", " Paris", id="space"),
]
SYSTEM = {
    "id": "sys",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
    ],
}


def decoded(proxy: LoadedModel, value: object, rendering: Rendering = "plain") -> tuple[str, str]:
    """Prompt and answer as text."""
    [item] = tokenize([parse_record(value)], proxy, 64, Reading(rendering))
    assert item.example is not None
    ids, start = list(item.example.ids), item.example.start
    return str(proxy.tokenizer.decode(ids[:start])), str(proxy.tokenizer.decode(ids[start:]))


def nlls(records: list[Record], loaded: LoadedModel) -> list[float | None]:
    """Of each record's answer, by an evaluation."""
    result = evaluate(records, loaded, EvaluationSpec(), progress=lambda done: None)
    return [row.answer_nll for row in result.rows]


def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, template: str | None, **options: Any) -> LoadedModel:
    """One of the odd models, loaded through the registry."""
    register(odd_models.write(tmp_path / "odd", template, **options), monkeypatch)
    return load("tiny", dtype="float32")


def stored(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> LoadedModel:
    """A model of the tests' data."""
    listing = tmp_path / "models.json"
    listing.write_bytes(orjson.dumps({name: {"kind": "folder", "location": str(DATA / name)}}))
    monkeypatch.setenv("EVOSELECT_MODELS", str(listing))
    return load(name, dtype="float32")


def test_plain_prompt_is_used_as_it_stands_and_the_answer_ends_with_the_end_of_text(
    proxy: LoadedModel,
) -> None:
    assert decoded(proxy, {"prompt": "capital of peru", "completion": " lima"}) == (
        "capital of peru",
        "lima </s>",
    )


def test_messages_go_through_the_template_and_end_once(proxy: LoadedModel) -> None:
    turns = [{"role": "user", "content": "capital of peru"}, {"role": "assistant", "content": "lima"}]
    prompt, answer = decoded(proxy, {"messages": turns})
    assert prompt == "<user> capital of peru </s> <assistant>"
    assert answer == "lima </s>"


def test_a_prompt_is_rendered_as_a_chat_where_that_is_asked_for(proxy: LoadedModel) -> None:
    value = {"prompt": "capital of peru\n", "completion": " lima"}
    turns = [{"role": "user", "content": "capital of peru"}, {"role": "assistant", "content": "lima"}]
    assert decoded(proxy, value, "chat") == decoded(proxy, {"messages": turns})
    assert decoded(proxy, value, "auto") == decoded(proxy, value, "chat")
    proxy.tokenizer.chat_template = None
    assert decoded(proxy, value, "auto") == decoded(proxy, value, "plain") == ("capital of peru", "lima </s>")
    with pytest.raises(NoChatTemplate, match=r"rendering is 'chat', but model 'tiny' has no chat template"):
        decoded(proxy, value, "chat")


def test_the_rendering_is_part_of_the_fingerprint_as_what_it_means(proxy: LoadedModel) -> None:
    plain, chat, auto = (
        sketch_fingerprint(proxy, FeatureSpec(rendering=rendering)) for rendering in ("plain", "chat", "auto")
    )
    assert chat == auto != plain
    proxy.tokenizer.chat_template = None
    assert sketch_fingerprint(proxy, FeatureSpec(rendering="auto")) == plain


def test_padding_side_of_the_tokenizer_does_not_matter(proxy: LoadedModel) -> None:
    records = [record("capital of peru", " lima"), record("peru", " it is called lima")]
    proxy.tokenizer.padding_side = "left"
    left = tokenize(records, proxy, 64)
    proxy.tokenizer.padding_side = "right"
    assert tokenize(records, proxy, 64) == left


@pytest.mark.parametrize(
    ("prompt", "completion", "status"),
    [
        ("please " * 64, "lima", "too_long"),
        ("please " * 60, "it is called lima", "truncated_answer"),
        ("capital of peru", "\u200b\u200d", "no_answer_tokens"),
        ("a", "b", "no_answer_tokens"),  # "ab" is one token, and nothing stands before it
        ("please " * 60, "it is lima", "ok"),
    ],
)
def test_every_kind_of_row_is_named(proxy: LoadedModel, prompt: str, completion: str, status: str) -> None:
    [item] = tokenize([record(prompt, completion)], proxy, 64)
    assert item.status == status
    assert (item.example is None) == (status != "ok")


def test_a_template_that_rewrites_prompt_or_answer_refuses_the_row(proxy: LoadedModel) -> None:
    turns = [{"role": "user", "content": "peru"}, {"role": "assistant", "content": "it is </think> lima"}]
    for template in (
        "{{ messages | length }} {{ messages[-1]['content'] }}",
        "{% for m in messages %}{{ m['role'] }} {{ m['content'].split('</think>')[-1] }} {% endfor %}"
        "{% if add_generation_prompt %}assistant {% endif %}",
    ):
        proxy.tokenizer.chat_template = template
        [item, good] = tokenize([parse_record({"messages": turns}), record("peru", " lima")], proxy, 64)
        assert (item.status, good.status) == ("template_mismatch", "ok")
        assert "send it as prompt and completion instead" in item.why


def test_an_end_token_behind_every_text_is_not_part_of_the_prompt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = stored("bos_eos_added", monkeypatch, tmp_path)
    records = [parse_record(orjson.loads(line)) for line in (DATA / "prompt_completion.jsonl").open()]
    assert nlls(records, loaded) == pytest.approx([5.763639, 5.712429], abs=1e-5)
    for item, one in zip(tokenize(records, loaded, 128), records, strict=True):
        assert item.example is not None
        assert list(item.example.ids) == loaded.tokenizer(f"{one.prompt}{one.completion}")["input_ids"]
        assert item.example.start == len(loaded.tokenizer(one.prompt)["input_ids"]) - 1


def test_all_linear_layers_of_opt_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = stored("opt", monkeypatch, tmp_path)
    chosen = choose_layers(loaded.model, "all", FeatureSpec().modules)
    names = ["fc1", "fc2", "k_proj", "out_proj", "q_proj", "v_proj"]
    assert (len(chosen), coverage(loaded.model, chosen)) == (12, Coverage(names, [], 1.0))
    part = coverage(loaded.model, choose_layers(loaded.model, "all", "*_proj|c_*"))
    assert (part.unseen, part.share) == (["fc1", "fc2"], 0.5)


def test_a_space_before_every_text_is_not_put_before_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = odd(tmp_path, monkeypatch, odd_models.CHAT)
    assert nlls(PREFIX_CHAT, loaded) == pytest.approx([7.61191, 6.90061, 7.08996], abs=1e-5)
    read = [loaded.tokenizer.convert_ids_to_tokens(answers_of(one, [one.completion], loaded).tails[0])
            for one in PREFIX_CHAT]  # fmt: skip
    assert read == [["Ro", "me", "▁is", "▁the", "▁capital", "."], ["s", "he"], ["▁Paris"]]
    examples = [item.example for item in tokenize(PREFIX_CHAT, loaded, 128)]
    for one, example in zip(PREFIX_CHAT, examples, strict=True):
        answers = answers_of(one, [one.completion], loaded)
        assert example is not None
        assert list(example.ids) == [*answers.prompt, *answers.tails[0], 2]
        assert example.start == answers.starts[0]


def test_answers_that_take_the_prompts_last_token_along_are_scored_beside_others(proxy: LoadedModel) -> None:
    """One choice continues the prompt's last word: the others keep it, and all numbers are those alone."""
    one = parse_record({"prompt": "capital of peru", "choices": [" lima", " rome"], "answer": 0})
    together = answers_of(one, [" lima", "lima", " rome"], proxy)
    assert together.starts[1] <= together.starts[0] == together.starts[2]
    for at, text in enumerate((" lima", "lima", " rome")):
        alone = answers_of(one, [text], proxy)
        assert together.prompt + together.tails[at] == alone.prompt + alone.tails[0]
        assert together.lengths[at] == alone.lengths[0]


def test_a_row_that_the_template_refuses_is_left_out_with_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = odd(tmp_path, monkeypatch, odd_models.STRICT)
    rows = [PREFIX_CHAT[0], parse_record(SYSTEM), PREFIX_CHAT[2]]
    items = tokenize(rows, loaded, 128)
    assert [item.status for item in items] == ["ok", "template_mismatch", "ok"]
    fault = "record sys does not fit the chat template: the chat template refuses it"
    assert items[1].why == f"{fault} (System role not supported)"
    block = compute_features(rows, loaded, FeatureSpec(), progress=lambda done: None)
    assert block.status == ["ok", "template_mismatch", "ok"]
    with pytest.raises(
        Invalid, match=rf"{re.escape(fault)} \(System role not supported\); leave it out, or set"
    ):
        require_readable(rows, loaded, FeatureSpec(on_bad_row="reject"))
    with pytest.raises(UntrainableRecord, match=re.escape(fault)):
        train_lora(
            rows[1:2],
            None,
            loaded,
            spec=TrainingSpec(),
            out_dir=tmp_path,
            seed=0,
            progress=lambda state: None,
        )
    result = evaluate(rows, loaded, EvaluationSpec(), progress=lambda done: None).summary()
    assert result["n"] == 2
    assert result["left_out"] == {"template_mismatch": 1}


def test_a_template_that_reads_the_clock_has_one_text_at_all_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = odd(tmp_path, monkeypatch, odd_models.CLOCK, prefix=False)
    [item] = tokenize(PREFIX_CHAT[:1], loaded, 128)
    assert item.example is not None
    assert "Today: 26 Jul 2024 00:00" in str(loaded.tokenizer.decode(list(item.example.ids)))


def test_models_whose_conventions_cannot_be_followed_are_refused_when_they_are_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UnusableTokenizer, match="model 'tiny' has no end token"):
        odd(tmp_path, monkeypatch, None, eos=None)
    for draw in ("['a', 'b'] | random", "[['a', 'b']] | map('random') | join", "lipsum()"):
        with pytest.raises(UnusableTokenizer, match="draws at random"):
            odd(tmp_path, monkeypatch, "{{ " + draw + " }}")


def test_chats_for_a_model_without_a_template_are_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = odd(tmp_path, monkeypatch, None)
    assert [item.status for item in tokenize(PREFIX_CHAT[1:], loaded, 128)] == ["ok", "ok"]
    with pytest.raises(
        NoChatTemplate, match=r"record chat has messages, but model 'tiny' has no chat template"
    ):
        tokenize(PREFIX_CHAT, loaded, 128)
    with pytest.raises(NoChatTemplate):
        evaluate(PREFIX_CHAT, loaded, EvaluationSpec(), progress=lambda done: None)
