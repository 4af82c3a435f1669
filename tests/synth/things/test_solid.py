"""Distances of solids against sampled surfaces, closed forms and the laws of a distance."""

import numpy as np
import pytest

from palmar.errors import PalmarError
from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.synth.things import solid as s

PROFILE = np.array([[0.0, -0.05], [0.02, -0.05], [0.03, 0.0], [0.012, 0.03], [0.025, 0.05], [0.0, 0.05]])
OUTLINE = np.array([[-0.03, -0.02], [0.03, -0.02], [0.03, 0.02], [0.01, 0.0], [-0.03, 0.02]])
PATH = np.array([[-0.04, 0.0, 0.0], [0.0, 0.03, 0.0], [0.03, 0.0, 0.02]])
LEAVES = {
    "box": s.box((0.06, 0.04, 0.03)),
    "rounded box": s.box((0.06, 0.04, 0.03), 0.008),
    "ball": s.ball(0.03),
    "capsule": s.capsule(0.05, 0.015),
    "cylinder": s.cylinder(0.06, 0.025, 0.004),
    "torus": s.torus(0.03, 0.01),
    "ellipsoid": s.ellipsoid((0.045, 0.015, 0.03)),
    "lathe": s.lathe(PROFILE),
    "extrude": s.extrude(OUTLINE, 0.02, 0.002),
    "tube": s.tube(PATH, 0.008),
    "tapered tube": s.tube(PATH, np.array([0.004, 0.012, 0.006])),
}
BOTH = {
    "union": s.ball(0.03) | s.box((0.08, 0.02, 0.02)),
    "smooth union": s.ball(0.03).union(s.box((0.08, 0.02, 0.02)), 0.01),
    "common": s.ball(0.03) & s.box((0.08, 0.02, 0.04)),
    "minus": s.ball(0.03) - s.cylinder(0.1, 0.012),
    "stretched": s.lathe(PROFILE).moved(translation=(0.002, 0, 0.01)).stretched((1.7, 1.0, 1.2)),
    "grown": s.box((0.05, 0.02, 0.02)).grown(0.006),
}
EXACT = set(LEAVES) - {"tapered tube"}


def cloud(count: int, spread: float = 0.045) -> np.ndarray:
    return np.random.default_rng(4).uniform(-spread, spread, (count, 3)) * 1.5


@pytest.mark.parametrize("solid", [*LEAVES.values(), *BOTH.values()], ids=[*LEAVES, *BOTH])
def test_no_distance_changes_faster_than_one_walks(solid):
    rng, points = np.random.default_rng(1), cloud(4000)
    step = rng.normal(size=points.shape) * np.exp(rng.uniform(np.log(1e-5), np.log(0.02), (len(points), 1)))
    change = np.abs(solid.distance(points + step) - solid.distance(points))
    assert (change <= np.linalg.norm(step, axis=1) * (1 + 1e-9) + 1e-9).all()


@pytest.mark.parametrize("name", sorted(EXACT))
def test_leaves_are_exact(name):
    """Against the nearest of many points on the surface, found by walking there from all around."""
    solid = LEAVES[name]
    surface = cloud(30_000)
    for _ in range(6):
        surface = surface - solid.distance(surface)[:, None] * solid.gradient(surface)
    surface = surface[np.abs(solid.distance(surface)) < 1e-7]
    points = cloud(100)
    nearest = np.array([np.linalg.norm(surface - p, axis=1).min() for p in points])
    d = np.abs(solid.distance(points))
    assert (d <= nearest + 1e-6).all()
    assert (nearest - d < 1.2e-3).all()  # the sampled points lie about a millimetre apart
    assert (solid.distance(points) < 0).any()
    assert (solid.distance(points) > 0).any()


def test_closed_forms():
    assert s.box((2, 2, 2)).distance(np.array([[3.0, 0, 0], [2, 2, 2], [0, 0, 0]])) == pytest.approx([2, 3**0.5, -1])
    assert s.cylinder(2, 1).distance(np.array([[2.0, 2, 0], [0.5, 0, 0]])) == pytest.approx([2**0.5, -0.5])
    assert s.torus(2, 0.5).distance(np.array([[2.0, 0, 0], [0, 0, 0]])) == pytest.approx([-0.5, 1.5])
    t = np.linspace(0, 2 * np.pi, 7)
    on = np.stack([3 * np.cos(t), 2 * np.sin(t), 0 * t], 1)
    assert s.ellipsoid((3, 2, 1)).distance(on) == pytest.approx(0, abs=1e-8)
    assert s.ellipsoid((3, 2, 1)).distance(np.array([[0.0, 0, 0], [5, 0, 0]])) == pytest.approx([-1, 2], abs=1e-7)
    assert s.ellipsoid((2, 2, 2)).distance(cloud(50)) == pytest.approx(s.ball(2).distance(cloud(50)), abs=1e-7)


def test_a_turned_square_is_a_cylinder_and_an_extruded_one_a_box():
    points = cloud(500)
    square = np.array([[0.0, -0.03], [0.02, -0.03], [0.02, 0.03], [0.0, 0.03]])
    np.testing.assert_allclose(s.lathe(square).distance(points), s.cylinder(0.06, 0.02).distance(points), atol=1e-12)
    flat = np.array([[-0.02, -0.01], [0.02, -0.01], [0.02, 0.01], [-0.02, 0.01]])
    np.testing.assert_allclose(s.extrude(flat, 0.06).distance(points), s.box((0.04, 0.02, 0.06)).distance(points))


def test_moving_a_solid_is_moving_the_points_back():
    turn, shift = rotmat_from_rotvec(np.array([0.3, -1.0, 0.5])), np.array([0.01, 0.02, -0.03])
    points = cloud(300)
    for solid in (*LEAVES.values(), *BOTH.values()):
        moved = solid.moved(turn, shift)
        np.testing.assert_allclose(moved.distance(points), solid.distance((points - shift) @ turn), atol=1e-12)
        twice = moved.moved(turn.T, -turn.T @ shift)
        np.testing.assert_allclose(twice.distance(points), solid.distance(points), atol=1e-12)


def test_sets():
    a, b, points = LEAVES["ball"], LEAVES["torus"], cloud(2000)
    in_a, in_b = a.distance(points) < 0, b.distance(points) < 0
    np.testing.assert_array_equal((a | b).distance(points) < 0, in_a | in_b)
    np.testing.assert_array_equal((a & b).distance(points) < 0, in_a & in_b)
    np.testing.assert_array_equal((a - b).distance(points) < 0, in_a & ~in_b)
    assert (a.union(b, 0.01).distance(points) <= (a | b).distance(points)).all()
    np.testing.assert_array_equal(s.union([a, b]).distance(points), (a | b).distance(points))
    with pytest.raises(PalmarError, match="at least one"):
        s.union([])
