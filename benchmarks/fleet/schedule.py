"""When workers are done with shards whose costs are known."""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SHARD_ROWS = 1_000  # of computed features: about a minute of a core
HOUR = 3_600.0


@dataclass(frozen=True)
class Line:
    """What grows with the rows: ``fixed`` and ``per_row``, through two measured points."""

    fixed: float
    per_row: float

    @classmethod
    def through(cls, points: Mapping[int, float]) -> "Line":
        """By rows, of the least and the largest size."""
        least, most = min(points), max(points)
        slope = (points[most] - points[least]) / (most - least)
        return cls(points[least] - slope * least, slope)

    def at(self, rows: int) -> float:
        """Its value for so many rows."""
        return self.fixed + self.per_row * rows


@dataclass(frozen=True)
class Costs:
    """Seconds, and gigabytes of the merge."""

    start: float  # of a worker's process
    feature: float  # of a row, by the default proxy on one thread
    shard_rows: int  # of sums and lists
    sums: float  # of a shard
    lists: float
    select: Line  # all runs of transport, with what a process takes to start
    peak_gb: Line


def hours(costs: Costs, rows: int, workers: int) -> dict[str, float]:
    """Of a whole selection by so many workers: of features that are there, and with computing them."""
    full, rest = divmod(rows, costs.shard_rows)
    parts = [costs.shard_rows] * full + [rest] * (rest > 0)
    seconds = costs.select.at(rows)
    for cost in (costs.sums, costs.lists):
        seconds += makespan([cost * part / costs.shard_rows for part in parts], workers, start=costs.start)
    shards = -(-rows // SHARD_ROWS)
    computing = makespan([SHARD_ROWS * costs.feature] * shards, workers, start=costs.start)
    return {"provided": round(seconds / HOUR, 3), "computed": round((seconds + computing) / HOUR, 3)}


def makespan(tasks: Sequence[float], workers: int, *, start: float) -> float:
    """Seconds until all tasks are done by workers that start at once and take them in their order."""
    free = [start] * workers
    for seconds in tasks:
        heapq.heappush(free, heapq.heappop(free) + seconds)
    return max(free)
