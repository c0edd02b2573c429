"""The report of a loop as JSON: its rounds with intervals, both arms compared, and a map of each round."""

import orjson
import pyarrow.compute as pc

from service.jobs import pairs
from service.jobs.reported import reported
from service.jobs.results import scores
from service.loops import views
from service.loops.round_charts import judged_by
from service.selections.report_document import EARLIER_MAP
from service.services import State
from store.artifacts import Artifacts
from store.jobs import lifecycle as jobs
from store.jobs.results import files_of
from store.kit.json import Json
from store.loops import advance as loops
from store.loops import plan as loop_plan
from store.loops import steps as loop_steps
from store.loops.plan import RANDOM, SELECTED
from store.results import maps
from store.tables.jobs import Job
from store.tables.loops import Round
from store.tables.states import JobKind, JobStatus

MAPS = 24  # rounds with a map: the first, the last, and such as lie evenly between
POINTS = 60_000  # of all maps together, which keeps the page below 5 MB
KINDS = {"pool": 0.4, "target": 0.2, "selected": 0.4}  # shares of the points of a map
MOST = 3_000  # points of one map


def document(state: State, tenant_id: str, job_id: str) -> Json:
    """All numbers of the rounds so far; raises NotFound."""
    with state.database.transaction() as session:
        job = jobs.get(session, tenant_id, job_id, JobKind.LOOP)
        arms, over = loop_plan.arms(loops.spec_of(job)), jobs.is_terminal(job)
        steps, rows = loop_steps.of_loop(session, job_id), loop_steps.rounds(session, job_id)
    done = {(step.round, step.name): step.job for step in steps if step.job.status == JobStatus.COMPLETED}
    drawn = _spread([row.number for row in rows if _has_map(done.get((row.number, "select")))], MAPS)
    found = [_round(state, row, steps, done=done, arms=arms, over=over) for row in rows]
    pictures = {number: _map(state.artifacts, done[number, "select"], len(drawn)) for number in drawn}
    for one in found:
        one["map"] = pictures.get(one["number"])
    return {
        "object": "loop.report",
        "loop": reported(job),
        "stop_reason": (job.result or {}).get("stop_reason"),
        **{name: (job.result or {}).get(name) for name in ("best_round", "best_reported", "base_reported")},
        "base": loop_steps.numbers(steps, 0, SELECTED).evaluation,
        "rounds": found,
        "frame": maps.frame(part for one in pictures.values() for part in one["points"].values()),
    }


def _round(
    state: State,
    row: Round,
    steps: list[loop_steps.Step],
    *,
    done: dict[tuple[int, str], Job],
    arms: tuple[str, ...],
    over: bool,
) -> Json:
    numbers = {arm: loop_steps.numbers(steps, row.number, arm) for arm in arms}
    evaluations = [done.get((row.number, loop_plan.step_name(arm, "evaluate"))) for arm in (RANDOM, SELECTED)]
    return {**views.loop_round(row, numbers, over=over), "paired": _paired(state, *evaluations)}


def _paired(state: State, random: Job | None, selected: Job | None) -> Json | None:
    """From the random arm to the selected one in the loss that the loop is judged by, example by example."""
    measure = judged_by((selected.result or {}) if selected else {})
    if random is None or selected is None or measure is None:
        return None
    found = pairs.difference(measure, scores(state, random), scores(state, selected))
    return None if found is None else {"measure": measure, **found.model_dump()}


def _has_map(job: Job | None) -> bool:
    files = None if job is None else files_of(job.result)
    return files is not None and files.map is not None and files.report is not None


def _spread(numbers: list[int], most: int) -> list[int]:
    """At most so many of them, evenly, the first and the last among them."""
    if len(numbers) <= most:
        return numbers
    return [numbers[round(at * (len(numbers) - 1) / (most - 1))] for at in range(most)]


def _map(artifacts: Artifacts, job: Job, maps_together: int) -> Json:
    """The facts of the round's map, and a part of its points."""
    files = files_of(job.result)
    assert files.report is not None
    assert files.map is not None
    facts: Json = orjson.loads(artifacts.get_bytes(files.report.path, files.report.sha256))["map"]
    table = artifacts.get_table(files.map.path, files.map.sha256, ("kind", "x", "y"))
    room = min(MOST, POINTS // maps_together)
    points = {}
    for kind in maps.KINDS:
        rows = table.filter(pc.equal(table["kind"], kind))
        every = max(1, -(-rows.num_rows // int(room * KINDS[kind])))
        points[kind] = {axis: rows[axis].to_pylist()[::every] for axis in ("x", "y")}
        points[kind]["mean"] = [pc.mean(rows[axis]).as_py() for axis in ("x", "y")]
    return {**EARLIER_MAP, **facts, "selection_id": job.id, "points": points}
