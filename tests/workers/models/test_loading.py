"""The registry and the loading of models: pinned, safetensors only, hashes checked, offline."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn.functional import cross_entropy
from transformers import BertConfig, BertLMHeadModel, MambaConfig, MambaForCausalLM

from evoselect.spec.features import FeatureSpec
from evoselect.spec.training import EvaluationSpec
from store.errors import Invalid
from store.models.allow_list import BUILT_IN, BadModelList, UnknownModel, find, models
from tests.workers import odd_models
from tests.workers.proxy import ALIAS, record, register, write_proxy
from workers.evaluations.records import evaluate
from workers.features.compute import compute_features
from workers.models.loading import MANIFEST, ModelUnavailable, load
from workers.phases.features import require_cache

SMALL: dict[str, Any] = {
    "vocab_size": 640,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "initializer_range": 0.3,
}


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


def test_a_weight_that_no_file_has_is_missed_and_not_drawn_at_random(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_proxy(tmp_path / "holed")
    register(folder, monkeypatch)
    weights = load_file(folder / "model.safetensors")
    gone = "model.layers.1.mlp.up_proj.weight"
    save_file({name: one for name, one in weights.items() if name != gone}, folder / "model.safetensors")
    with pytest.raises(ModelUnavailable, match=rf"lack 1 weights of the model, such as {gone}"):
        load(ALIAS)


def test_a_folder_that_transformers_cannot_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_proxy(tmp_path / "odd")
    register(folder, monkeypatch)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "unheard_of"}))
    with pytest.raises(
        ModelUnavailable, match=r"odd cannot be loaded as a causal language model \(ValueError"
    ):
        load(ALIAS)
    (folder / "config.json").write_text(json.dumps(config))
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ModelUnavailable, match="cannot be loaded"):
        load(ALIAS)


def test_a_model_that_is_read_in_both_directions_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided = SMALL | {"initializer_range": 2.0}  # 3 nats apart; in bfloat16 0.2 would be taken for rounding
    config = BertConfig(**decided, intermediate_size=24, num_attention_heads=2)
    register(odd_models.write(tmp_path / "both", model=BertLMHeadModel(config)), monkeypatch)
    with pytest.raises(ModelUnavailable, match="model 'tiny' is not causal"):
        load(ALIAS)


def test_a_model_without_a_cache_of_prompts_is_scored_and_its_gradients_ask_for_other_positions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    folder = odd_models.write(tmp_path / "mamba", model=MambaForCausalLM(MambaConfig(**SMALL, state_size=4)))
    register(folder, monkeypatch)
    with pytest.raises(ModelUnavailable, match="does not say how long a text may be"):
        load(ALIAS)
    source = {"kind": "folder", "location": str(folder), "window": 64}
    (tmp_path / "windowed.json").write_text(json.dumps({ALIAS: source}))
    monkeypatch.setenv("EVOSELECT_MODELS", str(tmp_path / "windowed.json"))
    loaded = load(ALIAS, dtype="float32")
    one = record("Answer:", " Paris")
    [row] = evaluate([one], loaded, EvaluationSpec(), progress=lambda done: None).rows
    before, whole = (loaded.tokenizer(text)["input_ids"] for text in ("Answer:", "Answer: Paris"))
    with torch.no_grad():
        logits = loaded.model(input_ids=torch.tensor([whole])).logits[0]
    wanted = cross_entropy(logits[len(before) - 1 : -1], torch.tensor(whole[len(before) :]))
    assert row.answer_nll == pytest.approx(float(wanted), rel=1e-4)
    with pytest.raises(
        Invalid, match=r"set features\.positions to all, or features\.kind to hidden"
    ) as refused:
        require_cache(loaded, FeatureSpec())
    assert refused.value.code == "no_prompt_cache"
    spec = FeatureSpec(positions="all")
    require_cache(loaded, spec)
    assert compute_features([one], loaded, spec, progress=lambda done: None).status == ["ok"]


@pytest.mark.slow
def test_the_default_proxy_is_converted_once_and_speaks() -> None:
    loaded = load("smollm2-135m-instruct", dtype="float32")
    ids = loaded.tokenizer("The capital of France is", return_tensors="pt")
    answer = loaded.model.generate(**ids, max_new_tokens=1, do_sample=False)[0, -1]
    assert loaded.tokenizer.decode(answer) == " Paris"
    assert sum(weight.numel() for weight in loaded.model.parameters()) == 134_515_008
    assert load("smollm2-135m-instruct", dtype="float32").fingerprint == loaded.fingerprint
