"""What answers about loops look like."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from store.kit.json import Json


class Arm(BaseModel):
    """What one arm of a round has come to; null where it has not come so far."""

    selection_id: str | None
    training_id: str | None
    evaluation_id: str | None
    model_id: str | None
    evaluation: Json


class Round(BaseModel):
    """One turn of a loop; `gain` is by how much its loss lies below the random arm's, in nats."""

    object: Literal["loop.round"]
    loop_id: str
    number: int
    state: Literal["generating", "waiting", "running", "completed", "ended"]
    pool_id: str | None
    pool_version: int | None
    generated: Json
    loss: str | None
    gain: float | None
    arms: dict[str, Arm]
    created_at: datetime
    completed_at: datetime | None
