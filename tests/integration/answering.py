"""Generator and judge in a process that can be killed: python answering.py PORT LOG, standard library alone.

A line of the log for each request, as it comes: generate or judge. Answers follow from the request.
"""

import json
import re
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ANSWER_SECONDS = 0.4  # so that a kill falls into a request


def answer(body: dict[str, Any]) -> str:
    """Two sums, of which one may be wrong; or whether one that is shown is right."""
    text = body["messages"][-1]["content"]
    if "What is right" in text:
        shown = json.loads(text.rpartition("\n")[2])
        first, second = map(int, re.findall(r"\d+", shown["prompt"]))
        return json.dumps({"score": float(first + second == int(shown["completion"]))})
    first, second = body["seed"] % 900, body["seed"] % 77
    rows = ((first, second, first + second), (second, first + 1, first + second + body["seed"] % 2))
    return "\n".join(json.dumps({"prompt": f"{a} + {b} =", "completion": f" {said}"}) for a, b, said in rows)


def main(port: int, log: Path) -> None:
    """Serve until the process is ended."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            kind = "judge" if "What is right" in body["messages"][-1]["content"] else "generate"
            with log.open("a") as file:
                file.write(f"{kind}\n")
            time.sleep(ANSWER_SECONDS)
            choice = {"message": {"content": answer(body)}, "finish_reason": "stop"}
            content = json.dumps({"choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": 9}})
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content.encode())

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
