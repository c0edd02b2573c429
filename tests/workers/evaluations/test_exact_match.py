"""Answers made together are those made one by one."""

import pytest
import torch

from store.records.record import Record
from tests.workers.proxy import NATIONS, record
from workers.evaluations.exact_match import answer, answers
from workers.models.loading import LoadedModel


def said(proxy: LoadedModel, prompt: str, most: int) -> tuple[str, bool]:
    """A greedy answer, and whether it ends."""
    ids = torch.tensor([proxy.tokenizer(prompt)["input_ids"]])
    made = proxy.model.generate(input_ids=ids, max_new_tokens=most, do_sample=False, pad_token_id=1)
    row = made[0, ids.shape[1] :]
    text = str(proxy.tokenizer.decode(row, skip_special_tokens=True))
    return text, bool((row == proxy.tokenizer.eos_token_id).any())


def asked(proxy: LoadedModel) -> list[Record]:
    """Prompts of several lengths, each with the model's own answer, with a piece of it, and with another."""
    found = []
    for number, pair in enumerate(NATIONS):
        prompt = f"what is the capital of {pair.split()[0]} " + "please " * (number % 3)
        own, _ = said(proxy, prompt, 24)
        found += [record(prompt, text) for text in (own, own.split()[0], "lima " * 9)]
    return found


@pytest.mark.parametrize("budget", [16, 120, 4096])
def test_together_they_are_as_one_by_one(proxy: LoadedModel, budget: int) -> None:
    records, seen = asked(proxy), list[int]()
    expected = [answer(proxy, one) for one in records]
    assert answers(proxy, records, budget, seen.append) == expected
    assert expected[0::3] == [said(proxy, str(one.prompt), 24)[1] for one in records[0::3]]
    assert seen == sorted(seen)
    assert seen[-1] == len(records)


def test_an_answer_is_not_judged_by_what_longer_ones_beside_it_need(proxy: LoadedModel) -> None:
    prompt = "what is the capital of peru"
    own, _ = said(proxy, prompt, 40)
    short, long = record(prompt, own.split()[0]), record(prompt, own)
    proxy.model.generation_config.eos_token_id = None
    assert answers(proxy, [short, long], 4096, lambda done: None) == [
        answer(proxy, short),
        answer(proxy, long),
    ]


def test_nothing_to_answer(proxy: LoadedModel) -> None:
    assert answers(proxy, [], 4096, lambda done: None) == []
