"""What a request for a comparison means: every name looked up, the measure chosen, the budget spent."""

from dataclasses import dataclass

import pyarrow as pa
from sqlalchemy.orm import Session

from evoselect.spec.comparison import WHOLE, ComparisonSpec, Measure
from service.comparisons.planning import afforded
from service.comparisons.requests import ComparisonRequest
from service.jobs.names import held_out_target, known_model
from service.services import State
from store.accounts import quotas
from store.comparisons import costs as comparison_costs
from store.comparisons.costs import Costs
from store.data import pools, targets
from store.errors import Invalid
from store.jobs import submissions
from store.jobs.requests import ComparisonWork

FEWEST = 2  # questions that have a spread


@dataclass(frozen=True, slots=True)
class Prepared:
    """A comparison that could start, and what is known of it."""

    asked: ComparisonWork
    costs: Costs
    questions: int
    """Examples that have the measure."""


def prepared(session: Session, state: State, tenant_id: str, body: ComparisonRequest) -> Prepared:
    """Raises NotFound, Invalid or OverQuota for what cannot be started."""
    spec = body.full_spec()
    name = body.base_model or state.settings.default_model
    base = known_model(session, state, tenant_id, name, pointer="/base_model")
    if spec.proxy is not None:
        known_model(session, state, tenant_id, spec.proxy, pointer="/proxy")
    targets.get(session, tenant_id, body.target_id)
    held_out = body.evaluation_target_id or held_out_target(session, tenant_id, body.target_id)
    examples = _columns(session, state, tenant_id, held_out)
    known = _columns(session, state, tenant_id, body.target_id)
    _require_apart(known, examples, target_id=body.target_id, held_out=held_out)
    measure, questions = _measured(examples, held_out, spec)
    pool = pools.get(session, tenant_id, body.pool_id)
    version = pool.version if body.pool_version is None else body.pool_version
    whole = ComparisonWork(
        target_id=body.target_id,
        evaluation_target_id=held_out,
        pool_id=pool.id,
        pool_version=version,
        base_model=base,
        measure=measure,
        spec=spec,
    )
    known = state.models.get(spec.proxy or base)
    costs = comparison_costs.of_comparison(
        session,
        state.artifacts,
        tenant_id,
        whole,
        parameters=known.parameters if known else 0,
        block_rows=state.settings.block_rows,
        workers=state.settings.compute_processes or 1,
    )
    room = _require_sizes(state, spec, costs)
    spec = afforded(spec, costs, measure, questions, whole=room)
    return Prepared(whole.model_copy(update={"spec": spec}), costs, questions)


def _columns(session: Session, state: State, tenant_id: str, target_id: str) -> pa.Table:
    """What is looked at of a target's examples."""
    target = targets.get(session, tenant_id, target_id)
    return state.artifacts.get_table(target.artifact, target.sha256, ("content_hash", "choices"))


def _require_apart(known: pa.Table, examples: pa.Table, *, target_id: str, held_out: str) -> None:
    """Raise Invalid where arms would be measured on examples that some of them are selected for."""
    goals, measured = (set(table.column("content_hash").to_pylist()) for table in (known, examples))
    if both := goals & measured:
        raise Invalid(
            f"{len(both)} of the {len(measured)} examples of target {held_out}, which the arms are measured "
            f"on, are examples of target {target_id}, which they are selected for: the verdict would favour "
            "methods that look at the target. Leave them out of one of the two, or make the target with "
            "held_out",
            code="measured_on_target",
            pointer="/evaluation_target_id",
        )


def _require_sizes(state: State, spec: ComparisonSpec, costs: Costs) -> bool:
    """Whether a training on the whole pool is allowed too; raises Invalid for arms that are not."""
    most = state.settings.max_training_steps
    quotas.require_k(spec.k or 0, state.settings.max_k)
    submissions.require_steps(spec.training, costs.rows, most, "/training")
    try:
        submissions.require_steps(spec.training, costs.pool_rows, most, "/arms")
    except Invalid:
        if any(arm.method == WHOLE for arm in spec.compared):
            raise
        return False
    return True


def _measured(examples: pa.Table, target_id: str, spec: ComparisonSpec) -> tuple[Measure, int]:
    """What the arms are judged by, and how many examples of the target have it."""
    count = examples.num_rows
    chosen = count - examples.column("choices").null_count
    by_measure = {"accuracy": chosen, "choice_cross_entropy": chosen, "answer_nll": count}
    by_measure["exact_match"] = count - chosen
    measure: Measure = spec.measure or ("accuracy" if chosen >= FEWEST else "answer_nll")
    if by_measure[measure] < FEWEST:
        raise Invalid(
            f"{by_measure[measure]} of the {count} examples of target {target_id} have {measure}: a "
            f"verdict needs {FEWEST} at least, better 100 and more",
            code="too_few_measured",
            pointer="/measure" if spec.measure else "/evaluation_target_id",
        )
    return measure, by_measure[measure]
