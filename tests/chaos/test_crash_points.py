"""Some of the crash points of every life; `python -m tests.chaos` takes all of them."""

import pytest

from tests.chaos.crash_points import LIVES, Scene, crash, points

EVERY = 47  # all of them take ten minutes: `python -m tests.chaos`


@pytest.mark.slow
@pytest.mark.parametrize("life", LIVES)
def test_a_life_that_ends_at_a_step_converges_when_it_is_begun_again(crash_scene: Scene, life: str) -> None:
    listed = points(crash_scene, LIVES[life])
    assert {"before commit", "after commit"} <= {point.step for point in listed}
    broken = [sentence for point in listed[::EVERY] for sentence in crash(crash_scene, point)]
    assert broken == []
