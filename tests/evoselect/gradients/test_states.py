"""Hidden states beside gradients: the same as alone, the same as by definition."""

from typing import Any

import pytest
import torch

from evoselect.gradients.extractor import make_extractor
from evoselect.gradients.passes import mean_hidden_state
from evoselect.representations.shards import combine, condition
from evoselect.spec.features import FeatureSpec
from tests.evoselect.representations.test_conditioning import features
from tests.evoselect.tiny import ARCHITECTURES, examples, tiny_model


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("weighting", ["mean", "position"])
def test_a_gradients_pass_gives_the_states_of_a_pass_for_them_alone(
    architecture: str, weighting: Any
) -> None:
    model, batch = tiny_model(architecture), examples(9)
    alone = torch.cat([mean_hidden_state(model, [example], weighting) for example in batch])
    torch.testing.assert_close(mean_hidden_state(model, batch, weighting), alone, rtol=1e-4, atol=1e-5)
    for positions in ("answer", "all"):
        settings = {"positions": positions, "hidden_weighting": weighting}
        spec = FeatureSpec.model_validate({"kind": "combined", **settings})
        found = make_extractor(model, spec)(batch)
        gradients = make_extractor(model, spec.model_copy(update={"kind": "gradient"}))(batch)
        assert found.hidden is not None
        torch.testing.assert_close(found.hidden, alone, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(found.values, gradients.values)
        torch.testing.assert_close(found.nll, gradients.nll)
        assert gradients.hidden is None


def test_content_alone_is_matched_by_both_unless_a_kind_is_named() -> None:
    assert FeatureSpec().kind == "gradient"
    assert FeatureSpec(match="content").kind == "combined"
    assert FeatureSpec(match="content", kind="gradient").kind == "gradient"


def test_the_weights_are_those_of_the_definition() -> None:
    model, example = tiny_model(), examples(3)[2]
    with torch.no_grad():
        hidden = model.model(input_ids=torch.tensor([example.ids[:-1]])).last_hidden_state[0]
    places = torch.arange(1, len(hidden) + 1)
    by_place = (hidden * places[:, None]).sum(0) / places.sum()
    torch.testing.assert_close(
        mean_hidden_state(model, [example], "position")[0], by_place, rtol=1e-4, atol=1e-5
    )
    torch.testing.assert_close(mean_hidden_state(model, [example])[0], hidden.mean(0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["none", "centred", "whitened"])
def test_a_cosine_of_both_is_the_weighted_mean_of_their_cosines(kind: str) -> None:
    spec = FeatureSpec.model_validate({"kind": "combined", "hidden_share": 0.3, "hidden_conditioning": kind})
    pool, target = features(30), features(5, seed=1)
    states = features(30, 1, 6, seed=2)[:, 0], features(5, 1, 6, seed=3)[:, 0]
    rows, wanted = combine(pool, target, states, spec)
    first = condition(pool, target, spec)
    alone = spec.model_copy(update={"conditioning": kind})
    second = condition(states[0][:, None], states[1][:, None], alone)
    expected = 0.7 * first[0] @ first[1].T + 0.3 * second[0] @ second[1].T
    torch.testing.assert_close(rows @ wanted.T, expected)
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(30))
