"""How a model reads a record: its form, which turns of a chat are learnt, what becomes of a long one."""

from dataclasses import dataclass
from typing import Literal

Rendering = Literal["plain", "chat", "auto"]
Turns = Literal["all", "last"]
OnLong = Literal["drop", "truncate_prompt_left", "truncate_answer", "split_turns"]


@dataclass(frozen=True, slots=True)
class Reading:
    """What features and a training both say of it."""

    rendering: Rendering = "plain"
    turns: Turns = "all"
    on_long: OnLong = "drop"
