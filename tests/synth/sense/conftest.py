"""A small scene that every sensor is tried on: a right and a left hand at work, a box between them, a wall behind."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from palmar.geometry.camera import Camera
from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.hand import HandModel
from palmar.render import Light, Mesh
from palmar.synth.gestures import shape as gesture
from palmar.synth.scene import Dressed
from palmar.synth.world import HandTruth, Kind, Moment, Piece, Scene, ThingTruth, View, mirrored, mirrored_rotations

WIDTH, HEIGHT = 128, 96


def grid(size: float, cells: int, albedo: tuple[float, float, float] = (0.5, 0.5, 0.5)) -> Mesh:
    """A square in the plane z = 0 that faces -z, `size` metres wide, checked so that motion shows."""
    n = cells + 1
    x, y = np.meshgrid(np.linspace(-0.5, 0.5, n) * size, np.linspace(-0.5, 0.5, n) * size)
    vertices = np.stack([x, y, 0 * x], -1).reshape(-1, 3).astype(np.float32)
    a = (np.arange(cells)[:, None] * n + np.arange(cells)[None]).reshape(-1)
    faces = np.concatenate([np.stack([a, a + n, a + 1], 1), np.stack([a + 1, a + n, a + n + 1], 1)]).astype(np.int32)
    wave = 0.6 + 0.4 * np.sin(40 * x) * np.sin(40 * y)
    return Mesh(vertices, faces, (wave.reshape(-1, 1) * np.array(albedo)).astype(np.float32))


def box_mesh(size: tuple[float, float, float], cells: int = 1) -> Mesh:
    side = grid(1.0, cells, (0.8, 0.35, 0.1))
    turns = [(0, 0, 0), (0, np.pi, 0), (0, np.pi / 2, 0), (0, -np.pi / 2, 0), (np.pi / 2, 0, 0), (-np.pi / 2, 0, 0)]
    sides = []
    for turn in turns:
        points = (side.vertices - np.array([0, 0, 0.5])) @ rotmat_from_rotvec(np.array(turn, float)).T * size
        sides.append(Mesh(points.astype(np.float32), side.faces, side.albedo))
    return Mesh.concatenate(sides)


def placed(mesh: Mesh, pose: np.ndarray) -> Mesh:
    points = (mesh.vertices @ pose[:3, :3].T + pose[:3, 3]).astype(np.float32)
    return Mesh(points, mesh.faces, mesh.albedo, mesh.roughness, mesh.specular, part=mesh.part, closed=mesh.closed)


def pose(turn: tuple[float, float, float], place: tuple[float, float, float]) -> np.ndarray:
    out = np.eye(4)
    out[:3, :3], out[:3, 3] = rotmat_from_rotvec(np.array(turn, float)), place
    return out


FACING = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
"""camera_from_hand of a right hand with fingers up and its palm towards the camera."""


@functools.cache
def dressed() -> Dressed:
    return Dressed.sample(np.random.default_rng(3), shape=np.zeros(10))


def angles_at(time: float) -> np.ndarray:
    """An open hand that closes to a fist within a second."""
    share = 0.5 - 0.5 * np.cos(np.pi * min(max(time, 0.0), 1.0))
    return (1 - share) * gesture("stop") + share * gesture("fist")


def moment(time: float) -> Moment:
    turn = rotmat_from_rotvec(np.array([0.0, 0.3 * time, 0.2 * time])) @ FACING
    right = dressed().posed(angles_at(time), turn, knuckle=np.array([0.05 + 0.1 * time, -0.02, 0.45]))
    left = dressed().posed(angles_at(0.2), FACING, knuckle=np.array([0.10, -0.01, 0.52]))  # mirrored: at x = -0.10
    box_pose = pose((0.4, 0.5 + time, 0.0), (-0.06, 0.02 + 0.05 * time, 0.40))
    size = (0.05, 0.06, 0.04)
    pieces = [
        Piece(right.hand, Kind.HAND, 2),
        Piece(right.arm, Kind.ARM, 1),
        Piece(mirrored(left.hand), Kind.HAND, 3),
        Piece(mirrored(left.arm), Kind.ARM, 1),
        Piece(placed(box_mesh(size, 4), box_pose), Kind.THING, 4),
        Piece(placed(grid(3.0, 24), pose((0, 0, 0), (0, 0, 1.2))), Kind.ROOM, 5),
    ]
    flipped = mirrored_rotations(left.rotations)
    hands = (
        HandTruth(1, 1, 2, right.joints, right.rotations, np.zeros(10), right.translation, right.hand.vertices),
        HandTruth(
            0, 1, 3, left.joints * [-1, 1, 1], flipped, np.zeros(10), left.translation * [-1, 1, 1],
            mirrored(left.hand).vertices,
        ),
    )  # fmt: skip
    return Moment(time, tuple(pieces), hands, (ThingTruth("box", 4, box_pose, np.array(size)),))


def light() -> Light:
    sh = np.zeros((9, 3), np.float32)
    sh[0] = 1.8
    return Light(
        sh,
        directions=np.array([[0.3, -0.7, -0.648]], np.float32),
        colours=np.array([[0.6, 0.6, 0.55]], np.float32),
        shadows=np.array([True]),
    )


def build(width: int = WIDTH, height: int = HEIGHT) -> Scene:
    camera = Camera.from_fov(width, height, np.deg2rad(55.0))
    return Scene("tests", moment, light(), (View.still(camera),), seconds=1.0)


@pytest.fixture(scope="session")
def scene() -> Scene:
    return build()


@pytest.fixture(scope="session")
def view(scene: Scene) -> View:
    return scene.views[0]


def scene_of(meshes: list[tuple[Mesh, Kind]], at=lambda k, t: np.eye(4), seconds: float = 1.0) -> Scene:
    """Meshes that move rigidly: at(number, time) is world_from_mesh."""

    def moment_of(time: float) -> Moment:
        pieces = [Piece(placed(m, at(k, time)), kind, k + 1) for k, (m, kind) in enumerate(meshes)]
        return Moment(time, tuple(pieces))

    return Scene("rigid", moment_of, light(), (), seconds=seconds)


@pytest.fixture(scope="session")
def rigid():
    return scene_of


@pytest.fixture(scope="session")
def shapes():
    """grid, box_mesh, pose."""
    return grid, box_mesh, pose


def model_vertices() -> int:
    return len(HandModel.default().template)
