"""How a model reads a record: its form, and which turns of a chat are learnt."""

from dataclasses import dataclass
from typing import Literal

Rendering = Literal["plain", "chat", "auto"]
Turns = Literal["all", "last"]


@dataclass(frozen=True, slots=True)
class Reading:
    """What features and a training both say of it."""

    rendering: Rendering = "plain"
    turns: Turns = "all"
