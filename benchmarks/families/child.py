"""What the process does that jobs run in."""

import resource
from dataclasses import asdict
from typing import Any

from benchmarks.families.check import check
from benchmarks.families.table import FAMILIES, network
from evoselect.gradients.extractor import GradientExtractor
from evoselect.spec.features import FeatureSpec
from workers.process import memory

LITTLE = 2**26  # bytes that the sketches may take of the machine
WIDE: dict[str, Any] = {"sketch_in": 128, "sketch_out": 128, "dim": 2**15}


def compare(name: str) -> dict[str, Any]:
    """The finding of a family."""
    return asdict(check(name))


def ask_too_much(name: str) -> None:
    """Sketches of some 100 MB each where LITTLE may be taken: they must fail, and the process must not."""
    family = FAMILIES[name]
    model = network(family, 300).requires_grad_(False)
    before = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (memory.data_bytes() + LITTLE, before[1]))
    try:
        GradientExtractor(model, FeatureSpec(modules=family.modules, **WIDE))
    except (RuntimeError, MemoryError) as error:
        if not memory.exhausted(error):
            raise
    else:
        raise AssertionError("the bound on memory did not hold")
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)
