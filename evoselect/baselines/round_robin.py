"""Round-robin on cosine: targets in turn, each takes its most similar candidate that is not yet taken."""

import numpy as np

from evoselect.arrays import Ints
from evoselect.neighbours.search import search
from evoselect.task import Chosen, Task, in_order


def round_robin(task: Task) -> Chosen:
    """Candidate rows in the order taken.

    A list of nearest candidates per target replaces the (N, M) matrix; it is doubled until no target runs
    out, so the answer is that of the whole matrix.
    """
    width = min(task.n, 2 * -(-task.k // task.m) + 32)
    while True:
        _, order = search(task.candidates, task.targets, width)
        taken = _deal(order.numpy(), task.n, task.k)
        if taken is not None:
            return in_order(taken)
        width = min(task.n, 2 * width)


def _deal(order: Ints, n: int, k: int) -> Ints | None:
    """Deal from the (M, L) lists; None when a target runs out before k are taken."""
    used = np.zeros(n, dtype=bool)
    place = np.zeros(len(order), dtype=np.int64)
    taken: list[int] = []
    while len(taken) < k:
        for j, row in enumerate(order):
            while place[j] < len(row) and used[row[place[j]]]:
                place[j] += 1
            if place[j] == len(row):
                return None
            used[row[place[j]]] = True
            taken.append(int(row[place[j]]))
            if len(taken) == k:
                break
    return np.array(taken, dtype=np.int64)
