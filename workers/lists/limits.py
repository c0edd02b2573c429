"""What is refused before a shard works for it: lists that the select worker could not hold."""

from evoselect.capacity import foreseen
from evoselect.pools.left import Questions
from evoselect.pools.pool import Pool
from evoselect.usable import require_few_targets
from store.jobs.edges import Edges
from workers.lists.problem import Problem


def require_possible(problem: Problem) -> None:
    """By the numbers of candidates, targets and rows alone; raises Invalid and InvalidInput."""
    require_few_targets(problem.m)
    least = Edges.least(problem.m, problem.n, problem.budget.count)
    least.require_few(problem.work.context.settings.max_edges, "at least")


def require_few_edges(problem: Problem, asked: Questions, pool: Pool) -> None:
    """By the sample of the pool, which says what the shards will list; raises Invalid."""
    rows = problem.budget.count
    listed = Edges(problem.m, problem.n, rows, foreseen.edges(asked, pool, problem.m, rows))
    listed.require_few(problem.work.context.settings.max_edges, "about")
