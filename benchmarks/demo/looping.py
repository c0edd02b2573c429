"""The demo's loop: two rounds over the same pool, each selecting from what the first left and training on."""

from typing import Any

from benchmarks.demo import measures
from benchmarks.demo.data import TARGET_SET
from evoselect_cli.output import wait
from evoselect_client.client import Client

K = 64  # selected in a round
ROUNDS = 2
EPOCHS = 1.0

Json = dict[str, Any]


def run(client: Client, *, target_id: str, test_id: str, pool_id: str, model: str, k: int = K) -> Json:
    """{k, rounds: [numbers of each], seconds by phase}; features are the base model's, computed before."""
    loop = wait(
        client.loops.create(
            target_id=target_id,
            evaluation_target_id=test_id,
            generator={"kind": "pool", "pool_id": pool_id},
            k=k,
            rounds=ROUNDS,
            proxy=model,
            base_model=model,
            training={"epochs": EPOCHS},
            name="demo",
        )
    )
    rows, jobs = [], []
    for turn in loop.rounds():
        arm = turn.arms["selected"]
        selection = client.selections.retrieve(str(arm.selection_id))
        training = client.trainings.retrieve(str(arm.training_id))
        evaluation = client.evaluations.retrieve(str(arm.evaluation_id))
        jobs += [selection, training, evaluation]
        drawn = measures.composition(list(selection.items()), TARGET_SET)
        steps = training.output()["steps"]
        rows.append({"round": turn.number, "steps": steps, **measures.quality(evaluation), "draw": drawn})
    return {"k": k, "rounds": rows, "seconds": measures.seconds(*jobs)}
