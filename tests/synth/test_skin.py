"""Skin: pigments, tones, and what `paint` does where the masks say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palmar.errors import PalmarError
from palmar.synth.skin import MASKS, albedo, monk_luminance, monk_tone, paint, sample_cloth, sample_skin

LUMINANCE = np.array([0.2126, 0.7152, 0.0722])


def patch(count: int = 400, seed: int = 0) -> np.ndarray:
    """Points on something of a hand's size, metres."""
    return np.random.default_rng(seed).uniform((-0.18, -0.02, -0.05), (0.03, 0.02, 0.05), (count, 3))


@pytest.mark.parametrize(
    ("fm", "fb", "rgb"),
    [  # of the full chain, before folding and without the floor, to two decimals
        (0.02, 0.010, (0.49, 0.34, 0.27)),
        (0.06, 0.010, (0.45, 0.29, 0.20)),
        (0.12, 0.012, (0.38, 0.20, 0.11)),
        (0.20, 0.012, (0.31, 0.14, 0.06)),
        (0.25, 0.010, (0.28, 0.12, 0.04)),
    ],
)
def test_albedo_is_that_of_the_pigments(fm, fb, rgb):
    np.testing.assert_allclose(albedo(fm, fb) - 0.015, rgb, atol=0.017)  # fit 0.012, rounding 0.005


@given(fm=st.floats(0.01, 0.44), fb=st.floats(0.002, 0.049), step=st.floats(1e-3, 1e-2))
def test_more_pigment_is_darker_and_blood_leaves_red(fm, fb, step):
    before = albedo(fm, fb)
    assert (albedo(fm + step, fb) < before).all()
    bled = (albedo(fm, fb + step) - 0.015) / (before - 0.015)  # less the floor, which has no colour
    assert (bled < 1).all()
    assert bled[0] > bled[1]
    assert bled[0] > bled[2]


def test_tones_are_equally_covered():
    rng = np.random.default_rng(5)
    skins = [sample_skin(rng) for _ in range(2000)]
    measured = np.array([monk_tone(skin.base) for skin in skins])
    assert (measured == [skin.tone for skin in skins]).all()
    counts = np.bincount(measured, minlength=11)[1:]
    # Chi-square with 9 degrees of freedom; 27.9 is its 0.1 % point.
    assert ((counts - 200) ** 2 / 200).sum() < 27.9


def test_monk_scale_runs_from_light_to_dark():
    level = monk_luminance()
    assert level.max() == level[0]
    assert (np.diff(level[2:]) < 0).all()
    assert monk_tone(np.array([0.035, 0.03, 0.025])) >= 9


@pytest.mark.parametrize("tone", range(1, 11))
def test_a_tone_can_be_asked_for(tone):
    assert monk_tone(sample_skin(np.random.default_rng(tone), tone=tone).base) == tone


def test_palms_of_dark_hands_are_light():
    points, masks = patch(), {"palm": np.repeat([1.0, 0.0], 200)}
    for seed in range(20):
        skin = sample_skin(np.random.default_rng(seed), tone=8 + seed % 3, gloves=0.0, painted=0.0)
        seen = paint(skin, masks, points).albedo @ LUMINANCE
        assert seen[:200].mean() > 1.5 * seen[200:].mean()


def test_tips_are_redder():
    points, masks = patch(), {"tip": np.repeat([1.0, 0.0], 200)}
    for seed in range(20):
        skin = sample_skin(np.random.default_rng(seed), tone=1 + seed % 6, gloves=0.0, painted=0.0)
        points[200:] = points[:200]  # the same fields, so that only the mask differs
        seen = paint(skin, masks, points).albedo
        assert ((seen[:200, 0] / seen[:200, 1]) > (seen[200:, 0] / seen[200:, 1])).all()


def test_nails_shine():
    skin = sample_skin(np.random.default_rng(1), gloves=0.0, painted=0.0)
    painted = paint(skin, {"nail": np.repeat([1.0, 0.0], 200)}, patch())
    assert painted.specular[:200].min() > painted.specular[200:].max()


@pytest.mark.parametrize("name", MASKS)
def test_every_mask_matters_only_where_it_is(name):
    points = patch()
    rng = np.random.default_rng(11)
    skins = [sample_skin(rng, gloves=0.0, painted=0.0) for _ in range(40)]
    half = np.repeat([1.0, 0.0], 200)
    changed = False
    for skin in skins:
        plain, masked = paint(skin, {}, points), paint(skin, {name: half}, points)
        np.testing.assert_allclose(masked.albedo[200:], plain.albedo[200:], rtol=1e-5)
        np.testing.assert_allclose(masked.roughness[200:], plain.roughness[200:], rtol=1e-5)
        changed |= not np.allclose(plain.albedo[:200], masked.albedo[:200], rtol=1e-2)
    assert changed


def test_gloves_leave_the_forearm_bare_and_fingerless_ones_the_tips():
    points, masks = (
        patch(),
        {"forearm": np.repeat([1.0, 0.0, 0.0, 0.0], 100), "tip": np.repeat([0.0, 0.0, 1.0, 0.0], 100)},
    )
    seen = set()
    for seed in range(60):
        skin = sample_skin(np.random.default_rng(seed), gloves=1.0)
        assert skin.cover is not None
        colour, cloth = paint(skin, masks, points).albedo, skin.cover.paint(points)
        np.testing.assert_allclose(colour[100:200], cloth[100:200], atol=1e-6)
        assert np.abs(colour[:100] - cloth[:100]).max() > 1e-3
        assert (np.abs(colour[200:300] - cloth[200:300]).max() > 1e-3) == skin.fingerless
        seen.add(skin.fingerless)
    assert seen == {False, True}


def test_shares_of_gloves_and_paint():
    rng = np.random.default_rng(2)
    kinds = [sample_skin(rng).kind for _ in range(3000)]
    assert 0.03 < kinds.count("glove") / 3000 < 0.07
    assert 0.015 < kinds.count("paint") / 3000 < 0.045


def test_paint_is_pure_and_in_range():
    points = patch()
    masks = {name: np.random.default_rng(k).random(400).astype(np.float32) for k, name in enumerate(MASKS)}
    for seed in range(60):
        first, again = (paint(sample_skin(np.random.default_rng(seed)), masks, points) for _ in range(2))
        np.testing.assert_array_equal(first.albedo, again.albedo)
        assert first.albedo.shape == (400, 3)
        assert first.albedo.dtype == first.roughness.dtype == first.specular.dtype == np.float32
        assert (first.albedo >= 0).all()
        assert (first.albedo <= 0.95).all()
        assert (first.roughness >= 0.05).all()
        assert (first.roughness <= 1).all()
        assert (first.specular > 0).all()


def test_cloth_patterns_use_both_colours_and_stay_between_them():
    rng = np.random.default_rng(3)
    points = patch()
    patterns = set()
    for _ in range(200):
        cloth = sample_cloth(rng)
        patterns.add(cloth.pattern)
        colour = cloth.paint(points)
        low, high = np.minimum(cloth.albedo, cloth.second), np.maximum(cloth.albedo, cloth.second)
        assert (colour >= low - 1e-6).all()
        assert (colour <= high + 1e-6).all()
        if cloth.pattern == "plain":
            assert (colour == cloth.albedo).all()
        else:
            assert len(np.unique(colour.round(4), axis=0)) >= 2
    assert patterns == {"plain", "stripes", "checks", "dots", "blotches"}


def test_mistakes_are_named():
    skin = sample_skin(np.random.default_rng(0))
    with pytest.raises(PalmarError, match="knuckle"):
        paint(skin, {"knuckles": np.zeros(400)}, patch())
    with pytest.raises(PalmarError, match=r"\(400,\)"):
        paint(skin, {"palm": np.zeros(7)}, patch())
    with pytest.raises(PalmarError, match="1 to 10"):
        sample_skin(np.random.default_rng(0), tone=11)
