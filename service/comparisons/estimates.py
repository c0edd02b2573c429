"""validate_only: what a comparison would cost and could see."""

from dataclasses import asdict

from service.comparisons import planning
from service.comparisons.preparation import Prepared
from store.comparisons.table import unit_of
from store.kit.json import Json


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
        "trainings": planning.trainings(spec),
        "seconds": {name: round(value, 1) for name, value in asdict(spent).items()},
        "minutes": round(spent.minutes, 1),
        "basis": "measured" if found.costs.measured else "formula",
        "measure": asked.measure,
        "unit": unit_of(asked.measure),
        "questions": found.questions,
        "detectable_gain": planning.gain(spec, asked.measure, found.questions),
    }
