"""Rounds of a loop as answers."""

from collections.abc import Mapping

from service.http.views import time_text
from store.kit.json import Json
from store.loops.results import Arm
from store.tables.loops import Round


def loop_round(row: Round, arms: Mapping[str, Arm], *, over: bool) -> Json:
    """A round with what each of its arms has come to so far; `over` says that its loop has ended."""
    return {
        "object": "loop.round",
        "loop_id": row.loop_id,
        "number": row.number,
        "state": "ended" if over and row.result is None else row.state,
        "pool_id": row.pool_id,
        "pool_version": row.pool_version,
        "generated": row.generated,
        "health": row.health,
        "guard": (row.result or {}).get("guard"),
        "loss": (row.result or {}).get("loss"),
        "gain": (row.result or {}).get("gain"),
        "arms": {name: arm.model_dump(mode="json") for name, arm in arms.items()},
        "created_at": time_text(row.created_at),
        "completed_at": time_text(row.completed_at),
    }
