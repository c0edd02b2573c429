"""What a comparison's verdict is worth, on simulated trainings.

python -m benchmarks.comparison [--runs N] [--json]

false_verdicts: of comparisons of arms that are all as good as random, the share that say "use".
right_verdicts: of those in which one arm is better by twice the gain that was planned to be detectable, the
share that name it. Both with arms stopped early (successive halving); _whole: with every training run.
trainings_saved: share of the planned trainings that halving spared, where an arm is better. best_stopped:
share in which that arm was stopped. detected: share that find a gain of just the detectable size (0.8 is
planned). interval_coverage: mean over settings of how often a single 95 % interval holds the truth, with 2
trainings an arm and 3 random draws; _least and _most over the settings; by_setting has them. rows_*: the same
on the questions, answers and noise between trainings of the stored rows of benchmarks.quality.

interim, by plan: comparisons that are looked at after each training. The share that name an arm before the
end where none is better (false; false_uncorrected: by the rule of the end; false_with_the_end: before or at
it), and where one is better by twice the detectable gain, at most 45 points, the share that name it and
another one (right, other), after which share of the trainings (after).
"""

import argparse
import json

from benchmarks.comparison import coverage, interim, verdicts
from benchmarks.machine import describe


def main() -> None:
    """Print the numbers."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=2000, help="simulated comparisons of each kind")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    parts = [module.numbers(arguments.runs) for module in (verdicts, coverage, interim)]
    report = {key: value for part in parts for key, value in part.items()} | {"machine": describe()}
    lines = "\n".join(f"{key}: {value}" for key, value in report.items())
    print(json.dumps(report) if arguments.json else lines)


if __name__ == "__main__":
    main()
