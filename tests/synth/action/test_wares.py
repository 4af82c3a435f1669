"""Goods of FPHA: sizes as in reality, held where a hand can."""

import numpy as np
import pytest

from palmar.data import fpha
from palmar.synth.action import wares


@pytest.mark.parametrize("noun", wares.WARES)
def test_a_thing_is_as_large_as_it_is_drawn(noun):
    thing = wares.WARES[noun](np.random.default_rng(4))
    drawn = thing.mesh(np.zeros(thing.freedoms)).vertices
    assert 0.01 < thing.thing.size.max() < 0.33
    np.testing.assert_allclose(np.ptp(drawn, axis=0), thing.thing.size, atol=0.004)
    for way in thing.ways.values():
        turn = way.frame[:3, :3]
        np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-9)
        assert np.linalg.det(turn) > 0


@pytest.mark.parametrize("noun", ["juice bottle", "liquid soap"])
def test_bottles_have_the_sizes_of_the_models(noun):
    low, high = np.array(fpha.BOXES[noun.split(" bottle")[0].replace(" ", "_")])
    body, radius, cap, _ = wares.CAPPED[noun](np.random.default_rng(5))
    assert body.mouth < radius
    tall = body.thing.size[1] + 0.6 * cap
    assert tall == pytest.approx(np.max(high - low), rel=0.12)
