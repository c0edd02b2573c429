"""Which of the proxy's own signals tell a wrong answer from a right one?

    python -m benchmarks.quality.signals [--pool mixed|wrong] [--json]

Each signal gives every row of the pool a number, larger where the answer looks wrong. What counts is the area
under the curve within each set of questions: sets differ in their answers, and a signal that only knows the
set knows nothing of the answer. 0.5 is a coin.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import rankdata
from torch import Tensor
from torch.nn.functional import normalize

from benchmarks.machine import describe
from benchmarks.quality.__main__ import CACHE
from benchmarks.quality.training import SPEC, answer, train
from benchmarks.quality.world import World
from workers.evaluations.records import RecordScore

Floats = npt.NDArray[np.float64]
NEIGHBOURS = 10
FOLDS = 2
ONCE = SPEC.model_copy(update={"max_steps": None, "epochs": 1.0})
LEAST_WRONG = 5  # rows of a set, below which its area says nothing
DRAWS = 1000  # of sets, for the interval


def main() -> None:
    """Print the area of every signal: by set, their mean, and its 95 % interval over sets."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pool", choices=("mixed", "wrong"), default="mixed")
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder of features")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    world = World(arguments.cache, arguments.pool)
    wrong, sets = _marks(world)
    report = {name: summary(signal(world), wrong, sets) for name, signal in SIGNALS.items()}
    found = {"pool": arguments.pool, "rows": len(wrong), "wrong": int(wrong.sum()), "signals": report}
    if arguments.json:
        print(json.dumps(found | {"machine": describe()}))
        return
    for name, one in report.items():
        print(f"{name:24} {one['mean']:.3f} [{one['low']:.3f}, {one['high']:.3f}] over {one['sets']} sets")


def area(signal: Floats, wrong: npt.NDArray[np.bool_]) -> float:
    """Chance that a wrong row has the larger number than a right one; ties count half (Mann and Whitney)."""
    ranks = rankdata(signal)
    count = int(wrong.sum())
    return float((ranks[wrong].sum() - count * (count + 1) / 2) / (count * (len(wrong) - count)))


def summary(signal: Floats, wrong: npt.NDArray[np.bool_], sets: npt.NDArray[np.str_]) -> dict[str, float]:
    """Mean area within the sets that have enough wrong rows, and its interval by drawing sets."""
    areas = [
        area(signal[of_set], wrong[of_set])
        for name in np.unique(sets)
        if LEAST_WRONG <= wrong[of_set := sets == name].sum() < of_set.sum()
    ]
    drawn = np.random.default_rng(0).choice(areas, (DRAWS, len(areas))).mean(axis=1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return {"mean": float(np.mean(areas)), "low": float(low), "high": float(high), "sets": len(areas)}


def _marks(world: World) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.str_]]:
    """Of each row whether its answer is wrong, and the set that its question is from."""
    marks = [record.metadata or {} for record in world.data.pool]
    return np.array([m.get("kind") == "wrong_answer" for m in marks]), np.array([m["source"] for m in marks])


def answer_loss(world: World) -> Floats:
    """Nats a token of the answer."""
    return np.array([nlls[own] for nlls, own in _losses(world)])


def loss_against_choices(world: World) -> Floats:
    """The answer's loss less that of the best other choice; rows without choices get their answer's loss."""
    return _against_choices(_losses(world))


def _against_choices(losses: Sequence[tuple[list[float], int]]) -> Floats:
    return np.array(
        [
            nlls[own] - min((other for i, other in enumerate(nlls) if i != own), default=0.0)
            for nlls, own in losses
        ]
    )


def loss_out_of_fold(world: World) -> Floats:
    """The loss against choices of a proxy trained on the pool's other half, once through (Northcutt 2021)."""
    folds = np.random.default_rng(0).permutation(len(world.data.pool)) % FOLDS
    found = np.empty(len(folds))
    for fold in range(FOLDS):
        rows = [record for record, of in zip(world.data.pool, folds, strict=True) if of != fold]
        trained, _ = train(world.loaded, rows, seed=fold, spec=ONCE)
        asked = [record for record, of in zip(world.data.pool, folds, strict=True) if of == fold]
        found[folds == fold] = _against_choices([_of_choices(row) for row in answer(trained, asked)])
    return found


def incoherence(world: World) -> Floats:
    """One less the mean cosine to the nearest rows of the pool by hidden states."""
    return np.asarray(1.0 - _nearest(world, "hidden")[0].mean(dim=1).double().numpy())


def gradient_incoherence(world: World) -> Floats:
    """The same by gradients."""
    return np.asarray(1.0 - _nearest(world, "gradient")[0].mean(dim=1).double().numpy())


def neighbours_answers(world: World) -> Floats:
    """Share of the nearest rows by hidden states that answer something else."""
    answers = np.array([record.completion for record in world.data.pool])
    near = _nearest(world, "hidden")[1].numpy()
    return np.asarray((answers[near] != answers[:, None]).mean(axis=1))


@cache
def _losses(world: World) -> list[tuple[list[float], int]]:
    """Of every row the mean loss of each choice, and which of them is its answer."""
    return [_of_choices(row) for row in answer(world.loaded, world.data.pool)]


def _of_choices(row: RecordScore) -> tuple[list[float], int]:
    """Where there are no choices the answer is the only one."""
    if row.choice_nlls is not None and row.answer is not None:
        return row.choice_nlls, row.answer
    assert row.answer_nll is not None
    return [row.answer_nll], 0


def _nearest(world: World, kind: str) -> tuple[Tensor, Tensor]:
    """(n, NEIGHBOURS) cosines and rows of the nearest others, on centred states."""
    states = world.features(kind)[: len(world.data.pool)].flatten(1).float()
    unit = normalize(states - states.mean(dim=0))
    cosine = unit @ unit.T
    cosine.fill_diagonal_(-2.0)
    found = cosine.topk(NEIGHBOURS, dim=1)
    return found.values, found.indices


SIGNALS: dict[str, Callable[[World], Floats]] = {
    "answer-loss": answer_loss,
    "loss-against-choices": loss_against_choices,
    "loss-out-of-fold": loss_out_of_fold,
    "hidden-incoherence": incoherence,
    "gradient-incoherence": gradient_incoherence,
    "neighbours-answers": neighbours_answers,
}

if __name__ == "__main__":
    main()
