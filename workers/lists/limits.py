"""What is refused before a shard works for it: lists that the select worker could not hold."""

from evoselect.capacity import foreseen, shortlist
from evoselect.pools.left import Questions
from evoselect.pools.pool import Pool
from evoselect.usable import require_few_targets
from store.errors import Invalid
from workers.lists.problem import Problem


def require_possible(problem: Problem) -> None:
    """By the numbers of candidates, targets and rows alone; raises Invalid and InvalidInput."""
    require_few_targets(problem.m)
    _require_few(problem, shortlist.least_edges(problem.n, problem.m, problem.budget.count), "at least")


def require_few_edges(problem: Problem, asked: Questions, pool: Pool) -> None:
    """By the sample of the pool, which says what the shards will list; raises Invalid."""
    _require_few(problem, foreseen.edges(asked, pool, problem.m, problem.budget.count), "about")


def _require_few(problem: Problem, edges: int, how: str) -> None:
    most = problem.work.context.settings.max_edges
    if edges > most:
        raise Invalid(
            f"{problem.m} targets, {problem.n} candidates and a budget of {problem.budget.count} rows make "
            f"{how} {edges} edges to hold in memory, and {most} are allowed (EVOSELECT_MAX_EDGES): ask for "
            "fewer rows or sample the targets, or let the operator raise the setting",
            code="too_many_edges",
        )
