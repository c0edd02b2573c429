"""Forms: templates whose truth is known are told apart, and natural text has none."""

import random
import string
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.demo.data import FILES, TEMPLATES, read_set
from evoselect.representations.forms import AS_IT_STANDS, Form, find_forms

OTHERS = {
    "<|user|>\n{}\n<|assistant|>\n": Form("<|user|>\n", "\n<|assistant|>\n"),
    "[INST] {} [/INST]": Form("[INST] ", " [/INST]"),
    "Q: {} A:": Form("Q: ", " A:"),
    "{}\n": Form("", "\n"),
    "{} Think step by step.": Form("", " Think step by step."),
    "Below is a task. Do it well.\n\n### Instruction:\n{}\n\n### Response:": Form(
        "Below is a task. Do it well.\n\n### Instruction:\n", "\n\n### Response:"
    ),
    "请回答以下问题：{}\n答案：": Form("请回答以下问题：", "\n答案："),
}
DEMO = dict(
    zip(
        TEMPLATES,
        (Form("Question: ", "\nAnswer:"), AS_IT_STANDS, Form("Answer the following question.\n\n")),
        strict=True,
    )
)


@pytest.fixture(scope="module")
def questions() -> list[str]:
    return [item.text for name in FILES for item in read_set(name)]


def written(
    questions: list[str], templates: list[str], rows: int, seed: int = 0
) -> tuple[list[str], list[str]]:
    """Texts, and the template of each."""
    rng = random.Random(seed)
    used = [templates[row % len(templates)] for row in range(rows)]
    return [form.format(text) for form, text in zip(used, rng.sample(questions, rows), strict=True)], used


@pytest.mark.parametrize("truth", [DEMO, OTHERS, DEMO | OTHERS], ids=["demo", "others", "all"])
@pytest.mark.parametrize("rows", [300, 3000])
def test_templates_are_recovered(questions: list[str], truth: dict[str, Form], rows: int) -> None:
    texts, used = written(questions, list(truth), rows)
    assert find_forms(texts) == [[truth[form] for form in used]]


@pytest.mark.parametrize("name", FILES)
def test_questions_as_they_stand_have_one(name: str) -> None:
    texts = [item.text for item in read_set(name)]
    assert set(find_forms(texts)[0]) == {AS_IT_STANDS}


def test_all_questions_together_have_one(questions: list[str]) -> None:
    assert set(find_forms(questions)[0]) == {AS_IT_STANDS}


def test_slips_go_to_the_nearest(questions: list[str]) -> None:
    texts, used = written(questions, list(DEMO | OTHERS), 400)
    texts[0] = texts[0].replace("Question", "Qestion")  # its tail is still the template's
    texts[1] = texts[1].upper()  # too few in capitals to be a form
    texts[2] = "Answer the folowing question.\n\nWho wrote this?"  # nothing is left of the template
    found = find_forms(texts)[0]
    assert found[0] == DEMO[TEMPLATES[0]]
    assert found[1:3] == [AS_IT_STANDS, AS_IT_STANDS]
    assert found[3:] == [(DEMO | OTHERS)[form] for form in used[3:]]


def test_capitals_are_a_form_of_their_own(questions: list[str]) -> None:
    texts, _ = written(questions, [TEMPLATES[0]], 200)
    loud = [TEMPLATES[0].format(text.upper()) for text in questions[:50]]
    form = DEMO[TEMPLATES[0]]
    assert Counter(find_forms(texts + loud)[0]) == {form: 200, form._replace(capitals=True): 50}


def test_a_few_targets_in_a_form_of_their_own_are_seen_beside_a_large_pool(questions: list[str]) -> None:
    pool, _ = written(questions, [TEMPLATES[0]], 2000)
    target, _ = written(questions, ["User: {}\nAssistant:"], 8, seed=1)
    found = find_forms(pool, target)
    assert set(found[0]) == {DEMO[TEMPLATES[0]]}
    assert set(found[1]) == {Form("User: ", "\nAssistant:")}


def test_one_text_many_times_is_no_template() -> None:
    same = ["Note: the sky is blue.\nWhy?"] * 50
    assert set(find_forms([*same, *(f"{word} is a word" for word in string.ascii_lowercase)])[0]) == {
        AS_IT_STANDS
    }


def test_nothing_has_no_form() -> None:
    assert find_forms([], ["Question: why?"]) == [[], [AS_IT_STANDS]]


HOSTILE = st.text(alphabet=st.sampled_from('ab \n\t.:?#[<("é\u3000'), max_size=40)


@settings(max_examples=60, deadline=None)
@given(st.lists(HOSTILE, max_size=60), st.lists(HOSTILE, max_size=8))
def test_whatever_is_found_stands_in_enough_texts_or_is_the_nearest(
    pool: list[str], target: list[str]
) -> None:
    found = find_forms(pool, target)
    assert [len(side) for side in found] == [len(pool), len(target)]
    assert found == find_forms(pool, target)
    for text, form in zip(pool + target, found[0] + found[1], strict=True):
        slip = not (text.startswith(form.head) and text.endswith(form.tail))
        assert not slip or text.startswith(form.head) or text.endswith(form.tail)
        assert len(form.head) + len(form.tail) < len(text) or form == AS_IT_STANDS or slip


@pytest.mark.parametrize("body", [" ", "#", "a:", "?\n", " .", "\n \n"])
def test_long_runs_of_marks_take_linear_time(body: str) -> None:
    texts = [f"{body * 20_000}{row}{body * 20_000}" for row in range(20)]
    assert len(find_forms(texts)[0]) == 20
