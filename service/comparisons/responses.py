"""What responses about comparisons hold."""

from typing import Literal

from evoselect.spec.comparison import ComparisonSpec
from service.http.responses import OpenResponseModel, ResponseModel
from service.jobs.responses import Job, JobFault, Reported
from store.tables.states import JobStatus


class ComparisonRequested(OpenResponseModel):
    """What a comparison was asked: all settings that were used."""

    target_id: str
    """What its arms select for."""
    evaluation_target_id: str
    """What its models are measured on."""
    pool_id: str
    """The pool that its arms select from."""
    pool_version: int
    """The version of the pool."""
    base_model: str
    """The model that is trained."""
    spec: ComparisonSpec
    """Its settings."""


class MethodVerdict(OpenResponseModel):
    """What the trainings say so far."""

    kind: str
    """use, random_is_as_good, not_enough, or same_rows."""
    arm: str | None
    """The arm to use; null where there is none."""
    sentence: str
    """The same in words."""
    interim: bool = False
    """Whether trainings go on: `use` then says that the arm is better so far, corrected for looking often."""


class Gain(ResponseModel):
    """By how much an arm is better."""

    gain: float
    """More is better: a share for accuracy, nats for losses."""
    interval: tuple[float, float] | None
    """95 % interval; null while the noise is not known."""
    p_value: float | None
    """Of no difference, 0 to 1; null while the noise is not known."""


class ComparedArm(OpenResponseModel):
    """What one arm came to so far."""

    name: str
    """Its name."""
    method: str | None = None
    """How it selects."""
    trainings: int | None = None
    """Trainings that were measured."""
    mean: float | None = None
    """Mean of the measure; null before the first."""
    against_random: Gain | None = None
    """Its gain over the random arm."""
    against_leader: Gain | None = None
    """Its gain over the best arm."""
    same_as: str | None = None
    """The arm that selected the same rows, whose numbers it has."""
    stopped: bool | None = None
    """Whether it gets no further training, because it is worse beyond doubt."""
    error: JobFault | None = None
    """Why it fell; null unless it did."""
    selection_ids: list[str] | None = None
    """Its selections."""
    training_ids: list[str] | None = None
    """Its trainings."""
    model_ids: list[str] | None = None
    """The adapters that they made."""
    evaluation_ids: list[str] | None = None
    """Its evaluations."""


class ComparisonResult(OpenResponseModel):
    """The table of a comparison, also while it runs."""

    measure: str | None = None
    """What arms are judged by."""
    unit: Literal["points", "nats"] | None = None
    """What gains are told in."""
    questions: int | None = None
    """Examples that have the measure."""
    evaluations: int | None = None
    """Evaluations that were counted."""
    verdict: MethodVerdict
    """Which method to use, or why that is not known."""
    arms: list[ComparedArm]
    """A row for each arm, the best first."""


class MethodComparison(Job):
    """A job that tells which method to use."""

    object: Literal["comparison"]
    """Always `comparison`."""
    request: ComparisonRequested
    """What it was asked."""
    result: ComparisonResult | None
    """The table so far; null before two arms are measured."""


class PlannedArm(ResponseModel):
    """An arm, and how often it is trained where nothing ends the comparison earlier."""

    name: str
    """Its name."""
    method: str
    """How it selects."""
    trainings: int
    """How often it is trained."""


class ComparisonSeconds(ResponseModel):
    """Of one worker."""

    features: float
    """Seconds for the features."""
    select: float
    """Seconds for the selections."""
    train: float
    """Seconds for the trainings."""
    evaluate: float
    """Seconds for the evaluations."""


class ComparisonEstimate(ResponseModel):
    """What a comparison would cost and could see; nothing was stored."""

    object: Literal["comparison.estimate"]
    """Always `comparison.estimate`."""
    request: ComparisonRequested
    """What would be asked."""
    arms: list[PlannedArm]
    """What would be compared."""
    trainings: int
    """Trainings of all arms."""
    seconds: ComparisonSeconds
    """Seconds of one worker."""
    workers: int
    """That compute side by side: those of embedded mode, else what the operator says, else 1."""
    minutes: float
    """Until it ends, where nothing else waits for these workers."""
    basis: Literal["measured", "formula"]
    """By the pace of earlier jobs, or by a formula where there are none."""
    measure: str
    """What arms are judged by."""
    unit: Literal["points", "nats"]
    """What gains are told in."""
    questions: int
    """Examples that have the measure."""
    detectable_gain: float
    """The gain over random that is seen with probability 0.8: a share, or nats."""


class ComparisonStep(ResponseModel):
    """One job of a comparison."""

    run: int
    """Which training of the arm it belongs to."""
    arm: str
    """The arm."""
    step: str
    """select, train or evaluate."""
    status: JobStatus
    """Where the job stands."""
    kind: str
    """The kind of job."""
    job_id: str
    """The job."""


class ReportedComparison(Reported):
    """The comparison that the report is about."""

    request: ComparisonRequested
    """What it was asked."""
    status: JobStatus
    """Where it stands."""


class ComparisonReport(ResponseModel):
    """The table of a comparison so far; docs/comparisons.md says how to read it."""

    object: Literal["comparison.report"]
    """Always `comparison.report`."""
    comparison: ReportedComparison
    """The comparison."""
    result: ComparisonResult | None
    """Its table; null before two arms are measured."""
    steps: list[ComparisonStep]
    """Its jobs in the order in which they began."""
