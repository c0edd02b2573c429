"""The registry and the loading of models: pinned, safetensors only, hashes checked, offline."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from store.models.allow_list import BUILT_IN, BadModelList, UnknownModel, find, models
from tests.workers.proxy import ALIAS, register, write_proxy
from workers.models.loading import MANIFEST, ModelUnavailable, load


def listing(tmp_path: Path, **entry: object) -> Path:
    path = tmp_path / "models.json"
    path.write_text(json.dumps({"mine": entry}))
    return path


def test_unknown_alias_says_what_there_is() -> None:
    with pytest.raises(UnknownModel, match=r"unknown model 'gpt-9'.*smollm2-135m-instruct"):
        find("gpt-9")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"kind": "hub", "location": "a/b", "revision": "main"}, "pin the commit"),
        ({"kind": "folder", "location": "models/x"}, "absolute path"),
        ({"kind": "wheel", "location": "x", "revision": "1"}, "state revision, file and sha256"),
        ({"kind": "ftp", "location": "x"}, "kind 'ftp'"),
        ({"kind": "folder", "location": "/x", "code": "yes"}, "code"),
    ],
)
def test_a_source_that_is_not_pinned_is_refused(
    tmp_path: Path, entry: dict[str, object], message: str
) -> None:
    with pytest.raises(BadModelList, match=message):
        models(listing(tmp_path, **entry))


def test_operators_models_are_added(tmp_path: Path) -> None:
    known = models(listing(tmp_path, kind="folder", location="/models/mine"))
    assert known.keys() == BUILT_IN.keys() | {"mine"}


def test_a_hub_model_that_is_not_here_is_not_downloaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelUnavailable, match=r"hf download Qwen/Qwen2.5-0.5B-Instruct --revision 7ae55"):
        load("qwen2.5-0.5b-instruct")


def test_pickle_is_refused(proxy_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = shutil.copytree(proxy_folder, tmp_path / "pickled")
    torch.save({}, folder / "pytorch_model.bin")
    register(folder, monkeypatch)
    with pytest.raises(ModelUnavailable, match="pickle can run code"):
        load(ALIAS)


def test_a_folder_without_safetensors_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    register(tmp_path / "empty", monkeypatch)
    with pytest.raises(ModelUnavailable, match="no safetensors file"):
        load(ALIAS)
    register(tmp_path / "missing", monkeypatch)
    with pytest.raises(ModelUnavailable, match="does not exist"):
        load(ALIAS)


def test_a_file_changed_after_it_was_written_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_proxy(tmp_path / "changed")
    register(folder, monkeypatch)
    before = load(ALIAS).fingerprint
    weights = bytearray((folder / "model.safetensors").read_bytes())
    manifest = json.dumps({"model.safetensors": "0" * 64})
    weights[-1] ^= 1
    (folder / "model.safetensors").write_bytes(weights)
    assert load(ALIAS).fingerprint != before
    (folder / MANIFEST).write_text(manifest)
    with pytest.raises(ModelUnavailable, match=r"was changed after it was written .*model.safetensors"):
        load(ALIAS)


@pytest.mark.slow
def test_the_default_proxy_is_converted_once_and_speaks() -> None:
    loaded = load("smollm2-135m-instruct", dtype="float32")
    ids = loaded.tokenizer("The capital of France is", return_tensors="pt")
    answer = loaded.model.generate(**ids, max_new_tokens=1, do_sample=False)[0, -1]
    assert loaded.tokenizer.decode(answer) == " Paris"
    assert sum(weight.numel() for weight in loaded.model.parameters()) == 134_515_008
    assert load("smollm2-135m-instruct", dtype="float32").fingerprint == loaded.fingerprint
