"""Several chats answered at once by an instruct model from a folder, in bfloat16 where nothing else is said.

Equal prompts are read once, and rows that have ended leave the batch. A row draws by its own seed; how its
numbers round depends on the rows beside it, so that the seed alone does not make the same answer again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

TOP_K, TOP_P = 20, 0.8  # as the model's makers advise


@dataclass(frozen=True, slots=True)
class Answer:
    """A text, and what it took."""

    text: str
    finished: bool
    """Whether it ended by itself."""
    prompt_tokens: int
    tokens: int


class Decoder:
    """The model, read once."""

    def __init__(self, folder: Path, dtype: torch.dtype = torch.bfloat16) -> None:
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
        self._model = model.eval()
        own = model.generation_config.eos_token_id
        self._ends = {self._tokenizer.eos_token_id, *(own if isinstance(own, list) else [own])}

    def answers(self, bodies: Sequence[Mapping[str, Any]]) -> list[Answer]:
        """One for each body of a chat request (messages, temperature, max_tokens, seed)."""
        prompts = [self._prompt(body) for body in bodies]
        with torch.no_grad():
            made = self._decode(prompts, bodies)
        return [
            Answer(self._text(row), row[-1] in self._ends, len(prompt), len(row))
            for prompt, row in zip(prompts, made, strict=True)
        ]

    def _prompt(self, body: Mapping[str, Any]) -> tuple[int, ...]:
        text = self._tokenizer.apply_chat_template(
            body["messages"], add_generation_prompt=True, tokenize=False
        )
        return tuple(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _text(self, row: Sequence[int]) -> str:
        return str(self._tokenizer.decode(row, skip_special_tokens=True))

    def _decode(
        self, prompts: Sequence[tuple[int, ...]], bodies: Sequence[Mapping[str, Any]]
    ) -> list[list[int]]:
        logits, cache, mask = self._read(prompts)
        draws = [torch.Generator().manual_seed(int(body.get("seed", 0))) for body in bodies]
        made: list[list[int]] = [[] for _ in bodies]
        live = list(range(len(bodies)))
        while live:
            for place, at in enumerate(live):
                made[at].append(_drawn(logits[place], float(bodies[at]["temperature"]), draws[at]))
            stay = [place for place, at in enumerate(live) if not self._over(made[at], bodies[at])]
            if len(stay) < len(live):
                live = [live[place] for place in stay]
                cache.reorder_cache(torch.tensor(stay, dtype=torch.long))
                mask = mask[stay]
            if live:
                mask = torch.cat([mask, mask.new_ones(len(live), 1)], dim=1)
                last = torch.tensor([[made[at][-1]] for at in live])
                place_of = mask.sum(1, keepdim=True) - 1
                found = self._model(
                    last, attention_mask=mask, position_ids=place_of, past_key_values=cache, use_cache=True
                )
                logits = found.logits[:, -1].float()
        return made

    def _read(self, prompts: Sequence[tuple[int, ...]]) -> tuple[torch.Tensor, Any, torch.Tensor]:
        """Next-token logits (rows, vocabulary), cache and mask behind the prompts.

        What all begin with is read once; behind it they are padded on the left.
        """
        different = list(dict.fromkeys(prompts))
        same = _alike(different) if len(different) > 1 else 0
        same = min(same, min(map(len, different)) - 1)
        cache = None
        if same > 0:
            cache = self._model(torch.tensor([different[0][:same]]), use_cache=True).past_key_values
            cache.reorder_cache(torch.zeros(len(different), dtype=torch.long))
        tails = [one[same:] for one in different]
        width = max(map(len, tails))
        ids = torch.tensor([[0] * (width - len(one)) + list(one) for one in tails])
        mask = torch.tensor([[1] * same + [0] * (width - len(one)) + [1] * len(one) for one in tails])
        places = (mask.cumsum(1) - 1).clamp(min=0)[:, same:]
        found = self._model(
            ids, attention_mask=mask, position_ids=places, past_key_values=cache, use_cache=True,
            logits_to_keep=1,
        )  # fmt: skip
        rows = torch.tensor([different.index(prompt) for prompt in prompts])
        found.past_key_values.reorder_cache(rows)
        return found.logits[rows, -1].float(), found.past_key_values, mask[rows]

    def _over(self, row: Sequence[int], body: Mapping[str, Any]) -> bool:
        return row[-1] in self._ends or len(row) >= int(body["max_tokens"])


def _alike(rows: Sequence[Sequence[int]]) -> int:
    """How many tokens all begin with."""
    return next(
        (at for at, column in enumerate(zip(*rows, strict=False)) if len(set(column)) > 1),
        min(map(len, rows)),
    )


def _drawn(logits: torch.Tensor, temperature: float, draw: torch.Generator) -> int:
    """A token: the likeliest one at temperature 0, else by the makers' sampling."""
    if temperature == 0:
        return int(logits.argmax())
    values, tokens = (logits / temperature).topk(TOP_K)
    chances = values.softmax(0)
    chances[chances.cumsum(0) - chances > TOP_P] = 0.0  # the first that reaches the share stays
    return int(tokens[torch.multinomial(chances, 1, generator=draw)])
