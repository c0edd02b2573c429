"""`python -m benchmarks.loops`: rounds against one shot, selected against random, on a real generator.

    python -m benchmarks.loops --generator-model FOLDER --candidates FOLDER [--small] [--json]

FOLDER of the generator is an instruct model as transformers reads it. Its answers are kept in the folder of
the candidates, a file a task; where a file is there, nothing is generated and all work on the same. Those of
the small setting lie in benchmarks/loops/kept. With the arm `verified` the same model judges, so it is served
then too. All arms train on as many examples. Points
are of exact match. The tasks are made here, so that a rule knows which answers are right; whether a task can
be learnt from its candidates shows in `points` beside `base`.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from benchmarks.demo.embedded import embedded
from benchmarks.demo.machine import describe_machine
from benchmarks.loops import candidates as generated
from benchmarks.loops.arms import SMALL, WHOLE, Setting
from benchmarks.loops.run import run
from benchmarks.loops.summary import summary
from benchmarks.loops.tasks import TASKS
from evoselect_client import Client


def main() -> int:
    """Generate what is not there, run the arms, print; exit status 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--generator-model", type=Path, required=True, help="folder of an instruct model")
    parser.add_argument("--candidates", type=Path, required=True, help="folder of what it has generated")
    parser.add_argument("--small", action="store_true", help="one task, one seed, few examples")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    setting = SMALL if arguments.small else WHOLE
    arguments.candidates.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="evoselect-loops-") as scratch,
        generated.served(arguments.generator_model, Path(scratch)) as url,
    ):
        made = _candidates(setting, arguments.candidates, url)
        settings = {"EVOSELECT_GENERATOR_NETWORKS": generated.LOOPBACK}
        with (
            embedded(arguments.candidates / "logs", settings) as (address, key),
            Client(address, key) as client,
        ):
            rows = run(client, setting, made, tasks=TASKS, judge_url=url, say=_say)
    result = {**summary(rows), "rows": rows, "machine": describe_machine()}
    print(json.dumps(result, indent=None if arguments.json else 2))
    return 0


def _candidates(setting: Setting, folder: Path, url: str) -> dict[str, list[generated.Json]]:
    found = {}
    for name in setting.tasks:
        path, target = folder / f"{name}.jsonl", TASKS[name].examples(setting.target, 0)
        have = generated.kept(path, target) if path.exists() else []
        if len(have) < setting.candidates:
            _say(f"{name}: {len(have)} candidates, asking for {setting.candidates - len(have)} more")
            more = setting.candidates - len(have)
            generated.generate(url, target, more, seed=len(have), path=path)
            have = generated.kept(path, target)
        right = sum(map(TASKS[name].is_right, have))
        _say(f"{name}: {len(have)} candidates, {right} of them right")
        found[name] = have[: setting.candidates]
    return found


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
