"""An OpenAI-compatible endpoint on loopback that never answers the same request twice by itself.

A file has a line for each request: {"request": the body with its prompt and seed, "answer": the text}. What
stands there is said again; anything else goes to the instruct model, several requests at once, and is
written down. Without a model it is refused, and the message says so.
"""

import json
import queue
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from benchmarks.loops.decoding import Answer, Decoder
from tests.workers.chat_server import completion, reply, serving

Json = dict[str, Any]

TOGETHER = 24  # requests that are answered at once: more take longer without more tokens a second


class Kept:
    """Requests with their answers, in a file that only grows."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        lines = path.read_text().splitlines() if path.exists() else []
        self._answers = {_key(line["request"]): str(line["answer"]) for line in map(json.loads, lines)}

    def find(self, body: Json) -> str | None:
        """What was answered before."""
        return self._answers.get(_key(body))

    def add(self, body: Json, text: str) -> None:
        """Write an answer down."""
        with self._lock, self._path.open("a") as file:
            self._answers[_key(body)] = text
            file.write(json.dumps({"request": body, "answer": text}) + "\n")


def _key(body: Json) -> str:
    return json.dumps(body, sort_keys=True)


class Answering:
    """Kept answers, and a thread with the model for all others."""

    def __init__(self, kept: Kept, model: Path | None) -> None:
        self._kept, self._model = kept, model
        self._waiting: queue.SimpleQueue[tuple[Json, Future[Answer]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def ask(self, body: Json) -> Answer:
        """Raises LookupError where there is neither an answer nor a model."""
        said = self._kept.find(body)
        if said is not None:
            return Answer(said, True, 0, 0)
        if self._model is None:
            raise LookupError("no answer to this request is kept: give --generator-model")
        future: Future[Answer] = Future()
        self._waiting.put((body, future))
        return future.result()

    def close(self) -> None:
        """Nothing is answered any more."""
        self._waiting.put(None)
        self._thread.join()

    def _work(self) -> None:
        decoder: Decoder | None = None
        while (first := self._waiting.get()) is not None:
            together = [first]
            while len(together) < TOGETHER and (more := self._soon()) is not None:
                together.append(more)
            assert self._model is not None
            try:
                decoder = decoder or Decoder(self._model)
                self._answer(decoder, together)
            except Exception as error:  # a folder that is no model, memory: whoever waits is told
                for _, future in together:
                    future.set_exception(RuntimeError(f"{self._model}: {error}"))

    def _soon(self) -> tuple[Json, Future[Answer]] | None:
        try:
            return self._waiting.get(timeout=0.2)
        except queue.Empty:
            return None

    def _answer(self, decoder: Decoder, asked: Sequence[tuple[Json, Future[Answer]]]) -> None:
        found = decoder.answers([body for body, _ in asked])
        for (body, future), answer in zip(asked, found, strict=True):
            self._kept.add(body, answer.text)
            future.set_result(answer)


@contextmanager
def served(kept: Path, model: Path | None) -> Iterator[str]:
    """Base URL of the endpoint; the model's folder is read once the first answer is missing."""
    answering = Answering(Kept(kept), model)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            try:
                answer = answering.ask(body)
            except (LookupError, RuntimeError) as error:
                status = 404 if isinstance(error, LookupError) else 500
                reply(self, status, {"error": {"message": str(error)}})
                return
            finish = "stop" if answer.finished else "length"
            reply(self, 200, completion(answer.text, finish, (answer.prompt_tokens, answer.tokens)))

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    try:
        with serving(Handler) as url:
            yield url
    finally:
        answering.close()
