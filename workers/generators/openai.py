"""The generator `openai`: few-shot prompts from target examples, answers as records, until there are enough.

What was accepted and spent is left on the shard now and then, so that a killed worker's successor goes on
instead of paying twice.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

import orjson

from evoselect.spec.loop import OpenAIGenerator, Stop
from store.kit.json import Json
from store.loops.plan import Spent
from store.loops.results import Generated, Prompts
from store.records.record import Record, parse_record, to_json
from workers.generators.calls import NoResponse
from workers.generators.chat import Chat, Completion
from workers.generators.completions import judge, objects, shown
from workers.generators.near import new_ones

FRUITLESS = 12  # answers in a row without a new record, after which a generator has no more to give
LEAST_NEW = 0.25  # of a wave of records those that repeat nothing, below which it has no more to give either
UNANSWERED = 3  # requests in a row without an answer, after which the endpoint counts as away
CHECK_SECONDS = 0.5  # between two checks whether the work must stop
KEEP_SECONDS = 10.0  # between two states that are left on the shard
SYSTEM = "You write training examples for a language model. You answer with JSON lines only."


@dataclass(slots=True)
class State:
    """What a generation has so far."""

    records: list[Record] = field(default_factory=list)
    asked: int = 0
    """Requests begun; the number of a request is the seed of its prompt."""
    counts: Counter[str] = field(default_factory=Counter)
    """What became of requests and of their records, and tokens."""

    def to_json(self) -> dict[str, object]:
        """As a later attempt reads it."""
        records = [to_json(record) for record in self.records]
        return {"records": records, "asked": self.asked, "counts": dict(self.counts)}

    @classmethod
    def from_json(cls, value: Json) -> "State":
        """The inverse of to_json."""
        records = [parse_record(item) for item in value["records"]]
        return cls(records, value["asked"], Counter(value["counts"]))

    def cost(self, generator: OpenAIGenerator) -> float:
        """By the generator's prices."""
        prompts = self.counts["prompt_tokens"] * generator.prompt_price
        return (prompts + self.counts["completion_tokens"] * generator.completion_price) / 1e6


@dataclass(slots=True)
class Generation:
    """One round's questions to an endpoint."""

    generator: OpenAIGenerator
    seeds: list[Record]
    """Target examples: prompts show them, and answers are to have their form."""
    known: set[str]
    """Contents that must not come (again): of the target, of the evaluation, of earlier rounds."""
    seed: int
    state: State
    stop: Stop
    spent: Spent
    """By earlier rounds."""
    there: Sequence[str] = ()
    """Texts that must not be nearly repeated."""
    hardest: Sequence[Record] = ()
    """Target examples that the model does worst on: where there are some, prompts show no others."""
    fruitless: int = 0
    unanswered: int = 0

    def run(
        self, chat: Chat, progress: Callable[[int], None], keep: Callable[[Mapping[str, object]], None]
    ) -> None:
        """Ask until there are enough; raises NoResponse when nobody answers, and what `progress` raises."""
        threads = ThreadPoolExecutor(self.generator.concurrency, "ask")
        try:
            new, more = 0, True
            while more:
                self._ask(threads, chat, progress, keep)
                new = self._thinned(new, progress)
                more = self._wants_more()
        except NoResponse:
            keep(self.state.to_json())  # paid for already
            raise
        finally:
            threads.shutdown(wait=False, cancel_futures=True)  # who is asked to stop waits for no answer
        del self.state.records[self.generator.size :]

    def summary(self) -> Generated:
        """What a round says of its generation."""
        state = self.state
        found = {"candidates": len(state.records), "cost": round(state.cost(self.generator), 6)}
        return Generated.of({**found, **state.counts, "prompts": self._prompts()})

    def _thinned(self, before: int, progress: Callable[[int], None]) -> int:
        """Take out what nearly repeats something; how many are left, of which `before` had been looked at."""
        made = self.state.records
        left = new_ones(made, self.there, lambda: progress(min(len(made), self.generator.size)))
        self.state.counts["near_copies"] += len(made) - len(left)
        if len(left) - before < LEAST_NEW * (len(made) - before):
            self.fruitless = FRUITLESS
        self.state.records = left
        return len(left)

    def _ask(
        self,
        threads: ThreadPoolExecutor,
        chat: Chat,
        progress: Callable[[int], None],
        keep: Callable[[Mapping[str, object]], None],
    ) -> None:
        kept = time.monotonic()
        running: set[Future[tuple[Completion, int]]] = set()
        while running or self._wants_more():
            while len(running) < self.generator.concurrency and self._wants_more():
                running.add(threads.submit(chat.ask, self.body(self.state.asked)))
                self.state.asked += 1
            done, running = wait(running, CHECK_SECONDS, FIRST_COMPLETED)
            for future in done:
                self._take(future)
            progress(min(len(self.state.records), self.generator.size))
            if time.monotonic() - kept > KEEP_SECONDS:
                keep(self.state.to_json())
                kept = time.monotonic()

    def _wants_more(self) -> bool:
        counts = self.state.counts
        tokens = self.spent.generated_tokens + counts["prompt_tokens"] + counts["completion_tokens"]
        cost = self.spent.cost + self.state.cost(self.generator)
        limits = ((self.stop.generated_tokens, tokens), (self.stop.cost, cost))
        if any(most is not None and found >= most for most, found in limits):
            return False
        return len(self.state.records) < self.generator.size and self.fruitless < FRUITLESS

    def body(self, number: int) -> dict[str, object]:
        """The request of that number: other examples each time, the same ones whenever it is made."""
        draw = random.Random(f"{self.seed} {number}")
        offered = self.hardest or self.seeds
        examples = draw.sample(offered, min(self.generator.examples, len(offered)))
        lines = "\n".join(orjson.dumps(shown(record)).decode() for record in examples)
        wanted = self.generator.per_request
        text = (
            f"Here are examples, one JSON object per line:\n{lines}\n\n"
            f"Write {wanted} new examples of the same kind and difficulty, about other things, each with a "
            "right answer: one JSON object per line with the same fields, and nothing else."
        )
        return {
            "model": self.generator.model,
            "messages": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": text}],
            "temperature": self.generator.temperature,
            "max_tokens": self.generator.max_tokens,
            "seed": draw.getrandbits(31),
        }

    def _prompts(self) -> Prompts:
        texts = {str(self.body(number)["messages"]) for number in range(self.state.asked)}
        return Prompts(
            shown="failures" if self.hardest else "uniform",
            offered=len(self.hardest or self.seeds),
            variants=len(texts),
            temperature=self.generator.temperature,
        )

    def _take(self, future: Future[tuple[Completion, int]]) -> None:
        counts = self.state.counts
        counts["requests"] += 1
        try:
            answer, tries = future.result()
        except NoResponse:
            counts["unanswered"] += 1
            self.unanswered += 1
            if self.unanswered >= UNANSWERED:
                raise
            return
        self.unanswered = 0
        counts["retries"] += tries - 1
        counts["prompt_tokens"] += answer.prompt_tokens
        counts["completion_tokens"] += answer.completion_tokens
        counts["cut_off"] += not answer.finished
        before = len(self.state.records)
        self._read(answer.text)
        self.fruitless = 0 if len(self.state.records) > before else self.fruitless + 1

    def _read(self, text: str) -> None:
        counts, found = self.state.counts, 0
        for value in objects(text):
            found += 1
            record = judge(value, self.seeds)
            if isinstance(record, str):
                counts[record] += 1
            elif record.content_hash in self.known:
                counts["duplicates"] += 1
            else:
                self.known.add(record.content_hash)
                self.state.records.append(record)
        counts["garbage"] += found == 0
