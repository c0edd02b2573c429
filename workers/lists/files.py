"""What select worker and feature workers leave for each other, as files of tensors."""

import hashlib
import json
import platform
from collections.abc import Mapping

import torch
from safetensors.torch import load, save
from torch import Tensor

from store.artifacts import StoredFile
from store.kit.json import Json
from workers.process.work import Work

LISTS_VERSION = 3  # raise with every change of what sums or lists hold
KIND = f"{LISTS_VERSION} cpu {platform.machine()} torch {torch.__version__.partition('+')[0]}"
"""Of release and device: lists of another kind may differ in their last bits."""


def put(work: Work, named: Mapping[str, Tensor]) -> StoredFile:
    """Store the tensors; equal ones have an equal name and hash."""
    folder = f"{work.claim.tenant_id}/lists"
    return work.context.artifacts.put_bytes(folder, save(dict(named)), ".safetensors").reference()


def get(work: Work, stored: StoredFile) -> dict[str, Tensor]:
    """The tensors; raises ArtifactCorrupt where the file is missing or was changed."""
    found: dict[str, Tensor] = load(work.context.artifacts.get_bytes(stored.path, stored.sha256))
    return found


def digest(value: Json) -> str:
    """Hash of something that JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def digest_of(*tensors: Tensor) -> str:
    """Hash of the bits of tensors of any shape, on the CPU."""
    whole = hashlib.sha256()
    for tensor in tensors:
        whole.update(tensor.contiguous().numpy().tobytes())
    return whole.hexdigest()
