"""Labelled samples of the synthetic world: crops for the landmarker, frames for the detector.

Every sample is a pure function of (seed, index): the same pair gives the same bytes on every run of one version. That
is also how a data set is named: `palmar-synth/<version>/<seed>/<first>..<last>`.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from palmar.geometry.camera import Camera
from palmar.geometry.crop import angle_up
from palmar.geometry.rotations import rotmat_between, rotmat_from_rotvec
from palmar.hand.box import hand_box
from palmar.render import Light, Mesh, render, visible
from palmar.synth.background import Backgrounds
from palmar.synth.environment import sample_environment
from palmar.synth.light import sample_light
from palmar.synth.scene import Placed, place_hand, sample_thing
from palmar.synth.sensor import Sensor, apply
from palmar.synth.shade import occluded

CROP_SIZE = 128
CROP_SCALE = 1.6
"""Side of the crop over the longer side of the keypoints' hull, as in tracking."""
COVER = np.array([0.034, 0.026, 0.017, 0.012, 0.009, *[0.021, 0.012, 0.010, 0.008] * 4], np.float64)
"""Metres [21] of its own flesh in front of a joint; what is nearer to the camera than that hides it. A quarter more
than the median way out of the mean hand from each joint, over all directions."""


@dataclass(frozen=True, eq=False)
class CropSample:
    """A crop and its truth. Where presence is 0 the labels are zeros. The pose is that of the right hand in the
    mirrored picture where side is 0, as the landmarker gives it."""

    image: UInt8[np.ndarray, "s s 3"]
    keypoints: Float32[np.ndarray, "21 2"]
    visible: Float32[np.ndarray, " 21"]
    presence: float
    side: float
    rotations: Float32[np.ndarray, "16 3 3"]
    shape: Float32[np.ndarray, " 10"]
    joints: Float32[np.ndarray, "21 3"]
    """Metres from the wrist, axes of the crop's camera."""


@dataclass(frozen=True, eq=False)
class FrameSample:
    """A frame with M hands, M from 0 to 4."""

    image: UInt8[np.ndarray, "h w 3"]
    boxes: Float32[np.ndarray, "m 4"]
    sides: Float32[np.ndarray, " m"]
    directions: Float32[np.ndarray, "m 2"]
    """Unit vectors from wrist to middle MCP in the picture."""
    keypoints: Float32[np.ndarray, "m 21 2"]


@functools.cache
def _backgrounds() -> Backgrounds:
    return Backgrounds()


def _project(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    p = points @ matrix.T
    return p[..., :2] / np.maximum(p[..., 2:], 1e-6)


PLACES = 0.5
"""Share of samples lit by a photographed place (`environment`); half of them also show it behind the hand."""


def _surroundings(rng: np.random.Generator, height: int, width: int) -> tuple[Light, Float32[np.ndarray, "h w 3"]]:
    """Light, and what is seen behind everything, 0 to about 1.5 in linear light."""
    if rng.random() >= PLACES:
        return sample_light(rng), _backgrounds().sample(rng, height, width)
    place = sample_environment(rng)
    camera_from_place = rotmat_from_rotvec(np.array([rng.normal(0.0, 0.3), 0.0, rng.normal(0.0, 0.12)]))
    light = place.light(camera_from_place, red=rng.uniform(0.0, 0.2))
    if rng.random() >= 0.5:
        return light, _backgrounds().sample(rng, height, width)
    camera = Camera.from_fov(width, height, np.deg2rad(np.exp(rng.uniform(np.log(25.0), np.log(95.0)))))
    blur = np.exp(rng.uniform(np.log(0.4), np.log(4.0))) * max(height, width) / 128.0
    return light, cv2.GaussianBlur(place.view(camera, camera_from_place.T), (0, 0), blur)


def _compose(rng: np.random.Generator, mesh: Mesh, matrix: np.ndarray, height: int, width: int, strength: float):
    """Render over a background in linear light, then the sensor."""
    light, background = _surroundings(rng, height, width)
    rendered = render(mesh, matrix, height, width, light, supersample=2)
    level = float(np.clip(background.mean(), 0.02, 1.0))
    exposure = np.float32(
        np.exp(rng.normal(-0.05, 0.45)) * (level / 0.35) ** rng.uniform(0.0, 0.6)
    )  # cameras expose for the scene
    linear = rendered.rgb * exposure + background * (1.0 - rendered.alpha[..., None])
    sensor = Sensor.sample(rng, strength)
    return apply(linear, sensor, rng), rendered, sensor


def crop_sample(seed: int, index: int, strength: float = 1.0, *, size: int = CROP_SIZE) -> CropSample:
    """One crop, `size` pixels wide, around a hand; in 8 % of them no hand, or a part of one, and presence 0.

    Where the sensor is none (strength 0), another size shows the same hand with the same light.
    """
    rng = np.random.default_rng((seed, index))
    if rng.random() < 0.05:
        image = apply(_backgrounds().sample(rng, size, size), Sensor.sample(rng, strength), rng)
        return CropSample(
            image,
            np.zeros((21, 2), np.float32),
            np.zeros(21, np.float32),
            0.0,
            0.0,
            np.tile(np.eye(3, dtype=np.float32), (16, 1, 1)),
            np.zeros(10, np.float32),
            np.zeros((21, 3), np.float32),
        )
    distance = np.exp(rng.uniform(np.log(0.22), np.log(1.6)))
    hand = place_hand(rng, np.array([0.0, 0.0, distance]))
    plane = hand.joints[:, :2] / hand.joints[:, 2:]

    # The crop as tracking cuts it: turned so that wrist -> middle MCP points up, around the hull, with tracking's
    # errors.
    up = plane[9] - plane[0]
    roll = float(angle_up(up)) + (rng.uniform(-np.pi, np.pi) if rng.random() < 0.08 else rng.normal(0.0, 0.30))
    if np.linalg.norm(up) < 0.25 * np.ptp(plane, axis=0).max():  # seen along the hand, up is anywhere
        roll = rng.normal(0.0, 0.6)
    c, s = np.cos(roll), np.sin(roll)
    crop_from_plane = np.array([[c, s], [-s, c]])
    turned = plane @ crop_from_plane.T
    low, high = turned.min(0), turned.max(0)
    longer = float((high - low).max())
    tail = rng.random() < 0.06
    side = CROP_SCALE * longer * np.exp(rng.normal(0.0, 0.25 if tail else 0.13))
    centre = (low + high) / 2 + rng.normal(0.0, 0.14 if tail else 0.055, 2) * longer
    gone = rng.random() < 0.03  # looked beside the hand
    if gone:
        centre = centre + rng.choice((-1, 1), 2) * rng.uniform(0.9, 1.3, 2) * longer
    f = size / side
    matrix = np.array([[f, 0, -f * centre[0] + (size - 1) / 2], [0, f, -f * centre[1] + (size - 1) / 2], [0, 0, 1.0]])
    turn = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1.0]])

    meshes = [hand.mesh]
    if rng.random() < 0.28:
        meshes += [sample_thing(rng, hand) for _ in range(1 + (rng.random() < 0.25))]
    if rng.random() < 0.10:
        offset = np.append(rng.normal(0, 0.09, 2), rng.uniform(-0.06, 0.12))
        other = place_hand(rng, hand.joints.mean(0) + offset)
        meshes.append(_flipped(other.mesh) if rng.random() < 0.7 else other.mesh)
    mesh = Mesh.concatenate(meshes) if len(meshes) > 1 else meshes[0]
    mesh = occluded(_turned(mesh, turn), hand.joints @ turn.T)
    image, rendered, sensor = _compose(rng, mesh, matrix, size, size, strength)
    joints = hand.joints @ turn.T
    keypoints = _project(joints, matrix)
    seen = visible(joints.astype(np.float32), rendered.depth, matrix, COVER)
    inside = ((keypoints > -0.5) & (keypoints < size - 0.5)).all(1)
    seen = seen & inside & ~sensor.hides(keypoints, size, size)
    rotations = hand.rotations.copy()
    rotations[0] = turn @ rotations[0]
    left = rng.random() < 0.5
    if left:
        image = np.ascontiguousarray(image[:, ::-1])
        keypoints = keypoints * [-1, 1] + [size - 1, 0]
    presence = 0.0 if gone or inside.mean() < 0.4 else 1.0
    return CropSample(
        image,
        keypoints.astype(np.float32),
        seen.astype(np.float32),
        presence,
        0.0 if left else 1.0,
        rotations,
        hand.shape,
        (joints - joints[0]).astype(np.float32),
    )


def _turned(mesh: Mesh, rotation: np.ndarray) -> Mesh:
    turn = rotation.T.astype(np.float32)
    return replace(mesh, vertices=mesh.vertices @ turn, normals=None if mesh.normals is None else mesh.normals @ turn)


def _flipped(mesh: Mesh) -> Mesh:
    """The mirror image in x about the mesh's middle: a hand of the other side at the same place."""
    middle = float(mesh.vertices[:, 0].mean())
    sign = np.array([-1, 1, 1], np.float32)
    return replace(
        mesh,
        vertices=mesh.vertices * sign + np.array([2 * middle, 0, 0], np.float32),
        faces=np.ascontiguousarray(mesh.faces[:, ::-1]),
        normals=None if mesh.normals is None else mesh.normals * sign,
    )


def frame_sample(seed: int, index: int, height: int = 160, width: int = 192, strength: float = 1.0) -> FrameSample:
    """One frame with none (15 %), one, two or up to four hands between 6 and 85 % of its height."""
    rng = np.random.default_rng((seed, index, 1))
    count = int(rng.choice(5, p=(0.15, 0.40, 0.33, 0.08, 0.04)))
    hfov = np.deg2rad(np.exp(rng.uniform(np.log(35), np.log(100))))
    f = width / 2 / np.tan(hfov / 2)
    matrix = np.array([[f, 0, (width - 1) / 2], [0, f, (height - 1) / 2], [0, 0, 1.0]])
    hands: list[Placed] = []
    flips: list[bool] = []
    meshes: list[Mesh] = []
    centres: list[np.ndarray] = []
    for _ in range(count):
        pixels = np.exp(rng.uniform(np.log(0.07), np.log(0.75))) * height  # of a hand about 0.18 m long
        distance = f * 0.18 / pixels
        for _ in range(8):
            centre = rng.uniform((0.05 * width, 0.05 * height), (0.95 * width, 0.95 * height))
            if all(np.linalg.norm(centre - other) > 0.45 * pixels for other in centres):
                break
        centres.append(centre)
        ray = np.linalg.solve(matrix, np.append(centre, 1.0))
        look = rotmat_between(np.array([0.0, 0.0, 1.0]), ray / np.linalg.norm(ray))
        hand = place_hand(rng, ray * distance, look=look, arm=(0.25, 0.7))
        left = rng.random() < 0.5
        mesh, joints = hand.mesh, hand.joints
        if left:  # mirrored where it stands
            middle = float(mesh.vertices[:, 0].mean())
            mesh, joints = _flipped(mesh), joints * [-1, 1, 1] + [2 * middle, 0, 0]
        group = [mesh]
        if rng.random() < 0.2:
            group.append(sample_thing(rng, hand))
        meshes.append(occluded(Mesh.concatenate(group), joints))
        hands.append(Placed(mesh, joints.astype(np.float32), hand.rotations, hand.shape))
        flips.append(left)
    if meshes:
        image, rendered, _ = _compose(rng, Mesh.concatenate(meshes), matrix, height, width, strength)
    else:
        image = apply(_backgrounds().sample(rng, height, width), Sensor.sample(rng, strength), rng)
    boxes, sides, directions, points = [], [], [], []
    for hand, left in zip(hands, flips, strict=True):
        keypoints = _project(hand.joints, matrix)
        inside = ((keypoints > -0.5) & (keypoints < np.array([width, height]) - 0.5)).all(1)
        seen = visible(hand.joints, rendered.depth, matrix, COVER) & inside
        if inside.mean() < 0.35 or seen.sum() < 4:
            continue
        box = hand_box(keypoints)
        box = np.clip(box, 0, np.array([width, height, width, height]) - 1)
        up = keypoints[9] - keypoints[0]
        boxes.append(box)
        sides.append(0.0 if left else 1.0)
        directions.append(up / max(float(np.linalg.norm(up)), 1e-6))
        points.append(keypoints)
    m = len(boxes)
    return FrameSample(
        image,
        np.array(boxes, np.float32).reshape(m, 4),
        np.array(sides, np.float32),
        np.array(directions, np.float32).reshape(m, 2),
        np.array(points, np.float32).reshape(m, 21, 2),
    )
