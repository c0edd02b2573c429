"""Hugging Face Hub: candidates from a dataset's files, a selection as a dataset.

from evoselect_client import Client
from evoselect_client.integrations.hf_hub import add_dataset, push_selection

with Client() as client:
    target, pool = client.targets.create("target.jsonl"), client.pools.create(name="org/raw")
    add_dataset(pool, "org/raw", files="data/*.jsonl")
    selection = client.selections.create(target_id=target.id, pool_id=pool.id, ratio=0.25).wait()
    print(push_selection(selection, "org/picked"))
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from evoselect_client.errors import BadInputError
from evoselect_client.integrations import needed
from evoselect_client.integrations.selecting import summary
from evoselect_client.models import Pool, Selection, Upload

with needed("hub"):
    from huggingface_hub import CommitOperationAdd, HfApi

DATASET = "dataset"
ROWS = "train.jsonl"
CARD = """---
tags: [evoselect]
configs:
- config_name: default
  data_files: {rows}
---

{count:,} examples that EvoSelect picked (`{id}`); `evoselect.json` has the request and the numbers.
"""


def add_dataset(
    pool: Pool,
    repo_id: str,
    *,
    files: str,
    revision: str | None = None,
    api: HfApi | None = None,
    **reading: Any,
) -> dict[str, Upload]:
    """Add the files of a dataset whose names match `files`, as "data/*.jsonl"; what became of each, by name.

    All are of one commit, that of `revision`. Called again, it sends only what has not arrived. Token and
    address are those of `api`, by default HF_TOKEN and HF_ENDPOINT here; the service never sees them.
    `reading` is that of `pools.add`. BadInputError where no file matches.
    """
    api = api or HfApi()
    info = api.dataset_info(repo_id, revision=revision)
    held = [one.rfilename for one in info.siblings or []]
    names = sorted(name for name in held if fnmatchcase(name, files))
    if not names:
        raise BadInputError(
            f"no file of {repo_id} matches {files!r}; it has {', '.join(held)[:200] or 'none'}"
        )
    return {name: _add(pool, repo_id, name, commit=info.sha, api=api, reading=reading) for name in names}


def _add(
    pool: Pool, repo_id: str, name: str, *, commit: str | None, api: HfApi, reading: dict[str, Any]
) -> Upload:
    path = api.hf_hub_download(repo_id, name, repo_type=DATASET, revision=commit)
    upload_id = hashlib.sha256(f"{repo_id}@{commit}/{name}".encode()).hexdigest()
    return pool.add(path, upload_id=upload_id, **reading)


def push_selection(
    selection: Selection,
    repo_id: str,
    *,
    private: bool = True,
    revision: str | None = None,
    api: HfApi | None = None,
) -> str:
    """Write the selected rows into a dataset as train.jsonl, in one commit; its address.

    The dataset is made where there is none, private unless `private` is False. Beside the rows stand
    evoselect.json, with the request and the numbers, and a card where there was none. Token and address as
    of `add_dataset`.
    """
    api = api or HfApi()
    api.create_repo(repo_id, repo_type=DATASET, private=private, exist_ok=True)
    told = {"selection_id": selection.id, "request": selection.request, "numbers": summary(selection)}
    with tempfile.TemporaryDirectory() as folder:
        rows = selection.to_jsonl(Path(folder) / ROWS)
        contents: dict[str, Any] = {ROWS: rows, "evoselect.json": json.dumps(told, indent=2).encode()}
        if not api.file_exists(repo_id, "README.md", repo_type=DATASET, revision=revision):
            count = rows.read_bytes().count(b"\n")
            contents["README.md"] = CARD.format(rows=ROWS, count=count, id=selection.id).encode()
        done = api.create_commit(
            repo_id,
            [CommitOperationAdd(name, content) for name, content in contents.items()],
            commit_message=f"The rows of {selection.id}",
            repo_type=DATASET,
            revision=revision,
        )
    return str(done.commit_url)
