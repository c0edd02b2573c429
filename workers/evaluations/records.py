"""Evaluation: multiple-choice accuracy, cross-entropy over the choices, loss of the answer, exact match.

All answers of a question share one run of its prompt, and one row behind it where the model can do that.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import torch

from evoselect.gradients.examples import halving, plan_batches
from evoselect.gradients.packed import packed_losses, packs
from evoselect.gradients.passes import Tail, tail_losses
from evoselect.gradients.trials import uncached_losses
from evoselect.measures.intervals import bootstrap
from evoselect.spec.training import MEASURES, EvaluationSpec
from store.records.record import Record
from workers.evaluations import exact_match as generation
from workers.models.conventions import TemplateMismatch
from workers.models.loading import LoadedModel
from workers.models.rendering import require_template
from workers.models.status import Status
from workers.models.tokenization import Answers, answers_of

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("status", pa.string(), nullable=False),
        pa.field("answer_nll", pa.float64()),
        pa.field("answer", pa.int32()),
        pa.field("predicted", pa.int32()),
        pa.field("choice_cross_entropy", pa.float64()),
        pa.field("choice_nlls", pa.list_(pa.float64())),
        pa.field("exact_match", pa.bool_()),
    ]
)

Losses = Callable[[Any, Sequence[Sequence[int]], Sequence[Tail]], torch.Tensor]
"""Model, prompts and tails to the mean NLL of each tail: packed_losses, or one of its slower twins."""


@dataclass(frozen=True, slots=True)
class RecordScore:
    """One record's numbers, in nats per token; None where they do not apply."""

    id: str
    status: Status
    answer_nll: float | None = None
    answer: int | None = None
    predicted: int | None = None
    choice_cross_entropy: float | None = None
    choice_nlls: list[float] | None = None
    exact_match: bool | None = None


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """Scores of every record, in order, and their means."""

    rows: list[RecordScore]

    def summary(self) -> dict[str, Any]:
        """Means over the records that have the number, with how many those are.

        accuracy: the right choice has the least NLL per token. choice_cross_entropy: of the softmax over the
        choices' log-likelihoods per token (uniform guessing among c choices has ln c). answer_nll: mean over
        records of the NLL per token of the answer's text, the end of the text not counted. exact_match: share
        of the answers that greedy generation gives word for word. intervals: of each, 95 % by bootstrap.
        """
        scored = [row for row in self.rows if row.status == "ok"]
        columns = {name: numbers(scored, name) for name in MEASURES}
        return {
            "n": len(scored),
            "n_choices": len(columns["accuracy"]),
            "left_out": {s: n for s in {row.status for row in self.rows} - {"ok"} if (n := self._count(s))},
            **{name: _mean(values) for name, values in columns.items()},
            "intervals": {name: bootstrap(values) for name, values in columns.items()},
        }

    def table(self) -> pa.Table:
        """One row per record."""
        columns = {name: [getattr(row, name) for row in self.rows] for name in SCHEMA.names}
        return pa.table(columns, schema=SCHEMA)

    def _count(self, status: Status) -> int:
        return sum(row.status == status for row in self.rows)


def halves_of(result: EvaluationResult, records: Sequence[Record]) -> list[dict[str, Any]] | None:
    """The summary of either half of the records, by their contents alone; None for fewer than 2 contents.

    Equal contents are on one side, so that nothing that one half has chosen is measured on the other.
    """
    side = {content: at % 2 for at, content in enumerate(sorted({one.content_hash for one in records}))}
    if len(side) < 2:
        return None
    parts: tuple[list[RecordScore], list[RecordScore]] = ([], [])
    for row, one in zip(result.rows, records, strict=True):
        parts[side[one.content_hash]].append(row)
    return [EvaluationResult(rows).summary() for rows in parts]


@dataclass(frozen=True, slots=True)
class _Question:
    """A prompt and the texts to score: the choices, and the completion if it is none of them."""

    answers: Answers
    completion: int
    """Which of the answers is the record's completion."""

    @property
    def longest(self) -> int:
        """Tokens of the widest row."""
        return len(self.answers.prompt) + max(map(len, self.answers.tails))

    @property
    def tokens(self) -> int:
        """Of the widest row, times the rows: what the question takes of the budget."""
        return len(self.answers.tails) * self.longest


def evaluate(
    records: Sequence[Record],
    loaded: LoadedModel,
    spec: EvaluationSpec,
    *,
    progress: Callable[[int], None],
) -> EvaluationResult:
    """Scores of the records in their order; ``progress(rows_done)`` after every micro-batch may raise."""
    window = min(spec.max_length or loaded.max_length, loaded.max_length)
    require_template(loaded.alias, list(records), loaded.tokenizer, "plain")
    questions = [_question(record, loaded) for record in records]
    status = [_status(question, window) for question in questions]
    rows = [RecordScore(record.id, state) for record, state in zip(records, status, strict=True)]
    usable = [at for at, state in enumerate(status) if state == "ok"]
    done = len(records) - len(usable)
    asked = [question for question in questions if question is not None]
    asked = [question for question in asked if _status(question, window) == "ok"]
    names = [
        f"record {records[row].id}, {one.longest} tokens" for row, one in zip(usable, asked, strict=True)
    ]
    losses = _way_of(loaded, asked)
    for batch in plan_batches([(question.tokens, 0) for question in asked], spec.batch_tokens):
        for part, nlls in halving(
            batch, lambda part: _nlls(loaded, [asked[i] for i in part], losses), names.__getitem__
        ):
            for i, values in zip(part, nlls, strict=True):
                rows[usable[i]] = _score(records[usable[i]], asked[i], values)
            done += len(part)
            progress(done)
    if spec.generate:
        free = [at for at in usable if records[at].choices is None]
        made = generation.answers(
            loaded, [records[at] for at in free], spec.batch_tokens, lambda _: progress(len(rows))
        )
        for at, is_right in zip(free, made, strict=True):
            rows[at] = replace(rows[at], exact_match=is_right)
    return EvaluationResult(rows)


def _way_of(loaded: LoadedModel, asked: Sequence[_Question]) -> Losses:
    """The shortest way to the losses that the model can go."""
    if not loaded.caches:
        return uncached_losses
    packing = all(question.answers.prompt for question in asked) and packs(loaded.model)
    return packed_losses if packing else tail_losses


def _question(record: Record, loaded: LoadedModel) -> _Question | None:
    """None where the chat template refuses the record."""
    texts = list(record.choices or ())
    completion = next((i for i, text in enumerate(texts) if text == record.completion), len(texts))
    if completion == len(texts):
        texts.append(record.completion)
    try:
        return _Question(answers_of(record, texts, loaded), completion)
    except TemplateMismatch:
        return None


def _status(question: _Question | None, window: int) -> Status:
    if question is None:
        return "template_mismatch"
    answers = question.answers
    if not all(answers.lengths) or not all(answers.starts):
        return "no_answer_tokens"
    if max(answers.starts) >= window:
        return "too_long"
    return "truncated_answer" if question.longest > window else "ok"


def _nlls(loaded: LoadedModel, questions: Sequence[_Question], losses: Losses) -> list[list[float]]:
    """Mean NLL per token of every answer of every question."""
    tails = [
        Tail([*question.answers.prompt[-1:], *tail], length, row)
        for row, question in enumerate(questions)
        for tail, length in zip(question.answers.tails, question.answers.lengths, strict=True)
    ]
    with torch.no_grad():
        nlls = losses(loaded.model, [question.answers.prompt[:-1] for question in questions], tails)
    found = iter(nlls.tolist())
    return [[next(found) for _ in question.answers.tails] for question in questions]


def _score(record: Record, question: _Question, nlls: list[float]) -> RecordScore:
    if not torch.isfinite(torch.tensor(nlls)).all():
        return RecordScore(record.id, "non_finite")
    if record.choices is None or record.answer is None:
        return RecordScore(record.id, "ok", nlls[question.completion])
    scores = -torch.tensor(nlls[: len(record.choices)], dtype=torch.float64)
    return RecordScore(
        id=record.id,
        status="ok",
        answer_nll=nlls[question.completion],
        answer=record.answer,
        predicted=int(scores.argmax()),
        choice_cross_entropy=float(-scores.log_softmax(0)[record.answer]),
        choice_nlls=nlls[: len(record.choices)],
    )


def numbers(rows: Sequence[RecordScore], name: str) -> list[float]:
    """One measure of the rows that have it."""
    if name == "accuracy":
        return [float(row.predicted == row.answer) for row in rows if row.predicted is not None]
    return [float(value) for row in rows if (value := getattr(row, name)) is not None]


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
