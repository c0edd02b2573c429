"""Small stand-ins for the Hugging Face Hub and for Argilla's server, as far as their packages ask them."""

import base64
import hashlib
import json
import uuid
from dataclasses import dataclass, field
from typing import Any

from tests_integrations.loopback import Answer, Asked

KEY = "key-of-the-tests"


@dataclass
class Hub:
    """Datasets with one branch; a commit is a copy of all files. Private ones need the token."""

    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    private: set[str] = field(default_factory=set)
    commits: list[str] = field(default_factory=list)
    refused: int = 0

    def __call__(self, asked: Asked) -> Answer:
        if asked.headers.get("Authorization") != f"Bearer {KEY}":
            self.refused += 1
            return Answer({"error": "Invalid username or password."}, 401)
        if asked.path == "/api/repos/create":
            return self._create(asked.json())
        if asked.path == "/api/validate-yaml":
            return Answer({"errors": [], "warnings": []})
        kind, _, rest = asked.path.lstrip("/").removeprefix("api/").partition("/")
        owner, name, *left = rest.split("/")
        repo = f"{owner}/{name}"
        if kind != "datasets" or repo not in self.files:
            return Answer({"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"})
        if left[:1] == ["resolve"]:
            return self._file(repo, "/".join(left[2:]))
        if left[:1] == ["preupload"]:
            modes = [
                {"path": one["path"], "uploadMode": "regular", "shouldIgnore": False, "oid": None}
                for one in asked.json()["files"]
            ]
            return Answer({"files": modes})
        if left[:1] == ["commit"]:
            return self._commit(repo, asked.body)
        names = [{"rfilename": name} for name in self.files[repo]]
        return Answer({"id": repo, "sha": self.sha(repo), "siblings": names, "private": True, "tags": []})

    def sha(self, repo: str) -> str:
        """The commit that the files are of."""
        return hashlib.sha1(repr(sorted(self.files[repo].items())).encode()).hexdigest()

    def _create(self, body: dict[str, Any]) -> Answer:
        repo = f"{body['organization']}/{body['name']}" if body.get("organization") else body["name"]
        status = 409 if repo in self.files else 200
        self.files.setdefault(repo, {})
        if body.get("private") or body.get("visibility") == "private":
            self.private.add(repo)
        return Answer({"url": f"hub/datasets/{repo}", "name": repo}, status)

    def _file(self, repo: str, name: str) -> Answer:
        content = self.files[repo].get(name)
        if content is None:
            return Answer({"error": "Entry not found"}, 404, {"X-Error-Code": "EntryNotFound"})
        etag = hashlib.sha1(content).hexdigest()
        return Answer(content, headers={"ETag": f'"{etag}"', "X-Repo-Commit": self.sha(repo)})

    def _commit(self, repo: str, body: bytes) -> Answer:
        for line in map(json.loads, body.splitlines()):
            if line["key"] == "file":
                self.files[repo][line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            elif line["key"] == "header":
                self.commits.append(line["value"]["summary"])
        sha = self.sha(repo)
        return Answer({"success": True, "commitOid": sha, "commitUrl": f"hub/datasets/{repo}/commit/{sha}"})


@dataclass
class Argilla:
    """Keeps what is made under each path of a collection, as JSON."""

    made: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    records: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.made["workspaces"] = [_with_id({"name": "people"})]

    def __call__(self, asked: Asked) -> Answer:
        if asked.headers.get("X-Argilla-Api-Key") != KEY:
            return Answer({"detail": "unauthorized"}, 401)
        path = asked.path.removeprefix("/api/v1/").removeprefix("me/")
        if path == "/api/v1/me" or path == "me":
            return Answer(_with_id({"username": "ada", "role": "owner", "first_name": "Ada"}))
        if path.endswith("/records/bulk"):
            return self._log(asked.json()["items"])
        if asked.method == "POST":
            value = _with_id({**asked.json(), "settings": asked.json().get("settings", {})})
            self.made.setdefault(path, []).append(value)
            return Answer(value, 201)
        noun, _, left = path.partition("/")
        if asked.method == "PUT" or (left and "/" not in left):
            (one,) = (value for value in self.made[noun] if value["id"] == left.partition("/")[0])
            if asked.method == "PUT":
                one["status"] = "ready"
            return Answer(one)
        return Answer({"items": self.made.get(path, [])})

    def _log(self, items: list[dict[str, Any]]) -> Answer:
        known = self.records.keys() & {item["external_id"] for item in items}
        for item in items:
            held = self.records.get(item["external_id"], {})
            item["id"] = held.get("id") or str(uuid.uuid4())
            self.records[item["external_id"]] = item
        changed = [self.records[name]["id"] for name in known]
        full = [{"status": "pending", "responses": [], "suggestions": [], **item} for item in items]
        return Answer({"items": full, "updated_item_ids": changed})


def _with_id(value: dict[str, Any]) -> dict[str, Any]:
    at = "2026-01-01T00:00:00"
    return {**value, "id": str(uuid.uuid4()), "inserted_at": at, "updated_at": at}
