"""Candidates, and a verifier that checks them against a server on loopback."""

from collections.abc import Callable
from typing import Any

from evoselect.spec.loop import LoopSpec
from store.loops.plan import Spent
from store.loops.results import Verified
from store.records.record import Record, parse_record
from store.settings import Settings
from tests.workers.chat_server import Script, scripted
from workers.verifiers.checking import State
from workers.verifiers.rounds import Check

TARGET = [parse_record({"prompt": f"{n} + {n}?", "completion": str(2 * n)}) for n in range(1, 7)]
MADE = [parse_record({"prompt": f"{n} + 1?", "completion": str(n + n % 2)}) for n in range(20, 26)]
"""Every other one is right."""
INSIDE = Settings(generator_networks="127.0.0.0/8")


def check(
    url: str, *, kind: str = "judge", number: int = 2, state: State | None = None, **more: Any
) -> Check:
    own = {"judge": {"model": "m"}, "agreement": {"model": "m"}, "hook": {}}[kind]
    stop = more.pop("stop", {})
    verifier = {"kind": kind, "url": url, "concurrency": 1, **own, **more}
    generator = {"kind": "openai", "url": url, "model": "g", "size": 6}
    spec = {"generator": generator, "k": 2, "verifier": verifier, "stop": stop}
    return Check(
        LoopSpec.model_validate(spec),
        number,
        target=TARGET,
        spent=Spent(),
        state=state or State(),
        step=lambda: None,
        keep=lambda found: None,
        first_delay_seconds=0.01,
    )


def checked(url: str, settings: Settings = INSIDE, **more: Any) -> tuple[list[Record], Verified]:
    return check(url, **more).run(settings, MADE)


def is_right(record: dict[str, Any]) -> bool:
    first, _, second = record["prompt"].rstrip("?").split(" ")
    return bool(str(int(first) + int(second)) == record["completion"])


def serve_judge(act: Callable[[Any, Script], None]) -> Any:
    """A scripted server whose line knows its own script."""
    box: list[Script] = []
    server = scripted(lambda handler: act(handler, box[0]))

    class Server:
        def __enter__(self) -> tuple[str, Script]:
            url, script = server.__enter__()
            box.append(script)
            return url, script

        def __exit__(self, *error: Any) -> None:
            server.__exit__(*error)

    return Server()
