"""The summary of stored rows in Markdown."""

from typing import Any

from benchmarks.quality import loop_summary
from benchmarks.quality.summary import METRICS, PRIMARY

Json = dict[str, Any]


def as_text(result: Json) -> str:
    """The summary in Markdown."""
    lines = [f"{result['runs']} rows; seeds {result['seeds']}"]
    for metric in METRICS:
        of = result if metric == PRIMARY else result["by_metric"][metric]
        lines += ["", f"## {metric}" + (" (errors)" if metric == "accuracy" else ""), *_verdicts(of), ""]
        lines += _table(of)
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
        f"- significantly worse than a baseline: {of['tasks_significantly_worse']}",
        f"- standard deviation between trainings: {of['seed_noise']}",
    ]


def _table(of: Json) -> list[str]:
    """A row a method, a column a task: mean, and difference to random with half its interval."""
    cells = list(of["table"])
    names = list(dict.fromkeys(name for cell in cells for name in of["table"][cell]))
    lines = [f"| method | {' | '.join(cells)} | mean difference to random |", "|" + "---|" * (len(cells) + 2)]
    for name in names:
        values = [_shown(of["table"][cell].get(name)) for cell in cells]
        means = [_interval(found[name]) for found in of["against_random"].values() if name in found]
        lines.append(f"| {name} | {' | '.join(values)} | {' / '.join(means)} |")
    return lines


def _shown(value: Json | None) -> str:
    if value is None:
        return ""
    if "difference" not in value:
        return f"{value['mean']:.3f}"
    return f"{value['mean']:.3f} ({_interval(value)})"


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
