"""The summary of stored rows in Markdown."""

from typing import Any

from benchmarks.quality import loop_summary
from benchmarks.quality.names import BASE, CONTROL
from benchmarks.quality.summary import METRICS, PRIMARY

Json = dict[str, Any]


def as_text(result: Json) -> str:
    """The summary in Markdown."""
    lines = [f"{result['runs']} rows; seeds {result['seeds']}"]
    for metric in METRICS:
        of = result if metric == PRIMARY else result["by_metric"][metric]
        lines += ["", f"## {metric}" + (" (errors)" if metric == "accuracy" else ""), *_verdicts(of)]
        for k in of["against_random"]:
            lines += ["", f"### k = {k}", "", *_table(of, k), "", f"Capacity against {_against(of, k)}"]
        if of["loops"]:
            lines += ["", "### Loops of two rounds", ""]
            lines += loop_summary.table(of["loops"], _interval, result["tasks"])
    lines += ["", "## What was drawn", *_draw_table(result["draws"])]
    return "\n".join(lines)


def _verdicts(of: Json) -> list[str]:
    return [
        f"- mean rank of capacity {of['mean_rank_capacity']}, of all {of['mean_ranks']}",
        f"- capacity is better in {of['win_rate_capacity']} of {of['comparisons']} comparisons",
        f"- better than random, interval excludes 0: {of['tasks_beating_random']}",
        f"  of these after correction for all comparisons: {of['tasks_beating_random_corrected']}",
        f"- significantly worse than a baseline: {of['tasks_significantly_worse']}",
        f"  of these after correction for all comparisons: {of['tasks_significantly_worse_corrected']}",
        f"- standard deviation between trainings: {of['seed_noise']}",
    ]


def _table(of: Json, k: str) -> list[str]:
    """A row a method, a column a task: mean, difference to random with half its interval, seeds."""
    cells = {cell.split(",")[0]: values for cell, values in of["table"].items() if cell.endswith(f" k={k}")}
    means = of["against_random"][k]
    lines = [f"| method | {' | '.join(cells)} | mean difference to random |", "|" + "---|" * (len(cells) + 2)]
    for name in sorted({name for values in cells.values() for name in values}, key=_place):
        shown = [_shown(values.get(name)) for values in cells.values()]
        lines.append(f"| {name} | {' | '.join(shown)} | {_mean(means.get(name), len(cells))} |")
    return lines


def _against(of: Json, k: str) -> str:
    """Each other method, over the tasks that have both."""
    tasks = sum(cell.endswith(f" k={k}") for cell in of["table"])
    return ", ".join(f"{name} {_mean(value, tasks)}" for name, value in of["capacity_against"][k].items())


def _place(name: str) -> tuple[bool, bool, str]:
    """Base and random first, variants last."""
    return name not in (BASE, CONTROL), "+" in name, name


def _mean(value: Json | None, tasks: int) -> str:
    """Over the tasks that have the method."""
    if value is None:
        return ""
    return _interval(value) + ("" if value["tasks"] == tasks else f" ({value['tasks']} tasks)")


def _shown(value: Json | None) -> str:
    if value is None:
        return ""
    difference = f" ({_interval(value)})" if "difference" in value else ""
    return f"{value['mean']:.3f}{difference}" + (f" [{value['seeds']}]" if "seeds" in value else "")


def _interval(value: Json) -> str:
    if value["high"] is None:
        return f"{value['difference']:+.3f} ± ?"
    return f"{value['difference']:+.3f} ± {value['high'] - value['difference']:.3f}"


def _draw_table(draws: Json) -> list[str]:
    lines = [
        "| k | method | own | wrong | copies | answer tokens | tokens |",
        "|---|---|---|---|---|---|---|",
    ]
    for k, methods in draws.items():
        for name, values in methods.items():
            lines.append(f"| {k} | {name} | " + " | ".join(str(value) for value in values.values()) + " |")
    return lines
