"""Models of many families: what is read, scored and seen of them is what transformers and TRL make of it."""

import re
from typing import Any

import pytest
import torch

from benchmarks.families.check import check
from benchmarks.families.table import FAMILIES, network
from evoselect.gradients.examples import Example
from evoselect.gradients.extractor import GradientExtractor
from evoselect.spec.features import FeatureSpec
from tests.evoselect.gradients.test_extractor import reference_loss, sketched

MATRICES = re.compile(r"\.\d+\..*\.weight$")


@pytest.mark.parametrize("name", FAMILIES)
def test_ids_masks_and_losses_are_the_libraries_own(name: str) -> None:
    family, found = FAMILIES[name], check(name)
    assert found.masks_equal
    assert found.nll_difference < 1e-5
    assert found.share >= family.share
    assert any("template refuses it" in why for why in found.refused) == family.refuses_system
    assert any("cannot see the experts" in why for why in found.refused) == (family.modules != "*")


@pytest.mark.parametrize("name", FAMILIES)
def test_gradients_of_every_linear_layer_are_autograds(name: str) -> None:
    family = FAMILIES[name]
    model = network(family, 61)
    spec = FeatureSpec(
        kind="combined", positions="all", sketch_in=5, sketch_out=3, dim=8192, modules=family.modules
    )
    extractor = GradientExtractor(model.requires_grad_(False), spec)
    if family.share == 1.0:
        linear = {
            path for path, _ in model.named_parameters() if MATRICES.search(path) and "norm" not in path
        }
        assert {f"{block}.weight" for block in extractor.blocks} == {
            p for p in linear if _is_matrix(model, p)
        }
    batch = [
        Example([1, 2, 3, 4, 5, 6], 2),
        Example([7, 8, 9, 10, 11, 12, 13, 14, 15], 5),
        Example([3, 2], 1),
    ]
    result = extractor(batch)
    found, hidden = result.values, result.hidden
    assert hidden is not None
    for row, example in enumerate(batch):
        with torch.no_grad():
            states = model(
                input_ids=torch.tensor([example.ids[:-1]]), output_hidden_states=True
            ).hidden_states
        torch.testing.assert_close(hidden[row], states[-1][0].mean(0), rtol=1e-4, atol=1e-5)
        expected = sketched(extractor, spec, _gradients(extractor, model, example))
        assert (found[row] - expected).norm() / expected.norm() < 1e-4, row


def _is_matrix(model: Any, path: str) -> bool:
    return bool(model.get_parameter(path).ndim > 1)


def _gradients(extractor: GradientExtractor, model: Any, example: Example) -> list[torch.Tensor]:
    """Weight gradients (in, out) of the chosen layers."""
    weights = [layer.module.weight for layer in extractor.layers]
    for weight in weights:
        weight.requires_grad_(True)
    found = torch.autograd.grad(reference_loss(model, example), weights)
    for weight in weights:
        weight.requires_grad_(False)
    linear = [isinstance(layer.module, torch.nn.Linear) for layer in extractor.layers]
    return [one.T if transposed else one for one, transposed in zip(found, linear, strict=True)]
