"""What evaluations measure of models, in every response that shows it."""

from service.http.responses import OpenResponseModel, ResponseModel


class TaskMetric(ResponseModel):
    """One metric of one of lm-eval's tasks."""

    value: float
    """As lm-eval gives it."""
    interval: tuple[float, float] | None
    """95 % by bootstrap over the questions; null for a group of tasks."""


class TaskNumbers(ResponseModel):
    """One of lm-eval's tasks."""

    n: int
    """Questions."""
    metrics: dict[str, TaskMetric]
    """By name."""


class EvaluationNumbers(OpenResponseModel):
    """What a model was measured to be on some examples."""

    n: int
    """Examples (questions) that were scored."""
    n_choices: int | None = None
    """Examples with choices among them."""
    left_out: dict[str, int] | None = None
    """Examples that could not be scored, by reason."""
    accuracy: float | None = None
    """Share of examples whose right choice has the largest likelihood per token, 0 to 1; null without."""
    choice_cross_entropy: float | None = None
    """Mean cross-entropy over the choices, in nats; guessing among c choices has ln c."""
    answer_nll: float | None = None
    """Mean negative log-likelihood per token of the answer, in nats."""
    exact_match: float | None = None
    """Share of answers that greedy generation gives word for word, 0 to 1; null unless `spec.generate`."""
    intervals: dict[str, tuple[float, float] | None] | None = None
    """95 % interval of each measure by bootstrap over the examples."""


class EvaluationResult(EvaluationNumbers):
    """What an evaluation came to: of examples the measures, of named tasks `tasks`."""

    halves: list[EvaluationNumbers] | None = None
    """On either half of the examples: loops choose a best round on the first, report on the second."""
    tasks: dict[str, TaskNumbers] | None = None
    """Numbers of lm-eval's tasks by name."""


class PairedDifference(ResponseModel):
    """One measure of two models over the same examples."""

    n: int
    """Examples that both have the measure of."""
    first: float
    """Mean of the first evaluation."""
    second: float
    """Mean of the second one."""
    difference: float
    """second - first."""
    interval: tuple[float, float]
    """95 % interval of the difference."""
    p_value: float
    """Of no difference, 0 to 1."""
