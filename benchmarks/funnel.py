"""Which cheap look finds the candidates that gradient features would have named, and what it costs.

    python -m benchmarks.funnel --json [--quick] [--kept FOLDER] [--out result.json]

Real questions of seventeen sets, 44 of each, with copies and wrong answers as in the demo; 16 further
questions each of three sets are the targets. Every look ranks the pool, and the share of it that lies first,
targets in turn, goes on. Of that: the share of a full run's items (selected), and of the nearest rows by
gradients, a quarter as many as go on (relevant). `words` is what the service does; the others are mean
hidden states after so many layers of the proxy. `funnelled` are selections as the service makes them,
conditioned by what goes on, the sample beside it: how many items are those of the full run, and the transport
cost of both in the features of the full run. Seconds are of the processor. What was computed is kept in a
folder, so a run that was ended goes on; --blocks takes the shortest rows alone, 64 a block.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import ot
import torch
from scipy import sparse

from benchmarks.demo import data as demo
from benchmarks.machine import describe
from evoselect import funnel
from evoselect.arrays import Floats, Ints
from evoselect.gradients.layers import decoder
from evoselect.gradients.passes import padded
from evoselect.representations.shards import condition
from evoselect.select import select
from evoselect.spec.features import FeatureSpec
from evoselect.spec.funnel import SPARE, Funnel
from evoselect.spec.selection import SelectionSpec
from store.models.allow_list import DEFAULT_ALIAS
from store.records.record import Record, parse_record, plain_text
from workers.features.compute import compute_features
from workers.models.loading import LoadedModel, load
from workers.models.tokenization import tokenize

TARGETS = ("intents", "CommonsenseQA", "sports")
CHOOSING, ORIGINALS, QUICK = 16, 44, 4  # questions of a set
BLOCK = 64  # rows
LAYERS = (2, 4, 8, 15, 30)  # of 30: after which the hidden states are taken
SHARES = (0.05, 0.1, 0.2, 0.3)
SIZES = (8, 16, 32)  # items of a selection
DRAWN = 0.1  # of the pool is the sample: a twentieth of so small a one would hold two or three best rows
TIMED = 4  # in one of so many blocks hidden states are timed too

Json = dict[str, Any]
Matrix = np.ndarray[Any, Any]
Look = Callable[[int], Ints]
"""The rows of the pool that go on, so many."""


def main() -> int:
    """Measure and print; exit status 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows")
    parser.add_argument("--kept", type=Path, help="folder of features; by default one that goes with the run")
    parser.add_argument("--blocks", type=int, help="of 64 rows, the shortest ones; all where not given")
    parser.add_argument("--out", type=Path, help="keep the result in this file too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        originals = QUICK if arguments.quick else ORIGINALS
        result = measure(arguments.kept or Path(scratch), originals, arguments.blocks)
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=None if arguments.json else 1))
    return 0


def measure(folder: Path, originals: int, blocks: int | None) -> Json:
    """Every number of the benchmark."""
    targets, pool = shortest(*questions(originals), blocks)
    found = computed([*targets, *pool], folder)
    m, n = len(targets), len(pool)
    candidates, goals = conditioned(found["values"], m, FeatureSpec())
    cosines = (candidates @ goals.T).double().numpy()
    begun = time.process_time()
    looks = {"words": words(pool, targets)}
    spent = time.process_time() - begun
    looks |= other_words(pool, targets)
    for layer in LAYERS:
        for kind in ("centred", "whitened"):
            looks[f"layer {layer}, {kind}"] = states(found[f"h{layer}"], m, kind)
    items = [selected(found["values"], m, k) for k in SIZES]
    return {
        "rows": {"pool": n, "targets": m},
        "sizes": SIZES,
        "milliseconds_a_row": {**seconds(found["seconds"]), "words": round(1000 * spent / n, 3)},
        "recall": {name: of_look(look, cosines, items) for name, look in looks.items()},
        "funnelled": [funnelled(found["values"], m, looks["words"], share, items) for share in SHARES],
        "model": DEFAULT_ALIAS,
        "machine": describe(),
    }


def questions(originals: int) -> tuple[list[Record], list[Record]]:
    """Targets and pool."""
    draw, target, pool = random.Random(0), [], []
    names = [*demo.FILES, *sorted(path.stem for path in demo.SETS.glob("*.jsonl"))]
    for name in names:
        every = list(demo.read_set(name))
        own = draw.sample(every, len(every))
        if name in TARGETS:
            target += own[:CHOOSING]
            own = own[CHOOSING:]
        pool += own[:originals]
    asked = [demo.record(f"t-{at}", item, demo.TARGET_TEMPLATE) for at, item in enumerate(target)]
    made = demo._pool(pool, draw)
    return [parse_record(row) for row in asked], [parse_record(row) for row in made]


def shortest(
    targets: list[Record], pool: list[Record], blocks: int | None
) -> tuple[list[Record], list[Record]]:
    """Those of both sides that lie in the first blocks."""
    every = [*targets, *pool]
    kept = [every[row] for row in sorted(by_length(every)[: blocks and blocks * BLOCK])]
    goals = sum(record.id.startswith("t-") for record in kept)
    return kept[:goals], kept[goals:]


def by_length(records: list[Record]) -> list[int]:
    """Rows, the shortest text first."""
    lengths = [len((record.prompt or "") + record.completion) for record in records]
    return sorted(range(len(records)), key=lengths.__getitem__)


def computed(records: list[Record], folder: Path) -> dict[str, Matrix]:
    """By name, rows in the order of the records: gradients, hidden states by layer, and seconds by block."""
    folder.mkdir(parents=True, exist_ok=True)
    order = by_length(records)
    loaded: LoadedModel | None = None
    blocks = []
    for number, start in enumerate(range(0, len(order), BLOCK)):
        path, rows = folder / f"b{number}.npz", order[start : start + BLOCK]
        if not path.exists():
            loaded = loaded or load(DEFAULT_ALIAS)
            found = _block([records[row] for row in rows], loaded, timed=number % TIMED == TIMED - 1)
            np.savez(path, allow_pickle=False, rows=rows, **found)
        with np.load(path) as stored:
            blocks.append(dict(stored))
    back = np.argsort(np.concatenate([block["rows"] for block in blocks]))
    names = ["values", *(f"h{layer}" for layer in LAYERS)]
    whole = {
        name: np.concatenate([block[name] for block in blocks])[back].astype(np.float32) for name in names
    }
    sizes = np.array([[len(block["rows"])] for block in blocks])
    return whole | {"seconds": np.concatenate([np.stack([block["sec"] for block in blocks]), sizes], axis=1)}


def _block(records: list[Record], loaded: LoadedModel, *, timed: bool) -> dict[str, Matrix]:
    start = time.process_time()
    block = compute_features(records, loaded, FeatureSpec(kind="combined"), progress=lambda rows: None)
    middle = time.process_time()
    if timed:
        compute_features(records, loaded, FeatureSpec(kind="hidden"), progress=lambda rows: None)
    spent = [middle - start, time.process_time() - middle if timed else -1.0]
    return {"values": block.values.astype(np.float16), "sec": np.array(spent), **_layers(records, loaded)}


def _layers(records: list[Record], loaded: LoadedModel) -> dict[str, Matrix]:
    """Mean hidden state of each record after some layers."""
    items = tokenize(records, loaded, loaded.max_length)
    ids, mask = padded([item.example.ids[:-1] for item in items if item.example], loaded.model, left=False)
    with torch.no_grad():
        out = decoder(loaded.model)(input_ids=ids, attention_mask=mask, output_hidden_states=True)
    means = {}
    for layer in LAYERS:
        sums = (out.hidden_states[layer].float() * mask[..., None]).sum(1)
        means[f"h{layer}"] = (sums / mask.sum(1, keepdim=True)).numpy()
    return means


def conditioned(values: Matrix, targets: int, spec: FeatureSpec) -> tuple[torch.Tensor, torch.Tensor]:
    """Unit rows of pool and target; the targets are the first rows."""
    return condition(values[targets:], values[:targets], spec)


def states(values: Matrix, targets: int, kind: Any) -> Look:
    """By mean hidden states."""
    spec = FeatureSpec(kind="hidden", conditioning=kind)
    pool, goals = conditioned(values[:, None, :], targets, spec)
    cosines = (pool @ goals.T).double().numpy()
    return lambda count: funnel.in_turn(cosines, count)


def words(pool: list[Record], targets: list[Record]) -> Look:
    """As the service looks."""
    texts, goals = counted(pool), counted(targets)
    near = funnel.Near(goals, funnel.mean_of([texts]), listed=len(pool))
    near.add(texts)
    return lambda count: near.nearest(np.zeros(len(pool), dtype=np.int64), np.array([count]))


def counted(records: list[Record]) -> sparse.csr_array:
    """(n, buckets) of their texts."""
    return funnel.counted([plain_text(record) for record in records])


def other_words(pool: list[Record], targets: list[Record]) -> dict[str, Look]:
    """By words that weigh more where few texts have them, and by the nearest of all targets."""
    rows, goals = counted(pool).toarray(), counted(targets).toarray()
    rarity = np.log((1 + len(rows)) / (1 + (rows > 0).sum(axis=0)))
    rare = normalize(rows * rarity) @ normalize(goals * rarity).T
    mean = rows.mean(axis=0)
    plain = normalize(rows - mean) @ normalize(goals - mean).T
    return {
        "words, rare ones weigh more": lambda count: funnel.in_turn(rare, count),
        "words, by the nearest of all targets": lambda count: np.argsort(-plain.max(axis=1))[:count],
    }


def normalize(rows: Floats) -> Floats:
    """Rows of norm 1."""
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def of_look(look: Look, cosines: Floats, items: list[Ints]) -> Json:
    """By share: of the items of a full run, and of the nearest rows, what share goes on."""
    found: Json = {}
    for share in SHARES:
        on = look(Funnel(share=share).nearest(len(cosines)))
        best = funnel.in_turn(cosines, max(1, len(on) // SPARE))
        found[str(share)] = {
            "selected": [round(float(np.isin(own, on).mean()), 3) for own in items],
            "relevant": round(float(np.isin(best, on).mean()), 3),
        }
    return found


def selected(values: Matrix, targets: int, k: int) -> Ints:
    """Items of the recommended method, from all rows."""
    pool, goals = conditioned(values, targets, FeatureSpec())
    return select(pool, goals, k, SelectionSpec(), seed=0).indices


def funnelled(values: Matrix, targets: int, look: Look, share: float, full: list[Ints]) -> Json:
    """Selections of what goes on, against those of all rows."""
    rows = len(values) - targets
    near = look(Funnel(share=share).nearest(rows))
    drawn = np.random.default_rng(0).choice(rows, min(rows, round(rows * DRAWN)), replace=False)
    on = np.union1d(near, drawn)
    some = np.concatenate([np.arange(targets), targets + on])
    space = conditioned(values, targets, FeatureSpec())
    told = funnel.recall((space[0][drawn] @ space[1].T).double().numpy(), np.isin(drawn, near), share)
    found = []
    for k, own in zip(SIZES, full, strict=True):
        if SPARE * k <= len(near):
            items = on[selected(values[some], targets, k)]
            costs = [round(_cost(space, chosen), 4) for chosen in (own, items)]
            found.append({"k": k, "same": round(float(np.isin(items, own).mean()), 3), "cost": costs})
    return {
        "share": share,
        "going_on": round(len(on) / rows, 3),
        "recall_by_sample": round(told.share, 3),
        "interval": [round(bound, 3) for bound in told.interval],
        "selections": found,
    }


def _cost(space: tuple[torch.Tensor, torch.Tensor], chosen: Ints) -> float:
    """Exact transport cost, 1 - cosine, from the chosen rows to the targets, both evenly weighed."""
    costs = 1 - (space[0][chosen] @ space[1].T).double().numpy()
    return float(ot.emd2(ot.unif(costs.shape[0]), ot.unif(costs.shape[1]), costs))


def seconds(found: Matrix) -> Json:
    """Milliseconds a row of gradients, and what hidden states take of that where both were timed."""
    timed = found[found[:, 1] >= 0]
    return {
        "gradient": round(1000 * found[:, 0].sum() / found[:, 2].sum(), 1),
        "hidden_over_gradient": round(float(timed[:, 1].sum() / timed[:, 0].sum()), 3)
        if len(timed)
        else None,
    }


if __name__ == "__main__":
    sys.exit(main())
