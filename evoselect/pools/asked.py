"""Questions as one file holds them (ours)."""

from collections.abc import Mapping

import torch
from torch import Tensor

from evoselect.pools.left import Questions, Reach


def to_tensors(questions: Questions) -> dict[str, Tensor]:
    """The questions by name; targets (M, d) that several of them ask about are there once."""
    once: list[Tensor] = []

    def place(asked: Tensor) -> int:
        for number, known in enumerate(once):
            if known.shape == asked.shape and torch.equal(known, asked):
                return number
        once.append(asked.contiguous())
        return len(once) - 1

    lists = [(place(targets), count) for targets, count in questions.lists]
    directions = [place(direction) for direction in questions.directions]
    named = {
        "lists": torch.tensor(lists, dtype=torch.int64).reshape(-1, 2),
        "directions": torch.tensor(directions, dtype=torch.int64),
        "high": torch.tensor(questions.high, dtype=torch.float64).reshape(-1, 2),
    }
    if questions.below is not None:
        targets, price, window = questions.below
        named |= {
            "below": torch.tensor(place(targets)),
            "price": torch.from_numpy(price),
            "window": torch.tensor(window, dtype=torch.float64),
        }
    if questions.near is not None:
        named["near"] = torch.tensor(place(questions.near))
    if questions.reach is not None:
        shares = torch.tensor([questions.reach.long, questions.reach.short], dtype=torch.float64)
        named |= {"reach": torch.from_numpy(questions.reach.most), "shares": shares}
    return named | {f"asked.{number}": tensor.clone() for number, tensor in enumerate(once)}


def from_tensors(named: Mapping[str, Tensor]) -> Questions:
    """The inverse of `to_tensors`: named (M, d) and others; raises KeyError where a name is missing."""

    def asked(number: Tensor | int) -> Tensor:
        return named[f"asked.{int(number)}"]

    below = None
    if "below" in named:
        below = asked(named["below"]), named["price"].numpy(), float(named["window"])
    return Questions(
        tuple((asked(place), int(count)) for place, count in named["lists"]),
        below,
        tuple(asked(place) for place in named["directions"]),
        tuple((int(number), float(least)) for number, least in named["high"]),
        asked(named["near"]) if "near" in named else None,
        Reach(named["reach"].numpy(), *named["shares"].tolist()) if "reach" in named else None,
    )
