"""Phase `evaluate`: a model on held-out examples."""

from evoselect.spec.training import EvaluationSpec
from store import records, targets
from workers.evaluation import evaluate
from workers.job_task import Outcome, Work
from workers.loaded import load_for


def run(work: Work) -> Outcome:
    """Load model and examples, score them, keep the numbers of every record."""
    request = work.claim.request
    with work.context.database.transaction() as session:
        held_out = targets.get(session, work.claim.tenant_id, request["target_id"])
    spec = EvaluationSpec.model_validate(request["spec"])
    table = work.context.artifacts.get_table(held_out.artifact, held_out.sha256)
    result = evaluate(
        records.from_table(table),
        load_for(work, request["model"], spec.dtype),
        spec,
        progress=work.progress,
    )
    stored = work.context.artifacts.put_table(f"{work.claim.tenant_id}/evaluations", result.table())
    return Outcome(
        {}, {**result.summary(), "artifacts": {"rows": {"path": stored.path, "sha256": stored.sha256}}}
    )
