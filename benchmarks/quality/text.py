"""The summary of stored rows in Markdown; accuracy as gains in points, the others as differences in nats."""

from typing import Any

from benchmarks.quality.names import BASE, CONTROL
from benchmarks.quality.summary import METRICS

Json = dict[str, Any]
KEYS = (
    "tasks_with_room",
    "accuracy_gain_points",
    "accuracy_gain_low",
    "tasks_worse",
    "mean_rank_accuracy",
    "mean_rank_cross_entropy",
)


def as_text(result: Json) -> str:
    """The summary in Markdown."""
    lines = [f"{result['runs']} rows; tasks {', '.join(result['tasks'])}", ""]
    lines += [f"- {key}: {result[key]}" for key in KEYS]
    lines += [
        "",
        "## Room",
        "",
        "| task | base | random | own rows | standard error | room |",
        "|---|---|---|---|---|---|",
    ]
    for task, row in result["admission"].items():
        lines.append(f"| {task} | " + " | ".join(str(value) for value in row.values()) + " |")
    lines += ["", "## What a comparison says", "", *_verdict_lines(result["verdicts"])]
    for metric in METRICS:
        of = result["by_metric"][metric]
        lines += ["", f"## {metric}", ""]
        lines += [f"- mean ranks: {of['mean_ranks']} over {of['ranked_tasks']}"]
        lines += [
            f"- separably worse in {of['comparisons']}: {of['worse']}; corrected: {of['worse_corrected']}"
        ]
        lines += [f"- standard deviation between trainings: {of['training_noise']}", ""]
        for k in sorted({cell.rpartition("k=")[2] for cell in of["table"]}, key=int, reverse=True):
            lines += [*_table(of, metric, k), ""]
        lines += ["Default against: " + _pairs(of["against"], metric)]
        lines += ["Against random: " + _pairs(of["against_random"], metric)]
        lines += ["Against random rows of the same lengths: " + _pairs(of["against_matched"], metric)]
    return "\n".join([*lines, "", "## What was drawn", *_draw_table(result["draws"])])


def _verdict_lines(verdicts: Json) -> list[str]:
    """A row a task and k, a column a measure."""
    cells = list(dict.fromkeys(cell for told in verdicts.values() for cell in told))
    lines = [f"| | arms | {' | '.join(verdicts)} |", "|" + "---|" * (len(verdicts) + 2)]
    for cell in cells:
        told = [of[cell] for of in verdicts.values() if cell in of]
        lines.append(f"| {cell} | {told[0]['arms']} | {' | '.join(one['sentence'] for one in told)} |")
    return lines


def _table(of: Json, metric: str, k: str) -> list[str]:
    """A row a method, a column a task: mean, gain over random with half its interval, trainings."""
    cells = {cell.split(",")[0]: values for cell, values in of["table"].items() if cell.endswith(f"k={k}")}
    lines = [f"| k = {k} | {' | '.join(cells)} |", "|" + "---|" * (len(cells) + 1)]
    for name in sorted({name for values in cells.values() for name in values}, key=_place):
        shown = [_shown(values.get(name), metric) for values in cells.values()]
        lines.append(f"| {name} | {' | '.join(shown)} |")
    return lines


def _place(name: str) -> tuple[bool, bool, str]:
    """Base and random first, variants last."""
    return name not in (BASE, CONTROL), "+" in name, name


def _shown(value: Json | None, metric: str) -> str:
    if value is None:
        return ""
    mean = f"{1 - value['mean']:.3f}" if metric == "accuracy" else f"{value['mean']:.3f}"
    change = f" ({interval(value, metric)})" if "difference" in value else ""
    return mean + change + (f" [{value['seeds']}]" if "seeds" in value else "")


def interval(value: Json, metric: str) -> str:
    """Gain in points for accuracy, else the difference; with half the 95 % interval."""
    scale, digits = (-100.0, 1) if metric == "accuracy" else (1.0, 3)
    centre = f"{scale * value['difference']:+.{digits}f}"
    if value["high"] is None:
        return f"{centre} ± ?"
    return f"{centre} ± {abs(scale) * (value['high'] - value['difference']):.{digits}f}"


def _pairs(of: Json, metric: str) -> str:
    return ", ".join(
        f"{name} {interval(value, metric)} ({value['tasks']} tasks)" for name, value in of.items()
    )


def _draw_table(draws: Json) -> list[str]:
    lines = ["| k | method | own | wrong | copies | tokens |", "|---|---|---|---|---|---|"]
    for k, methods in draws.items():
        for name, values in methods.items():
            lines.append(f"| {k} | {name} | " + " | ".join(str(value) for value in values.values()) + " |")
    return lines
