"""What a verifier is tried on: right answers, and wrong ones made of them."""

from store.records.record import parse_record
from tests.workers.chat_server import scripted
from tests.workers.verifiers.checked import TARGET, checked
from workers.verifiers.calibration import pairs


def test_it_is_tried_in_the_first_round_alone() -> None:
    with scripted('{"score": 1}') as (url, script):
        _, told = checked(url, number=2)
    assert (told.auc, told.calibrated, len(script.bodies)) == (None, 0, 6)


def test_wrong_answers_for_the_trial_are_other_choices_or_answers_of_others() -> None:
    choices = [{"prompt": f"{n}?", "choices": ["a", "b", "c"], "answer": n % 3} for n in range(5)]
    for right, wrong in pairs([parse_record(row) for row in choices], 3, seed=0):
        assert (right.prompt, right.choices) == (wrong.prompt, wrong.choices)
        assert right.answer != wrong.answer
    chat = {"messages": [{"role": "user", "content": "Hi?"}], "completion": "yes"}
    mixed = [*TARGET, parse_record(chat)]
    found = pairs(mixed, 100, seed=0)
    assert len(found) == len(mixed)
    assert all(right.completion != wrong.completion for right, wrong in found)
    same = [parse_record({"prompt": f"{n}?", "completion": "yes"}) for n in range(3)]
    assert pairs(same, 3, seed=0) == []
