"""What the report of a loop looks like as JSON: its schema in the OpenAPI document."""

from typing import Literal

from service.http.responses import ResponseModel
from service.jobs.measured import EvaluationNumbers, PairedDifference
from service.jobs.responses import Reported
from service.loops.responses import ArmNumbers, LoopRequested, Round
from service.selections.report_responses import Map
from store.tables.states import JobStatus


class ReportedLoop(Reported):
    """The loop that the report is about."""

    request: LoopRequested
    """What it was asked."""
    status: JobStatus
    """Where it stands."""


class RoundDifference(PairedDifference):
    """From the random arm to the selected one, example by example."""

    measure: str
    """The loss that the loop is judged by."""


class RoundMap(Map):
    """The map of one round."""

    selection_id: str
    """The selection of the round."""


class ReportedRound(Round):
    """A round with its arms compared, and its map."""

    paired: RoundDifference | None
    """Both arms compared; null without a random arm, and before both are evaluated."""
    map: RoundMap | None
    """Its map; null where it has none, and for rounds between those that are drawn."""


class Frame(ResponseModel):
    """What all maps are drawn in."""

    x: tuple[float, float]
    """Least and largest first coordinate, with a margin."""
    y: tuple[float, float]
    """Least and largest second coordinate, with a margin."""


class LoopReport(ResponseModel):
    """The rounds of a loop so far; docs/report.md says how to read them."""

    object: Literal["loop.report"]
    """Always `loop.report`."""
    loop: ReportedLoop
    """The loop."""
    stop_reason: str | None
    """Why it ended; null before."""
    best_round: int | None
    """The round with the least loss; null before the end."""
    best_reported: EvaluationNumbers | None
    """Its numbers on the half of the evaluation examples that it was not chosen on; null without halves."""
    base_reported: EvaluationNumbers | None
    """The base model's on that half."""
    base: ArmNumbers
    """How the model was measured that the loop started from."""
    rounds: list[ReportedRound]
    """Its rounds in order."""
    frame: Frame | None
    """What all maps are drawn in; null without maps."""
