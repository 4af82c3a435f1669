"""Batches of labelled crops on the device: the counterpart of `palmar.synth.sample.crop_sample`."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from palmar.errors import PalmarError
from palmar.render import render
from palmar.render.batch import LightBatch, visible_batch
from palmar.synth.device.background import sample_backgrounds
from palmar.synth.device.environment import see, views
from palmar.synth.device.light import sample_light
from palmar.synth.device.philox import Draws
from palmar.synth.device.scene import sample_scenes
from palmar.synth.device.sensor import SensorBatch, expose
from palmar.synth.device.world import World, world
from palmar.synth.sample import COVER, CROP_SIZE, PLACES

SCENE, BODY, OTHER, LIGHT, BACKGROUND, CAMERA, GRAIN = range(0xC0, 0xC7)
"""Streams of a sample's random numbers."""


def body_draws(seed: int, index: Int64[Tensor, " b"]) -> Draws:
    """The draws of the samples' hands, then those of the second hands: twice as many rows."""
    stream = torch.cat([torch.full_like(index, BODY), torch.full_like(index, OTHER)])
    return Draws(seed, index.repeat(2), stream, 448)


def surroundings(
    home: World, draw: Draws, background: Draws, empty: Bool[Tensor, " b"], size: int
) -> tuple[LightBatch, Float[Tensor, "b 3 s s"]]:
    """Light, and what is seen behind everything: drawn, or of a photographed place. Where nothing stands before it,
    only drawn backgrounds are seen."""
    seen = see(home.places, draw)
    placed = draw.chance(PLACES)
    shown = placed & draw.chance(0.5) & ~empty
    pick = lambda there, drawn: torch.where(placed.reshape(-1, *[1] * (drawn.ndim - 1)), there, drawn)  # noqa: E731
    drawn, there = sample_light(draw), seen.light
    assert drawn.shadows is not None
    assert drawn.wrap is not None
    light = replace(
        drawn,
        sh=pick(there.sh, drawn.sh),
        directions=pick(there.directions, drawn.directions),
        colours=pick(there.colours, drawn.colours),
        shadows=pick(there.shadows, drawn.shadows),
        wrap=pick(there.wrap, drawn.wrap),
    )
    plates = sample_backgrounds(home.plates, background, size)
    return light, torch.where(shown[:, None, None, None], views(home.places, seen, draw, size), plates)


def project(points: Float[Tensor, "b n 3"], matrix: Float[Tensor, "b 3 3"]) -> Float[Tensor, "b n 2"]:
    """Pixels of points in the crop's camera frame."""
    p = (matrix[:, None] * points[:, :, None]).sum(-1)
    return p[..., :2] / p[..., 2:].clamp(min=1e-6)


def device_crops(
    seed: int,
    first: int,
    count: int,
    device: torch.device | str = "cpu",
    strength: float = 1.0,
    *,
    of: World | None = None,
    size: int = CROP_SIZE,
) -> dict[str, Tensor]:
    """Samples first to first + count - 1 of this seed, as `palmar.train.recipes.LandmarkerBatches` gives them: image
    uint8 [b, s, s, 3], keypoints, visible, presence, side, rotations, shape, joints, has3d, weight, all on the device.

    A sample is a pure function of (seed, index) and the world, whatever batch it is in: the numbers it draws are equal
    everywhere, its labels and pixels up to the rounding of sums. In 8 % of the crops there is no hand, or a part of
    one, and presence is 0. of: the world to draw from, that of the device at full size where not given.
    Raises PalmarError for a negative index, an empty batch or a strength that is negative or not finite.
    """
    if first < 0 or count < 1:
        raise PalmarError(f"device_crops: first must be 0 or more and count positive, got {first} and {count}.")
    if not 0 <= strength < float("inf"):
        raise PalmarError(f"device_crops: strength must be 0 or more, got {strength}.")
    home = world(str(device)) if of is None else of
    return crops_of(home, seed, torch.arange(first, first + count, device=home.device), strength, size=size)


@torch.no_grad()
def crops_of(
    home: World, seed: int, index: Int64[Tensor, " b"], strength: float, *, size: int = CROP_SIZE
) -> dict[str, Tensor]:
    """The samples of any indices, which lie on the world's device; see `device_crops`. Asks nothing of the device, so
    that the caller runs ahead of it."""
    draw = Draws(seed, index, SCENE, 160)
    empty = draw.chance(0.05)
    scene = sample_scenes(home, draw, body_draws(seed, index), size)

    light = Draws(seed, index, LIGHT, 224)
    shining, behind = surroundings(home, light, Draws(seed, index, BACKGROUND, 320), empty, size)
    rendered = render(scene.mesh, scene.matrix, size, size, shining, supersample=2)
    level = behind.mean((1, 2, 3)).clamp(0.02, 1.0)
    # Cameras expose for the scene.
    exposure = torch.exp(light.normal(0.45) - 0.05) * (level / 0.35) ** light.uniform(0.0, 0.6)
    hand = (~empty).float()
    front = rendered.rgb.permute(0, 3, 1, 2) * (exposure * hand)[:, None, None, None]
    linear = front + behind * (1.0 - rendered.alpha * hand[:, None, None])[:, None]
    camera = SensorBatch.sample(Draws(seed, index, CAMERA, 256), strength)
    image = expose(linear, camera, Draws(seed, index, GRAIN, 256), home.noise)

    keypoints = project(scene.joints, scene.matrix)
    seen = visible_batch(scene.joints, rendered.depth, scene.matrix, COVER)
    inside = ((keypoints > -0.5) & (keypoints < size - 0.5)).all(-1)
    seen = seen & inside & ~camera.hides(keypoints, size)
    left = draw.chance(0.5)
    image = torch.where(left[:, None, None, None], image.flip(2), image)
    mirrored = torch.stack([size - 1 - keypoints[..., 0], keypoints[..., 1]], -1)
    keypoints = torch.where(left[:, None, None], mirrored, keypoints)
    presence = hand * ~scene.gone * (inside.float().mean(-1) >= 0.4)
    there = hand[:, None, None]
    eye = torch.eye(3, device=home.device)
    ones = torch.ones_like(hand)
    return {
        "image": image.contiguous(),
        "keypoints": keypoints * there,
        "visible": seen.float() * hand[:, None],
        "presence": presence,
        "side": hand * ~left,
        "rotations": torch.where(there[..., None] > 0, scene.rotations, eye),
        "shape": scene.shape * hand[:, None],
        "joints": (scene.joints - scene.joints[:, :1]) * there,
        "has3d": ones,
        "weight": ones.clone(),
    }
