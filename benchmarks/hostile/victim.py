"""The second tenant: it polls, uploads, and waits for a small selection, and remembers what was accepted."""

import hashlib
import itertools
import os
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import httpx

POLL_SECONDS = 0.2  # between two looks
UPLOAD_SECONDS = 2.0  # between two uploads
ANSWER_SECONDS = 60.0
TARGETS, CANDIDATES, K = 2, 8, 2
FRESH = itertools.count()
BINARY = {"Content-Type": "application/octet-stream"}


@dataclass
class Seen:
    """What happened to the tenant beside one attack."""

    longest_wait: float = 0.0
    """Seconds of its slowest GET."""
    failures: list[str] = field(default_factory=list)
    seconds: float | None = None
    """Until its selection was completed; None where it was not."""


class Victim:
    """One tenant with one key."""

    def __init__(self, url: str, key: str) -> None:
        self._client = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=ANSWER_SECONDS
        )
        self._files: dict[str, str] = {}  # sha256 by id
        self._jobs: list[str] = []

    def beside(self, *, at_least: float, at_most: float) -> Seen:
        """Do everything until the selection is done and `at_least` seconds are over."""
        seen, over = Seen(), threading.Event()
        threads = [threading.Thread(target=work, args=(seen, over)) for work in (self._poll, self._upload)]
        for thread in threads:
            thread.start()
        start = time.monotonic()
        try:
            seen.seconds = self._select(seen, start + at_most)
            time.sleep(max(0.0, start + at_least - time.monotonic()))
        finally:
            over.set()
            for thread in threads:
                thread.join()
        return seen

    def lost(self) -> list[str]:
        """Of all that was ever accepted, what is not there now."""
        missing = []
        for file_id, digest in self._files.items():
            answer = self._client.get(f"/v1/files/{file_id}/content")
            if hashlib.sha256(answer.content).hexdigest() != digest:
                missing.append(file_id)
        for job_id in self._jobs:
            answer = self._client.get(f"/v1/selections/{job_id}/items")
            if not answer.is_success or len(answer.json()["data"]) != K:
                missing.append(job_id)
        return missing

    def _select(self, seen: Seen, deadline: float) -> float | None:
        start, run = time.monotonic(), next(FRESH)
        words = [f"{run} and {number}" for number in range(TARGETS + CANDIDATES)]
        records = [{"prompt": f"What comes after {text}?", "completion": text} for text in words]
        body = {"target": records[:TARGETS], "candidates": records[TARGETS:], "k": K}
        made = self._call(seen, "POST", "/v1/selections", json=body)
        while made is not None and time.monotonic() < deadline:
            look = self._call(seen, "GET", f"/v1/selections/{made['id']}")
            if look is not None and look["status"] == "completed":
                self._jobs.append(made["id"])
                return time.monotonic() - start
            time.sleep(POLL_SECONDS)
        seen.failures.append("the selection was not completed")
        return None

    def _poll(self, seen: Seen, over: threading.Event) -> None:
        while not over.wait(POLL_SECONDS):
            self._call(seen, "GET", "/v1/pools?limit=5")

    def _upload(self, seen: Seen, over: threading.Event) -> None:
        while not over.wait(UPLOAD_SECONDS):
            content = os.urandom(100_000)
            made = self._call(seen, "POST", "/v1/files", content=content, headers=BINARY)
            if made is not None:
                self._files[made["id"]] = hashlib.sha256(content).hexdigest()

    def _call(self, seen: Seen, method: str, path: str, **options: Any) -> dict[str, Any] | None:
        start = time.monotonic()
        try:
            answer = self._client.request(method, path, **options)
        except httpx.HTTPError as error:
            seen.failures.append(f"{method} {path}: {type(error).__name__}")
            return None
        finally:
            if method == "GET":
                seen.longest_wait = max(seen.longest_wait, time.monotonic() - start)
        if not answer.is_success:
            seen.failures.append(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
            return None
        found: dict[str, Any] = answer.json()
        return found
