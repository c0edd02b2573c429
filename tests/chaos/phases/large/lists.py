"""Phase `lists`, the product's own, under the conditions of this folder."""

from tests.chaos.phases.large.conditions import held

run = held("workers.phases.lists")
