"""What a family's own process does."""

import resource
from dataclasses import asdict
from typing import Any

from benchmarks.families.check import check
from benchmarks.families.table import FAMILIES, network
from evoselect.gradients.extractor import GradientExtractor
from evoselect.spec.features import FeatureSpec
from workers import memory

LITTLE = 2**26  # bytes that the sketches may take of the machine


def compare(name: str) -> dict[str, Any]:
    """The finding of a family."""
    return asdict(check(name))


def ask_too_much() -> None:
    """Sketches of 1 GB in a process that may take LITTLE: they must fail, and the process must not."""
    model = network(FAMILIES["llama-2"], 300).requires_grad_(False)
    limit = memory.data_bytes() + LITTLE
    resource.setrlimit(resource.RLIMIT_DATA, (limit, resource.RLIM_INFINITY))
    try:
        GradientExtractor(model, FeatureSpec(sketch_in=64, sketch_out=64, dim=2**16))
    except (RuntimeError, MemoryError) as error:
        if not memory.exhausted(error):
            raise
    else:
        raise AssertionError("the bound on memory did not hold")
