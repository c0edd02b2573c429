"""Say which method to use for a target, a pool and a size: evoselect compare-methods."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from evoselect_cli import exits
from evoselect_cli.connection import service
from evoselect_cli.inputs import is_id, pool_id_of, settings_of, target_id_of
from evoselect_cli.options import JsonOption, NameOption, SeedOption, for_rows
from evoselect_cli.output import err, out, print_json, with_progress
from evoselect_client import Client
from evoselect_client.resources.comparisons import ComparedArm, Gain, MethodComparison

HeldOutOption = Annotated[
    float | None, typer.Option(min=0.0, max=0.9, help="Or the share of --target to measure on.")
]
SizeOption = Annotated[int | None, typer.Option("-k", "--k", min=1, help="How many candidates each selects.")]
HalvingOption = Annotated[bool, typer.Option(help="Stop methods that are worse beyond doubt.")]
ArmsOption = Annotated[
    str | None, typer.Option(help="Methods by name, commas between: random,capacity,round_robin.")
]
SpecsOption = Annotated[str | None, typer.Option("--training", help="Settings of each training, as JSON.")]


def compare_methods(
    target: Annotated[str, typer.Option(help="File of target examples, or a target's id.")],
    pool: Annotated[str, typer.Option(help="File of candidates, or a pool's id.")],
    test: Annotated[
        str | None,
        typer.Option(help="File of held-out examples, or a target's id; else what the target kept apart."),
    ] = None,
    held_out: HeldOutOption = None,
    k: SizeOption = None,
    ratio: Annotated[float | None, typer.Option(min=0.0, max=1.0, help="Or the share of the pool.")] = None,
    arms: ArmsOption = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Trainings of each method.")] = None,
    draws: Annotated[int | None, typer.Option(min=2, help="Random draws.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Budget of time.")] = None,
    trainings: Annotated[int | None, typer.Option(min=1, help="Budget of trainings.")] = None,
    halving: HalvingOption = False,
    model: Annotated[str | None, typer.Option(help="Model to train; default is the service's.")] = None,
    training: SpecsOption = None,
    seed: SeedOption = None,
    name: NameOption = None,
    apply: Annotated[bool, typer.Option("--apply", help="Write the rows that the winner selected.")] = False,
    out_file: Annotated[
        Path, typer.Option("--out", help="Where --apply writes them.", callback=for_rows)
    ] = Path("picked.jsonl"),
    estimate: Annotated[bool, typer.Option("--estimate", help="Only say what it costs and can see.")] = False,
    json: JsonOption = False,
) -> None:
    """Train on what each method selects, and say which one to use, or that random is as good."""
    if (k is None) == (ratio is None):
        raise typer.BadParameter("give exactly one of -k and --ratio")
    _require_examples(target, test, held_out)
    options: dict[str, Any] = {
        "k": k,
        "ratio": ratio,
        "arms": [one.strip() for one in arms.split(",")] if arms else None,
        "seeds": seeds,
        "draws": draws,
        "minutes": minutes,
        "trainings": trainings,
        "successive_halving": halving,
        "base_model": model,
        "training": settings_of(training),
        "seed": seed,
        "name": name,
    }
    with service() as client:
        options["target_id"] = _target(client, target, held_out)
        options["pool_id"] = pool_id_of(client, pool, {})
        if test is not None:
            options["evaluation_target_id"] = target_id_of(client, test, {})
        planned = client.comparisons.estimate(**options)
        if estimate:
            print_json(planned) if json else out.print("\n".join(foretold(planned)), markup=False)
            return
        err.print("\n".join(foretold(planned)), markup=False)
        done = with_progress(client.comparisons.create(**options), Told(planned["trainings"]))
        _print(done, json)
        if apply:
            _apply(client, done, out_file)


def _require_examples(target: str, test: str | None, held_out: float | None) -> None:
    """Told before anything is uploaded: a target that is stored may keep examples apart, a file cannot."""
    if test is not None and held_out:
        raise typer.BadParameter("give --test or --held-out, not both")
    if held_out and is_id(target):
        raise typer.BadParameter("--held-out is of a file: a stored target keeps apart what it keeps apart")
    if test is None and not held_out and not is_id(target):
        raise typer.BadParameter(
            "name examples to measure on: --test FILE, or --held-out 0.5 of the target's"
        )


def _target(client: Client, target: str, held_out: float | None) -> str:
    if not held_out:
        return target_id_of(client, target, {})
    return client.targets.create(target, name=Path(target).name, held_out={"ratio": held_out}).id


class Told:
    """Says how far a comparison is, whenever that has changed."""

    def __init__(self, trainings: int) -> None:
        self._trainings = trainings
        self._last = ""

    def __call__(self, job: Any) -> None:
        """Look at a state of it."""
        result = job.result or {}
        count = f"{result.get('evaluations', 0)} of {self._trainings} trainings measured"
        verdict = result.get("verdict")
        told = count if verdict is None else f"{count}; {verdict['sentence']}"
        if verdict is not None and verdict.get("interim"):
            told = verdict["sentence"]  # which has the count
        line = f"{job.status}: {told}"
        if line != self._last:
            err.print(line, markup=False, soft_wrap=True)
            self._last = line


def foretold(planned: dict[str, Any]) -> list[str]:
    """What a comparison will cost and can see, before it starts."""
    arms = ", ".join(f"{arm['name']} x {arm['trainings']}" for arm in planned["arms"])
    seen = amount(planned["detectable_gain"], planned["unit"])
    sees = f"a gain of {seen} over random is seen with probability 0.8"
    if planned["unit"] == "points" and planned["detectable_gain"] >= 1:
        sees = "so few trainings would see no gain: ask for more seeds or draws"
    workers = "one worker" if planned["workers"] == 1 else f"{planned['workers']} workers"
    return [
        f"{planned['trainings']} trainings: {arms}",
        f"about {planned['minutes']:.0f} minutes of {workers} ({planned['basis']})",
        f"on {planned['questions']} examples {sees} ({planned['measure']})",
    ]


def amount(value: float, unit: str) -> str:
    """A gain in the unit of its measure."""
    return f"{100 * value:.1f} points" if unit == "points" else f"{value:.3f} nats"


def _print(job: MethodComparison, json: bool) -> None:
    if json:
        print_json(job.model_dump(mode="json"))
        return
    result = job.output()
    table = Table("arm", "trainings", "mean", "gain over random", "against the leader", "", title=job.id)
    for arm in job.arms:
        mean = "" if arm.mean is None else f"{arm.mean:.4g}"
        unit = result.get("unit", "points")
        gains = [told(gain, unit) for gain in (arm.against_random, arm.against_leader)]
        table.add_row(arm.name, str(arm.trainings), mean, *gains, remark(arm))
    out.print(table)
    out.print(result["verdict"]["sentence"], markup=False, soft_wrap=True)
    out.print(f"report: evoselect report {job.id} --open", markup=False)


def told(gain: Gain | None, unit: str) -> str:
    """A gain with its interval."""
    if gain is None:
        return ""
    scale, digits = (100.0, 1) if unit == "points" else (1.0, 3)
    value = f"{scale * gain.gain:+.{digits}f}"
    if gain.interval is None:
        return value
    low, high = (f"{scale * end:+.{digits}f}" for end in gain.interval)
    return f"{value} ({low} to {high})"


def remark(arm: ComparedArm) -> str:
    """Why an arm has no further trainings."""
    if arm.same_as is not None:
        return f"same rows as {arm.same_as}"
    if arm.error is not None:
        return str(arm.error["code"])
    return "stopped" if arm.stopped else ""


def _apply(client: Client, job: MethodComparison, path: Path) -> None:
    """Write the winner's rows as select does; exit code 1 where there is no winner."""
    verdict = job.verdict
    if verdict is None or verdict.kind not in ("use", "random_is_as_good"):
        err.print("There is no winner yet: nothing is written.")
        raise typer.Exit(exits.FAILED)
    name = verdict.arm if verdict.kind == "use" else "random"
    winner = next(arm for arm in job.arms if arm.name == name)
    if not winner.selection_ids:
        err.print(f"{name} trains on the whole pool: nothing is selected, and nothing is written.")
        return
    client.selections.retrieve(winner.selection_ids[0]).save(path)
    err.print(f"{name} ({winner.selection_ids[0]}): wrote {path}", markup=False)
