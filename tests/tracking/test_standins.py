"""What stands in for the landmarker sees the hand as it wants to, and what it says reaches the result."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from palmar.errors import PalmarError
from palmar.geometry.crop import virtual_camera
from palmar.geometry.rotations import angle_between
from palmar.hand import HandModel, mirror_rotmats
from palmar.tasks.crops import CropSpec
from palmar.tasks.keypoints import CropKeypoints
from palmar.tasks.mesh import HandMeshes
from palmar.tracking import track
from palmar.tracking.landmarker import confidence
from palmar.tracking.standins import WithKeypoints, WithMesh, _sigma

RED, GREEN = (255, 0, 0), (0, 255, 0)


class Painted:
    """A world whose frames show wrist and middle knuckle as dots, and whose landmarker knows no pose."""

    def __init__(self, world) -> None:
        self.world = world
        self.source, self.count, self.fps, self.names = "painted", world.count, world.fps, None
        self.hashes = world.hashes
        self.detect = world.detect

    def __iter__(self):
        for frame in self.world:
            image = frame.image.copy()
            for truth in self.world.truth(frame.index):
                for joint, colour in ((0, RED), (9, GREEN)):
                    x, y = truth.keypoints[joint]
                    cv2.circle(image, (round(x * 16), round(y * 16)), 5 * 16, colour, -1, cv2.LINE_AA, 4)
            image[0, 0], image[0, -1] = frame.image[0, 0], frame.image[0, -1]
            yield replace(frame, image=image)

    def landmarks(self, image, crops):
        found = self.world.landmarks(image, crops)
        return replace(
            found, rotations=np.tile(np.eye(3), (len(crops), 16, 1, 1)), shape=0 * found.shape,
            keypoints=found.keypoints + 3.0,
        )  # fmt: skip


class Knowing:
    """Reads off the dots how a crop was cut, and says the truth in it."""

    def __init__(self, painted: Painted, crop: CropSpec, gives: str) -> None:
        self.world, self.crop, self.gives = painted.world, crop, gives
        self.angles: list[float] = []

    def one(self, picture):
        """(truth, angle of the crop, its middle and side in the picture)."""
        index = self.world.calls[-1][1]
        (truth,) = self.world.truth(index)
        dots = []
        for channel in (0, 1):
            weight = picture[..., channel].astype(float) * (picture[..., channel] > 60)
            y, x = np.mgrid[: len(picture), : len(picture)]
            dots.append([(weight * x).sum() / weight.sum(), (weight * y).sum() / weight.sum()])
        dots = np.array(dots)
        there = truth.keypoints[[0, 9]].copy()
        if truth.side == 0:
            there[:, 0] = self.world.width - 1 - there[:, 0]
        here, seen = dots[1] - dots[0], there[1] - there[0]
        angle = np.arctan2(seen[1], seen[0]) - np.arctan2(here[1], here[0])
        scale = np.linalg.norm(seen) / np.linalg.norm(here)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        middle = there[0] + scale * turn @ (np.full(2, (self.crop.size - 1) / 2) - dots[0])
        self.angles.append(angle)
        return truth, scale, turn, angle, middle


class KnowingMesh(Knowing):
    def __call__(self, crops):
        model, all_ = HandModel.default(1), []
        for picture in crops:
            truth, scale, _, angle, middle = self.one(picture)
            rotations = truth.rotations.copy()
            if truth.side == 0:
                middle, angle = np.array([self.world.width - 1 - middle[0], middle[1]]), -angle
            _, crop_from_camera = virtual_camera(self.world.camera, middle, scale * self.crop.size, roll=angle)
            rotations[0] = crop_from_camera @ rotations[0]
            all_.append((rotations if truth.side else mirror_rotmats(rotations), truth.shape))
        rotations, shape = (np.stack(x) for x in zip(*all_, strict=True))
        posed = model.shaped(shape).posed(rotations)
        vertices, says = posed.skin(), self.gives == "pose"
        if self.gives == "joints":
            vertices = vertices[:, :778]
        return HandMeshes(posed.joints(), vertices, None, rotations if says else None, shape if says else None)


class KnowingKeypoints(Knowing):
    def __call__(self, crops):
        out = []
        for picture in crops:
            truth, scale, turn, _, middle = self.one(picture)
            out.append((truth.keypoints - middle) @ turn / scale + (self.crop.size - 1) / 2)
        return CropKeypoints(np.stack(out), np.full((len(out), 21), 0.9))


def turning(t):
    from scipy.spatial.transform import Rotation

    return Rotation.from_rotvec([0.2, 0.3, 0.9 * t]).as_matrix() @ np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])


@pytest.fixture
def painted(make_world, make_actor):
    def made(side: int) -> Painted:
        shape = np.array([0.8, -0.5, 0.4, 0, 0, 0, 0, 0, 0, 0])
        actor = make_actor(side, lambda t: (0.05 * t, 0.04, 0.5), turning, lambda t: 0.4 + 0.2 * t, shape)
        return Painted(make_world([actor], seconds=0.4))

    return made


@pytest.mark.parametrize("upright", [True, False])
@pytest.mark.parametrize(("gives", "degrees"), [("pose", 2.0), ("skin", 2.5), ("joints", 9.0)])
@pytest.mark.parametrize("side", [0, 1])
def test_a_mesh_network_poses_the_hand(painted, side, gives, degrees, upright):
    world = painted(side)
    mesh = KnowingMesh(world, CropSpec(192, 1.8, upright), gives)
    networks = WithMesh(world, mesh, sha256="a" * 64)
    hands = track(world.world.clip().replace(frames=world), networks=networks, smooth=False).hands
    assert networks.hashes["mesh"] == "a" * 64
    assert len(hands) == world.count
    assert set(hands.side) == {side}
    for i in range(1, len(hands)):
        (truth,) = world.world.truth(i)
        own = HandModel.default(side).rotations_from_pose(hands.pose[i].astype(float))
        assert np.degrees(angle_between(own, truth.rotations))[:2].max() < degrees
        relative = hands.joints[i] - hands.joints[i, :1]
        assert np.linalg.norm(relative - (truth.joints - truth.joints[0]), axis=-1).max() < 0.008
    turned = np.ptp(mesh.angles) if upright else np.abs(mesh.angles).max()
    assert turned > 0.2 if upright else turned < 0.05


@pytest.mark.parametrize("side", [0, 1])
def test_a_keypoint_network_says_where(painted, side):
    world = painted(side)
    upright = CropSpec(160, 1.5, upright=False)
    keypoints = KnowingKeypoints(world, upright, "")
    if side == 0:  # it sees the hand as it is, no mirror image
        keypoints.one = lambda picture, one=keypoints.one: _unmirrored(world, one, picture)
    networks = WithKeypoints(world, keypoints)
    hands = track(world.world.clip().replace(frames=world), networks=networks, smooth=False).hands
    for i in range(1, len(hands)):
        (truth,) = world.world.truth(i)
        assert np.abs(hands.keypoints[i, :, :2] - truth.keypoints).max() < 1.0
        np.testing.assert_allclose(hands.keypoints[i, :, 2], 0.9, atol=1e-3)


def _unmirrored(world, one, picture):
    """`one` for a left hand in a picture that was not mirrored."""
    true = world.world.truth
    world.world.truth = lambda index: [replace(t, side=1) for t in true(index)]
    try:
        return one(picture)
    finally:
        world.world.truth = true


def test_crops_without_a_hand_are_left_alone(painted):
    world = painted(1)
    mesh = KnowingMesh(world, CropSpec(64), "pose")
    frame = next(iter(world))
    from palmar.geometry.crop import Crop

    found = WithMesh(world, mesh).landmarks(frame.image, [Crop((20.0, 20.0), 30.0)])
    assert found.presence[0] < 0.1
    assert mesh.angles == []


def test_numbers_that_are_none_are_refused(painted):
    world = painted(1)
    mesh = KnowingMesh(world, CropSpec(128), "pose")
    broken = lambda crops, call=mesh: replace(call(crops), shape=np.full((len(crops), 10), np.nan))  # noqa: E731
    broken.crop = mesh.crop
    with pytest.raises(PalmarError, match="not finite"):
        track(world.world.clip().replace(frames=world), networks=WithMesh(world, broken))


def test_confidence_and_deviation_are_inverse():
    keypoints = np.random.default_rng(0).uniform(0, 100, (3, 21, 2))
    sure = np.random.default_rng(1).uniform(0.05, 0.95, (3, 21))
    np.testing.assert_allclose(confidence(_sigma(sure, keypoints), keypoints), sure, rtol=1e-9)
