"""Which GPUs a command starts workers for: by a variable, by nvidia-smi's list, by torch."""

import os
from pathlib import Path

import pytest

from embedded import gpus

PLAIN = """\
GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-5c3a8f1e-0000-1111-2222-333344445555)
GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-6c3a8f1e-0000-1111-2222-333344445555)
"""
DIVIDED = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5c3a8f1e-0000-1111-2222-333344445555)
  MIG 3g.20gb     Device  0: (UUID: MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f)
  MIG 4g.20gb     Device  1: (UUID: MIG-cba663e8-9bed-5b25-b243-5985ef7c9beb)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-6c3a8f1e-0000-1111-2222-333344445555)
"""
INSTANCES = ["MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f", "MIG-cba663e8-9bed-5b25-b243-5985ef7c9beb"]


def with_program(folder: Path, printed: str) -> dict[str, str]:
    """An environment with an nvidia-smi that prints this, and no variable."""
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{printed}END\n")
    program.chmod(0o755)
    clean = {name: value for name, value in os.environ.items() if name != gpus.VARIABLE}
    return {**clean, "PATH": f"{folder}:{os.environ['PATH']}"}


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("2,0", ["2", "0"]),
        (" 0, 1 ", ["0", "1"]),
        ("0,-1,1", ["0"]),  # CUDA stops at the first that cannot be
        ("0,0", ["0"]),
        (",".join(INSTANCES), INSTANCES),
        ("GPU-5c3a8f1e,MIG-GPU-5c3a8f1e/3/0", ["GPU-5c3a8f1e", "MIG-GPU-5c3a8f1e/3/0"]),
    ],
)
def test_a_variable_that_is_set_restricts(value: str, found: list[str], tmp_path: Path) -> None:
    assert gpus.visible({**with_program(tmp_path, PLAIN), gpus.VARIABLE: value}) == found


@pytest.mark.parametrize(("printed", "found"), [(PLAIN, ["0", "1"]), (DIVIDED, [*INSTANCES, "1"]), ("", [])])
def test_the_list_of_the_driver_with_the_instances_of_divided_gpus(
    printed: str, found: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = with_program(tmp_path, printed)
    monkeypatch.setenv("PATH", environment["PATH"])  # where the program is looked for
    assert gpus.visible(environment) == found


def test_without_the_program_torch_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torch.py").write_text(
        "class cuda:\n"
        "    is_available = staticmethod(lambda: True)\n"
        "    device_count = staticmethod(lambda: 3)\n"
    )
    monkeypatch.setenv("PATH", str(tmp_path))
    environment = {"PATH": str(tmp_path), "PYTHONPATH": str(tmp_path)}
    assert gpus.visible(environment) == ["0", "1", "2"]
    (tmp_path / "torch.py").write_text("raise OSError('libcuda')\n")
    assert gpus.visible(environment) == []


def test_each_is_tried_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torch.py").write_text(
        "import os\n"
        "class cuda:\n"
        "    is_available = staticmethod(lambda: os.environ['CUDA_VISIBLE_DEVICES'] != '1')\n"
        "    device_count = staticmethod(lambda: 1)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert gpus.unusable(["0", "1", "MIG-c6d4f1ef"]) == ["1"]
