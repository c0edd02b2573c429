"""Greedy generation: whether a model answers a prompt with exactly the expected words."""

import torch

from workers.models import LoadedModel

SLACK = 8  # tokens beyond the expected answer's: a longer one is another one


def answer(loaded: LoadedModel, prompt: list[int], expected: str) -> bool:
    """Whether the model's greedy continuation up to its end is the expected text, white space aside.

    Greedy decoding is deterministic. The comparison knows no synonyms: a lower bound of what is right.
    """
    length = len(loaded.tokenizer(expected, add_special_tokens=False)["input_ids"]) + SLACK
    ids = torch.tensor([prompt], device=loaded.device)
    with torch.no_grad():
        made = loaded.model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=length,
            do_sample=False,
            pad_token_id=loaded.tokenizer.eos_token_id,
        )
    text = str(loaded.tokenizer.decode(made[0, len(prompt) :], skip_special_tokens=True))
    return " ".join(text.split()) == " ".join(expected.split())
