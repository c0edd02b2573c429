"""Answers packed into one row against answers that run one by one, and models that cannot read such a row."""

import pytest
import torch

from evoselect.gradients.packed import packed_losses, packs
from evoselect.gradients.passes import Tail, tail_losses
from tests.evoselect.tiny import VOCABULARY, tiny_model


def questions(seed: int) -> tuple[list[list[int]], list[Tail]]:
    """Prompts of 0 to 12 tokens and tails of one to five; of some tails only the end is the answer."""
    draw = torch.Generator().manual_seed(seed)

    def number(low: int, high: int) -> int:
        return int(torch.randint(low, high, (1,), generator=draw))

    def ids(count: int) -> list[int]:
        return torch.randint(0, VOCABULARY, (count,), generator=draw).tolist()

    prompts = [ids(number(0, 13)) for _ in range(5)]
    tails = []
    for row in range(len(prompts)):
        first = ids(1)
        for _ in range(number(1, 5)):
            own = ids(number(1, 6))
            tails.append(Tail([*first, *own], number(1, len(own) + 1), row))
    return prompts, tails


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "gpt2", "gemma"])
def test_packed_answers_have_the_losses_of_answers_one_by_one(architecture: str) -> None:
    model = tiny_model(architecture)
    assert packs(model)
    for seed in range(10):
        prompts, tails = questions(seed)
        with torch.no_grad():
            apart = tail_losses(model, prompts, tails)
        torch.testing.assert_close(packed_losses(model, prompts, tails), apart, rtol=1e-4, atol=1e-5)


def test_prompts_may_all_be_empty() -> None:
    model = tiny_model()
    tails = [Tail([1, 2, 3], 2, 0), Tail([1, 4], 1, 0), Tail([5, 6], 1, 1)]
    with torch.no_grad():
        apart = tail_losses(model, [[], []], tails)
    torch.testing.assert_close(packed_losses(model, [[], []], tails), apart, rtol=1e-4, atol=1e-5)


def test_a_window_and_a_coarse_type_are_not_packed() -> None:
    assert not packs(tiny_model("mistral"))
    assert not packs(tiny_model().to(torch.bfloat16))


def test_a_model_that_reads_another_mask_is_found_out() -> None:
    """Its answers would see each other."""
    model = tiny_model()
    forward = model.forward

    def deaf(*, attention_mask: torch.Tensor, **rest: object) -> object:
        if attention_mask.ndim == 4:
            attention_mask = torch.ones(attention_mask.shape[0], attention_mask.shape[-1], dtype=torch.int64)
        return forward(attention_mask=attention_mask, **rest)

    model.forward = deaf
    assert not packs(model)


def test_tails_that_begin_differently_are_refused() -> None:
    with pytest.raises(ValueError, match="begin with different tokens"):
        packed_losses(tiny_model(), [[1, 2]], [Tail([3, 4], 1, 0), Tail([5, 4], 1, 0)])
