"""The one entry: candidates, targets and a budget in; k candidates in order out.

check -> drop what may not be chosen -> choose by the method -> transport of the chosen -> reasons and
diagnostics
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from evoselect import reasons
from evoselect.arrays import Floats, Ints
from evoselect.baselines.registry import BASELINES
from evoselect.errors import InvalidInput
from evoselect.features import gather
from evoselect.groups.balance import balanced_shares
from evoselect.groups.masses import group_numbers, quota_shares, spread
from evoselect.measures.coverage import coverage
from evoselect.measures.metrics import compare
from evoselect.methods import Chosen, by_capacity, by_exponentiated
from evoselect.redundancy import diversity
from evoselect.repeats import apportion
from evoselect.selection import Reasons, Selection
from evoselect.spec.selection import SelectionSpec
from evoselect.task import Checkpoint, Task
from evoselect.transport import exact_transport
from evoselect.usable import Usable, check, check_checkpoints, usable_rows


@dataclass(frozen=True)
class Texts:
    """The texts behind the rows, for methods that read them."""

    candidates: Sequence[str]  # N
    targets: Sequence[str]  # M


def select(
    candidates: Tensor,
    targets: Tensor,
    k: int,
    spec: SelectionSpec,
    *,
    seed: int,
    content_ids: Sequence[str] | None = None,
    target_content_ids: Sequence[str] | None = None,
    exclude: AbstractSet[str] = frozenset(),
    groups: Sequence[str] | None = None,
    checkpoints: Sequence[Checkpoint] = (),
    texts: Texts | None = None,
    compare_with_baselines: bool = True,
) -> Selection:
    """Choose ``k`` of N candidates for M targets.

    candidates (N, d) and targets (M, d): finite rows of norm 1, any floating dtype. content_ids: N contents.
    Candidates of equal content are collapsed to their first row before anything is solved, rows of equal
    features as well as long as k distinct ones remain, and candidates whose content is in ``exclude``
    (consumed before) or in ``target_content_ids`` (M, a leak) are dropped; all of it is counted in the
    diagnostics. groups: M group names that share the budget by ``spec.group_mode``. checkpoints: further
    features of the same rows, for method less; texts: for method dsir. compare_with_baselines: whether
    ``diagnostics["metrics"]`` compares with a random draw and the most relevant, and each target's coverage
    is reported. Raises InvalidInput where the arguments cannot be used; non-convergence is
    ``diagnostics["converged"]``.
    """
    own, theirs = (None, None) if texts is None else (texts.candidates, texts.targets)
    of_targets = {"target_content_ids": target_content_ids, "groups": groups, "texts.targets": theirs}
    check(candidates, targets, k, {"content_ids": content_ids, "texts.candidates": own}, of_targets)
    check_checkpoints(checkpoints, candidates.shape[0], targets.shape[0])
    usable = usable_rows(candidates, k, content_ids, target_content_ids, exclude)
    pool = candidates if len(usable.rows) == candidates.shape[0] else usable.take(candidates)
    goal = targets.to(candidates.device)
    s = diversity.bandwidth(pool, goal)
    numbers, names = group_numbers(groups) if groups is not None else (None, [])
    shares = _shares(pool, goal, k, spec, numbers, names)
    masses = np.full(goal.shape[0], 1.0 / goal.shape[0]) if numbers is None else spread(shares, numbers)
    if spec.method == "capacity":
        chosen = by_capacity(pool, goal, masses, k, spec, s, seed)
    elif spec.method == "exponentiated":
        chosen = by_exponentiated(pool, goal, masses, k, spec)
    else:
        chosen = _by_baseline(pool, goal, k, spec, seed, usable, numbers, checkpoints, texts)
    diagnostics: dict[str, object] = {
        "method": spec.method,
        "seed": seed,
        "k": k,
        "candidates": candidates.shape[0],
        "targets": targets.shape[0],
        **usable.counts,
        "bandwidth": s,
        "group_shares": {name: float(share) for name, share in zip(names, shares, strict=True)},
        **chosen.diagnostics,
    }
    return _explained(pool, goal, masses, usable, chosen, spec, s, seed, diagnostics, compare_with_baselines)


def _shares(
    pool: Tensor, targets: Tensor, k: int, spec: SelectionSpec, groups: Ints | None, names: Sequence[str]
) -> Floats:
    """(G,) shares of the groups; empty without groups."""
    if groups is None:
        if spec.group_mode != "mean":
            raise InvalidInput(f"group_mode {spec.group_mode!r} needs groups: give one name per target")
        return np.empty(0)
    if spec.quotas is not None:
        return quota_shares(spec.quotas, names)
    if spec.group_mode == "max":
        return balanced_shares(pool, targets, groups, k)
    return np.full(len(names), 1.0 / len(names))


def _by_baseline(
    pool: Tensor,
    targets: Tensor,
    k: int,
    spec: SelectionSpec,
    seed: int,
    usable: Usable,
    groups: Ints | None,
    checkpoints: Sequence[Checkpoint],
    texts: Texts | None,
) -> Chosen:
    task = Task(
        pool,
        targets,
        k,
        seed,
        spec,
        groups,
        [Checkpoint(usable.take(c.candidates), c.targets, c.weight) for c in checkpoints],
        None if texts is None else [texts.candidates[row] for row in usable.rows],
        None if texts is None else texts.targets,
    )
    ranking = BASELINES[spec.method](task)
    return Chosen(ranking.order, ranking.score, np.full(k, 1.0 / k), None, ranking.notes)


def _explained(
    pool: Tensor,
    targets: Tensor,
    masses: Floats,
    usable: Usable,
    chosen: Chosen,
    spec: SelectionSpec,
    s: float,
    seed: int,
    diagnostics: dict[str, object],
    compared: bool,
) -> Selection:
    rows = gather(pool, torch.from_numpy(chosen.order))
    transport = chosen.transport or exact_transport(rows, targets, masses)
    evidence = reasons.collect(rows, targets, transport, s, chosen.similarity)
    twin = evidence.nearest_selected
    diagnostics |= {"transport": transport.cost, "transport_exact": transport.exact}
    diagnostics |= _gap(transport.cost, diagnostics)
    covered = None
    if compared:
        diagnostics["metrics"] = compare(pool, targets, masses, chosen.order, transport.cost, s, seed)
        covered = coverage(rows, targets, masses)[1]
    columns = Reasons(
        ot_gradient=chosen.ot_gradient,
        redundancy=evidence.redundancy,
        score=chosen.score,
        target_index=evidence.target,
        target_cosine=evidence.cosine,
        target_mass=evidence.mass,
        nearest_selected=np.where(twin < 0, -1, usable.rows[chosen.order[twin]]),
    )
    repeats = apportion(chosen.weights, spec.repeat_budget)
    served = reasons.served(transport, rows, targets)
    order = usable.rows[chosen.order]
    return Selection(order, chosen.weights, repeats, columns, served, diagnostics, covered)


def _gap(transport: float, diagnostics: dict[str, object]) -> dict[str, object]:
    """(OT(chosen) - bound) / bound: at lambda 0 no k-subset is better by more; above, diversity's price."""
    bound = diagnostics.get("transport_lower_bound")
    if not isinstance(bound, float):
        return {}
    return {"gap": max(0.0, transport - bound) / max(bound, 1e-9)}
