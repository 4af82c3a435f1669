"""Light of a sample: coloured lobes around the scene and up to three lamps, the strongest casting a shadow."""

from __future__ import annotations

import numpy as np

from palmar.render import Light, sh_from_lobes


def _directions(rng: np.random.Generator, n: int) -> np.ndarray:
    d = rng.normal(size=(n, 3))
    d[:, 1] -= 0.5  # more light comes from above (-y) than from below
    return d / np.linalg.norm(d, axis=1, keepdims=True)


def _colour(rng: np.random.Generator, n: int) -> np.ndarray:
    """About 2500 to 9000 K, as factors of linear RGB with mean 1."""
    warm = rng.uniform(-1.0, 1.0, (n, 1))
    colour = np.exp(np.concatenate([0.38 * warm, 0.03 * warm, -0.50 * warm], 1) + rng.normal(0, 0.05, (n, 3)))
    return colour / colour.mean(1, keepdims=True)


def sample_light(rng: np.random.Generator) -> Light:
    """2 to 5 soft lobes, and 0 to 3 lamps with a key to fill ratio of 1 to 16. Mean irradiance is about 1."""
    lobes = int(rng.integers(2, 6))
    weight = rng.dirichlet(np.ones(lobes))
    sharpness = np.exp(rng.uniform(np.log(0.5), np.log(20.0), lobes))
    # a lobe's share of irradiance hardly hangs on its sharpness this way
    colours = _colour(rng, lobes) * (weight * (0.8 + 0.35 * sharpness))[:, None]
    sh = sh_from_lobes(_directions(rng, lobes), colours, sharpness, ambient=_colour(rng, 1)[0] * rng.uniform(0.1, 0.6))
    sh = sh / max(float(sh[0].mean()) * 0.282, 1e-6)  # Y00: mean radiance 1
    lamps = int(rng.choice(4, p=(0.3, 0.4, 0.2, 0.1)))
    key = np.exp(rng.uniform(0.0, np.log(16.0)))
    lamp_share = key / (1.0 + key) * rng.uniform(0.3, 1.0) if lamps else 0.0
    strengths = np.sort(rng.dirichlet(np.ones(lamps)) if lamps else np.zeros(0))[::-1] * lamp_share * 2.2
    directions = _directions(rng, lamps)
    if lamps and rng.random() < 0.7:  # the key mostly comes from the camera's side
        directions[0, 2] = -abs(directions[0, 2])
    shadows = np.zeros(lamps, bool)
    if lamps:
        shadows[0] = rng.random() < 0.7
    red = rng.uniform(0.0, 0.2)
    return Light(
        sh=(sh * (1.0 - lamp_share)).astype(np.float32),
        directions=directions.astype(np.float32),
        colours=(_colour(rng, lamps) * strengths[:, None]).astype(np.float32),
        shadows=shadows,
        wrap=np.array([red, red / 5, red / 7], np.float32),
        shadow_size=96,
        shadow_bias=0.004,
    )
