"""An OpenAI-compatible server on loopback: scripted to misbehave, or over a real model in its own process."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]


@dataclass
class Script:
    """What the server does with its requests, one after the other; the last line is repeated."""

    lines: list[Any]
    """A text is a good answer, a number a status, a dict a whole body, a function gets the handler."""
    bodies: list[Json] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self, body: Json, key: str | None) -> Any:
        with self.lock:
            self.bodies.append(body)
            self.keys.append(key)
            return self.lines.pop(0) if len(self.lines) > 1 else self.lines[0]


def completion(text: str, finish: str = "stop", tokens: tuple[int, int] = (10, 20)) -> Json:
    """A body as OpenAI sends it."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
    usage = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "total_tokens": sum(tokens)}
    return {"id": "chatcmpl-1", "object": "chat.completion", "choices": [choice], "usage": usage}


@contextmanager
def scripted(*lines: Any) -> Iterator[tuple[str, Script]]:
    """(base URL, script) of a server that does these things."""
    script = Script(list(lines))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            line = script.next(body, self.headers["Authorization"])
            if callable(line):
                line(self)
            elif isinstance(line, int):
                reply(self, line, {"error": {"message": f"status {line}, key {script.keys[-1]}"}})
            else:
                reply(self, 200, line if isinstance(line, dict) else completion(line))

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with serving(Handler) as url:
        yield url, script


def reply(handler: BaseHTTPRequestHandler, status: int, body: Json, **headers: str) -> None:
    """A whole JSON answer."""
    content = json.dumps(body).encode()
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(content)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(content)


def hang(seconds: float) -> Callable[[BaseHTTPRequestHandler], None]:
    """Begin an answer and send nothing more for a while."""

    def begin(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.flush()
        time.sleep(seconds)

    return begin


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler], port: int = 0) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def main() -> None:
    """Serve a real model; prints the base URL, and ends with its parent's pipe."""
    import sys

    import torch

    from workers.models.loading import load

    loaded = load(os.environ.get("SERVED_MODEL", "smollm2-135m-instruct"))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            torch.manual_seed(body.get("seed", 0))
            ids: Any = loaded.tokenizer.apply_chat_template(
                body["messages"], add_generation_prompt=True, return_tensors="pt", return_dict=True
            )
            with torch.no_grad():
                made = loaded.model.generate(
                    **ids,
                    max_new_tokens=body["max_tokens"],
                    do_sample=body["temperature"] > 0,
                    temperature=body["temperature"] or None,
                    pad_token_id=loaded.tokenizer.eos_token_id,
                )
            start = ids["input_ids"].shape[1]
            new = made[0, start:]
            finish = "length" if len(new) >= body["max_tokens"] else "stop"
            text = str(loaded.tokenizer.decode(new, skip_special_tokens=True))
            reply(self, 200, completion(text, finish, (start, len(new))))

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with serving(Handler) as url:
        print(url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
