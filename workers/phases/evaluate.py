"""Phase `evaluate`: a model on held-out examples, or on lm-eval's tasks."""

from typing import Any

from evoselect.spec.training import EvaluationSpec
from store.data import targets
from store.records import record as records
from workers.evaluations.named_tasks import TaskResult, evaluate_tasks, find_tasks
from workers.evaluations.records import EvaluationResult, evaluate, numbers
from workers.models.held import load_for
from workers.process import results
from workers.process.work import Outcome, Work


def run(work: Work) -> Outcome:
    """Load model and examples, score them, keep the numbers of every record."""
    result = _on_tasks(work) if "tasks" in work.claim.request else _on_records(work)
    kind = results.TasksResult if isinstance(result, TaskResult) else results.EvaluationResult
    summary = results.checked(kind, result.summary())
    stored = work.context.artifacts.put_table(f"{work.claim.tenant_id}/evaluations", result.table())
    rows: dict[str, Any] = stored.reference()
    return Outcome({}, {**summary, "artifacts": {"rows": rows}})


def _on_records(work: Work) -> EvaluationResult:
    request = work.claim.request
    with work.context.database.transaction() as session:
        held_out = targets.get(session, work.claim.tenant_id, request["target_id"])
    spec = EvaluationSpec.model_validate(request["spec"])
    table = work.context.artifacts.get_table(held_out.artifact, held_out.sha256)
    loaded = load_for(work, request["model"], spec.dtype)
    found = evaluate(records.from_table(table), loaded, spec, progress=work.progress)
    for name in ("answer_nll", "choice_cross_entropy"):
        results.check_nlls(name, numbers(found.rows, name))
    return found


def _on_tasks(work: Work) -> TaskResult:
    request = work.claim.request
    spec = EvaluationSpec.model_validate(request["spec"])
    tasks = find_tasks(request["tasks"], work.context.settings.tasks)  # before a model is loaded for nothing
    return evaluate_tasks(
        tasks,
        load_for(work, request["model"], spec.dtype),
        limit=request["limit"],
        check=lambda: work.progress(0),  # how many requests the tasks have is known to lm-eval alone
    )
