"""What a model was made of, in words."""

import pytest

from store.kit.json import Json
from store.models.lineage import Training, summary
from store.tables.data import Model
from store.tables.loops import LoopStep


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (None, {"loop": None}),
        (("loop_1", 2, "train"), {"loop": {"id": "loop_1", "round": 2, "step": "train"}}),
        (
            ("cmp_1", 2, "capacity.train"),
            {"loop": None, "comparison": {"id": "cmp_1", "run": 2, "step": "capacity.train"}},
        ),
    ],
)
def test_the_step_that_a_training_was_is_named(step: tuple[str, int, str] | None, said: Json) -> None:
    model = Model(id="mdl_1", training_id="trn_1", base_model="base", lineage={"records": 3})
    row = None
    if step is not None:
        row = LoopStep(loop_id=step[0], round=step[1], step=step[2], job_id="trn_1")
    made = {"records": 3, "model_id": "mdl_1", "training_id": "trn_1"}
    assert summary(Training(model, row)) == {**made, **said}
