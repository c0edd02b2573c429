"""Phase `evaluate`: a model on held-out examples, or on lm-eval's tasks."""

from collections.abc import Sequence

from store.data import targets
from store.jobs import results as kept
from store.jobs.requests import EvaluationWork
from store.records.record import Record, from_table
from workers.evaluations.named_tasks import TaskResult, evaluate_tasks, find_tasks
from workers.evaluations.records import EvaluationResult, evaluate, halves_of, numbers
from workers.models.held import load_for
from workers.process import results
from workers.process.work import Outcome, Work


def run(work: Work) -> Outcome:
    """Load model and examples, score them, keep the numbers of every record."""
    asked = work.asked(EvaluationWork)
    halves: dict[str, object] = {}
    result: EvaluationResult | TaskResult
    if asked.tasks is None:
        result, records = _on_records(work, asked)
        halves = {"halves": halves_of(result, records)} if asked.halves else {}
    else:
        result = _on_tasks(work, asked, asked.tasks)
    stored = work.context.artifacts.put_table(f"{work.claim.tenant_id}/evaluations", result.table())
    kind = kept.TasksResult if isinstance(result, TaskResult) else kept.EvaluationResult
    files = kept.EvaluationFiles(rows=stored.reference())
    return Outcome(job_result=results.checked(kind, {**result.summary(), **halves, "artifacts": files}))


def _on_records(work: Work, asked: EvaluationWork) -> tuple[EvaluationResult, list[Record]]:
    with work.context.database.transaction() as session:
        held_out = targets.get(session, work.claim.tenant_id, str(asked.target_id))
    table = work.context.artifacts.get_table(held_out.artifact, held_out.sha256)
    loaded = load_for(work, asked.model, asked.spec.dtype)
    examples = from_table(table)
    found = evaluate(examples, loaded, asked.spec, progress=work.progress)
    for name in ("answer_nll", "choice_cross_entropy"):
        results.check_nlls(name, numbers(found.rows, name))
    return found, examples


def _on_tasks(work: Work, asked: EvaluationWork, names: Sequence[str]) -> TaskResult:
    tasks = find_tasks(names, work.context.settings.task_folder)  # before a model is loaded for nothing
    return evaluate_tasks(
        tasks,
        load_for(work, asked.model, asked.spec.dtype),
        limit=asked.limit,
        check=lambda: work.progress(0),  # how many requests the tasks have is known to lm-eval alone
    )
