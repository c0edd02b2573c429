"""Phase `features` of records that are made up, under the conditions of this folder: no model is loaded."""

from tests.chaos.phases.large.conditions import held

run = held("tests.workers.selections.computing")
