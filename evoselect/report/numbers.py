"""The numbers of a selection's report, from the features that it was made from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evoselect.arrays import Floats, Ints
from evoselect.budget import Budget
from evoselect.capacity.foreseen import mean_target
from evoselect.features import Matrix, gather
from evoselect.measures import coverage, metrics
from evoselect.neighbours.both_ways import Nearest, nearest_both_ways
from evoselect.neighbours.search import search
from evoselect.pools.pool import Pool
from evoselect.pools.view import View
from evoselect.report import plane, similarity
from evoselect.report.neighbourhoods import Neighbourhoods, neighbourhoods
from evoselect.report.plane import Plane
from evoselect.selection import Selection

SHOWN_POOL = 3_000  # candidates that were not selected, on the map
SHOWN_TARGETS = 1_000
SHOWN_SELECTED = 10_000
DRAWN = (800, 400, 800)  # candidates, targets and selected that t-SNE draws: a few seconds
COVERED_TARGETS = 2_000
COVERED_ROWS = 20_000  # of an order, to which coverage is followed and twins are looked for
TWIN_ROWS = 2_000  # whose nearest twin is looked up
BINS = 40
LISTED_PAIRS = 100
LISTED_TARGETS = 2_000
NEIGHBOURS = 10

Json = dict[str, Any]


@dataclass(frozen=True)
class Map:
    """Points in the plane; rows number candidates and targets as given."""

    pool: Ints  # (p,) rows that were not selected, ascending
    targets: Ints  # (t,) rows, ascending
    order: Ints  # (s,) rows that were selected, the first of the order
    points: Floats  # (n, 2): pool, targets, selected
    neighbours: Ints  # (n, t) places on this map, nearest first, -1 for none
    distances: Floats  # (n, t) 1 - cosine in the features
    plane: Plane  # that the points lie in
    near: Neighbourhoods | None  # None where there are too few points
    facts: Json


def numbers(
    candidates: Tensor | Pool,
    targets: Tensor,
    selection: Selection,
    *,
    near: Nearest,
    seed: int,
    axes: Plane | None = None,
) -> tuple[Json, Map]:
    """All charts of the report but those that are in the diagnostics already, and the map.

    candidates (N, d) and targets (M, d) are the unit rows that were selected from. Large sides are sampled by
    ``seed``; every chart says how many rows it shows. The map lies in the plane ``axes``, else in its own.
    """
    rng = np.random.default_rng(seed)
    pool = Pool.of(candidates)
    order, rows = selection.indices, View(pool)
    sampled = shown(pool.shape[0], seed)
    picture = _map(rows, targets, order=order, pool=np.setdiff1d(sampled, order), rng=rng, axes=axes)
    score = pool.scores(mean_target(targets))
    rivals = {
        "selected": order,
        "random": metrics.drawn(pool.shape[0], selection.budget, seed),
        "top_relevance": metrics.bought(selection.budget, score),
    }
    report = {
        "map": picture.facts,
        "relevance": _histograms({"pool": near.cosine, "selected": near.cosine[order]}),
        "coverage": _coverage(rows, targets, selection, rivals=rivals, rng=rng),
        "twins": _twins(rows, rivals, rng),
        "mean_redundancy": float(selection.reasons.redundancy.mean()),
        "near_duplicates": _pairs(rows, selection),
        "targets": _targets(rows, targets, selection, near=near, sample=pool.gather(sampled)),
    }
    return report, picture


def shown(n: int, seed: int) -> Ints:
    """(r,) rows of n candidates that stand for all, ascending; the map leaves out those selected."""
    return _sample(np.random.default_rng(seed), np.arange(n), SHOWN_POOL)


def foreseen(n: int, distinct: Ints, budget: Budget, seed: int) -> Ints:
    """Rows (r,), ascending, of n candidates that are read whatever is selected with a budget over them.

    distinct (u,): those that are no copies. They are what the report shows, and the random rival of it and of
    `metrics.compare`.
    """
    own = budget.among(distinct)
    rival = metrics.measured(metrics.drawn(len(distinct), own, seed), seed)
    every = metrics.drawn(n, budget, seed)[:COVERED_ROWS]
    return np.unique(np.concatenate([distinct[rival], every, shown(n, seed)]))


def _map(
    candidates: Matrix,
    targets: Tensor,
    *,
    order: Ints,
    pool: Ints,
    rng: np.random.Generator,
    axes: Plane | None,
) -> Map:
    goal = _sample(rng, np.arange(targets.shape[0]), SHOWN_TARGETS)
    chosen = order[:SHOWN_SELECTED]
    target_rows = gather(targets.to(candidates.device), torch.from_numpy(goal))
    around = gather(candidates, torch.from_numpy(np.concatenate([pool, _sample(rng, chosen, SHOWN_POOL)])))
    fitted_to = torch.cat([around.float(), target_rows.float()])
    drawn_in = axes or plane.fit(fitted_to)
    rows = torch.cat(
        [
            gather(candidates, torch.from_numpy(pool)).float(),
            target_rows.float(),
            gather(candidates, torch.from_numpy(chosen)).float(),
        ]
    )
    points = drawn_in.of(rows)
    asked = _sample(rng, np.arange(len(points)), plane.MOST)
    sizes = (len(pool), len(goal), len(chosen))
    near = neighbourhoods(rows, points, _drawn(rng, sizes), int(rng.integers(2**31)))
    facts = {
        "method": "pca",
        "explained_variance": list(plane.shares(drawn_in, fitted_to)),
        "trustworthiness": plane.trustworthiness(rows[torch.from_numpy(asked)], points[asked]),
        "trustworthiness_neighbours": plane.NEIGHBOURS,
        "trustworthiness_rows": len(asked),
        "shown": {"pool": len(pool), "targets": len(goal), "selected": len(chosen)},
        "of": {"pool": candidates.shape[0] - len(order), "targets": targets.shape[0], "selected": len(order)},
        "tsne": near
        and {
            "perplexity": near.perplexity,
            "trustworthiness": near.trustworthiness,
            "points": len(near.rows),
        },
    }
    neighbours, distances = _neighbours(rows)
    return Map(pool, goal, chosen, points, neighbours, distances, drawn_in, near, facts)


def _drawn(rng: np.random.Generator, sizes: tuple[int, int, int]) -> Ints:
    """Places on the map that t-SNE draws, of candidates, targets and selected so many each."""
    ends = np.cumsum(sizes)
    parts = zip(ends, sizes, DRAWN, strict=True)
    return np.concatenate([_sample(rng, np.arange(end - size, end), most) for end, size, most in parts])


def _neighbours(rows: Tensor) -> tuple[Ints, Floats]:
    """Of each row (n, d) the nearest others by cosine: places and 1 - cosine."""
    cosine, place = search(rows, rows, min(NEIGHBOURS + 1, rows.shape[0]))
    own = place == torch.arange(rows.shape[0])[:, None]
    own[~own.any(dim=1), -1] = True  # among many equal rows a row may miss itself
    count = place.shape[1] - 1
    kept = (place[~own].reshape(-1, count), (1.0 - cosine[~own]).clamp_min(0).reshape(-1, count))
    return kept[0].numpy(), kept[1].double().numpy()


def _coverage(
    candidates: Matrix,
    targets: Tensor,
    selection: Selection,
    *,
    rivals: dict[str, Ints],
    rng: np.random.Generator,
) -> Json:
    asked = _sample(rng, np.arange(targets.shape[0]), COVERED_TARGETS)
    masses = selection.served.mass[asked] / selection.served.mass[asked].sum()
    goal = gather(targets.to(candidates.device), torch.from_numpy(asked))
    sizes = coverage.steps(min(len(selection.indices), COVERED_ROWS))
    curves = {
        name: coverage.curve(candidates, order, goal, masses=masses, sizes=sizes)[0]
        for name, order in rivals.items()
    }
    return {"rows": sizes, **curves, "targets": len(asked)}


def _twins(candidates: Matrix, rivals: dict[str, Ints], rng: np.random.Generator) -> Json:
    looked = {name: order[:COVERED_ROWS] for name, order in rivals.items()}
    asked = _sample(rng, np.arange(min(map(len, looked.values()))), TWIN_ROWS)
    found = {name: similarity.nearest_twins(candidates, order, asked) for name, order in looked.items()}
    return {**_histograms(found), "rows": len(asked)}


def _pairs(candidates: Matrix, selection: Selection) -> Json:
    pairs = similarity.near_duplicates(candidates, selection.indices, selection.reasons.nearest_selected)
    listed = [
        {"first_rank": pair.first + 1, "second_rank": pair.second + 1, "cosine": pair.cosine}
        for pair in pairs[:LISTED_PAIRS]
    ]
    return {"cosine_at_least": similarity.NEAR_DUPLICATE, "pairs": len(pairs), "listed": listed}


def _targets(
    candidates: Matrix, targets: Tensor, selection: Selection, *, near: Nearest, sample: Tensor
) -> Json:
    """Uncovered: nothing selected is more like the target than 95 % of its cosines to any candidates are."""
    order = selection.indices
    chance = coverage.chance_level(sample, targets[:COVERED_TARGETS])
    best = nearest_both_ways(gather(candidates, torch.from_numpy(order)), targets).best
    listed = np.argsort(best, kind="stable")[:LISTED_TARGETS]
    served = selection.served
    rows = [
        {
            "row": int(at),
            "mass": float(served.mass[at]),
            "items": int(served.rows[at]),
            "mean_cosine": float(1.0 - served.cost[at]),
            "best_selected": float(best[at]),
            "best_in_pool": float(near.best[at]),
            "uncovered": bool(best[at] < chance),
        }
        for at in listed
    ]
    uncovered = int((best < chance).sum())
    return {"chance": chance, "uncovered": uncovered, "total": targets.shape[0], "listed": rows}


def _histograms(columns: Mapping[str, Floats | NDArray[np.float32]]) -> Json:
    """Counts over the same ``BINS`` bins from the least to the largest value of all columns."""
    held = [values for values in columns.values() if len(values)]
    if not held:
        return {"edges": [], **{name: [] for name in columns}}
    ends = min(float(values.min()) for values in held), max(float(values.max()) for values in held)
    edges = np.histogram_bin_edges(np.empty(0), BINS, ends)
    counted = {name: np.histogram(values, edges)[0].tolist() for name, values in columns.items()}
    return {"edges": edges.tolist(), **counted}


def _sample(rng: np.random.Generator, rows: Ints, count: int) -> Ints:
    """At most ``count`` of the rows, ascending."""
    return rows if len(rows) <= count else np.sort(rng.choice(rows, count, replace=False))
