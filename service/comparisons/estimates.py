"""validate_only: what a comparison would cost and could see."""

from service.comparisons import planning
from service.comparisons.preparation import Prepared
from store.comparisons.table import unit_of
from store.kit.json import Json

STAGES = ("features", "select", "train", "evaluate")


def estimate(found: Prepared) -> Json:
    """Of a comparison that could start."""
    asked, spec = found.asked, found.asked.spec
    spent = planning.spending(spec, found.costs)
    return {
        "object": "comparison.estimate",
        "request": asked.stored(),
        "arms": [
            {"name": arm.name, "method": arm.method, "trainings": spec.runs(arm)} for arm in spec.compared
        ],
        "trainings": spec.planned_trainings,
        "seconds": {name: round(getattr(spent, name), 1) for name in STAGES},
        "workers": found.costs.workers,
        "minutes": round(spent.minutes, 1),
        "basis": "measured" if found.costs.measured else "formula",
        "measure": asked.measure,
        "unit": unit_of(asked.measure),
        "questions": found.questions,
        "detectable_gain": planning.gain(spec, asked.measure, found.questions),
    }
