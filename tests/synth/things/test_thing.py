"""Every sort of thing: closed, outward, on its solid, with a distance that agrees with its mesh."""

import numpy as np
import pytest
import trimesh

from palmar.errors import PalmarError
from palmar.synth.things import GENERATORS, TEXTURE, material, sample_thing
from palmar.synth.things.thing import Joint

BOUNDS = {"carved", "blob", "mustard bottle", "bleach bottle", "mouse", "drill", "roll of tape", "banana", "spatula",
          "spray bottle"}  # fmt: skip
"""Things whose distance is a bound and not exact outside."""


@pytest.fixture(scope="module")
def things():
    return {name: sample_thing(np.random.default_rng((3, 1)), name) for name in GENERATORS}


def winding(points: np.ndarray, vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Generalised winding number (Jacobson et al. 2013; solid angles after Van Oosterom and Strackee 1983)."""
    a, b, c = (vertices[faces[:, i]][None] - points[:, None] for i in range(3))
    la, lb, lc = (np.linalg.norm(v, axis=-1) for v in (a, b, c))
    top = np.einsum("pfi,pfi->pf", a, np.cross(b, c))
    bottom = la * lb * lc + (a * b).sum(-1) * lc + (b * c).sum(-1) * la + (c * a).sum(-1) * lb
    return np.arctan2(top, bottom).sum(1) / (2 * np.pi)


def to_triangles(points: np.ndarray, vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Distance of each point to the nearest triangle: to its plane where the foot is inside, else to its edges."""
    corner = vertices[faces]
    best = np.full(len(points), np.inf)
    for i in range(3):
        p, q = corner[:, i], corner[:, (i + 1) % 3]
        along = q - p
        t = np.einsum("pfi,fi->pf", points[:, None] - p, along) / np.maximum((along**2).sum(1), 1e-18)
        foot = p + np.clip(t, 0, 1)[..., None] * along
        best = np.minimum(best, np.linalg.norm(points[:, None] - foot, axis=-1).min(1))
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    area = np.linalg.norm(normal, axis=1)
    normal = normal / np.maximum(area, 1e-18)[:, None]
    height = np.einsum("pfi,fi->pf", points[:, None] - corner[:, 0], normal)
    foot = points[:, None] - height[..., None] * normal
    inside = (area > 1e-14)[None] & np.ones(height.shape, bool)
    for i in range(3):
        edge = corner[:, (i + 1) % 3] - corner[:, i]
        inside &= np.einsum("pfi,fi->pf", foot - corner[:, i], np.cross(normal, edge)) >= 0
    return np.minimum(best, np.where(inside, np.abs(height), np.inf).min(1))


@pytest.mark.parametrize("name", GENERATORS)
def test_shells_are_closed_and_lie_on_their_solids(things, name):
    for shell in things[name].shells:
        mesh = trimesh.Trimesh(shell.surface.vertices, shell.surface.faces, process=False)
        assert mesh.is_watertight
        assert mesh.is_winding_consistent
        assert mesh.volume > 0
        assert np.abs(shell.solid.distance(shell.surface.vertices)).max() < 2e-5


@pytest.mark.parametrize("name", GENERATORS)
def test_distance_agrees_with_the_mesh(things, name):
    """Sign by the winding number, size against the nearest triangle. Turned bodies have flat facets, which lie up to
    a few tenths of a millimetre off their solid."""
    thing = things[name]
    rng = np.random.default_rng(9)
    low, high = thing.bounds
    points = rng.uniform(low - 0.02, high + 0.02, (24, 3))
    every = np.concatenate([shell.surface.vertices for shell in thing.shells])
    points = np.concatenate([points, every[rng.integers(len(every), size=16)] + rng.normal(0, 0.004, (16, 3))])
    d = thing.sdf(points)
    inside, nearest = np.zeros(len(points), bool), np.full(len(points), np.inf)
    for shell in thing.shells:
        inside |= winding(points, shell.surface.vertices, shell.surface.faces) > 0.5
        nearest = np.minimum(nearest, to_triangles(points, shell.surface.vertices, shell.surface.faces))
    facet = 5e-4
    clear = nearest > facet
    np.testing.assert_array_equal((d < 0)[clear], inside[clear])
    assert (d[~inside] <= nearest[~inside] + facet).all()
    if name not in BOUNDS:
        assert (d[~inside] >= nearest[~inside] - facet).all()


@pytest.mark.parametrize("name", GENERATORS)
def test_things_are_pure_functions_of_the_generator(things, name):
    one, two = things[name], sample_thing(np.random.default_rng((3, 1)), name)
    np.testing.assert_array_equal(one.mesh().vertices, two.mesh().vertices)
    np.testing.assert_array_equal(one.mesh().albedo, two.mesh().albedo)
    assert (one.size > 0).all()
    assert one.size.max() < 0.45
    assert one.grips
    other = sample_thing(np.random.default_rng((3, 2)), name)
    assert not (np.array_equal(one.mesh().vertices, other.mesh().vertices) and one.mesh().albedo[0].tolist()
                == other.mesh().albedo[0].tolist())  # fmt: skip


def test_meshes_have_materials_and_one_size_of_texture(things):
    for thing in things.values():
        mesh = thing.mesh()
        assert mesh.closed is not None
        assert mesh.closed.all()
        assert (mesh.albedo >= 0).all()
        assert (mesh.albedo <= 1).all()
        if mesh.texture is not None:
            assert mesh.texture.shape[1:] == (TEXTURE, TEXTURE, 4)
    assert sum(thing.mesh().texture is not None for thing in things.values()) > 8


def test_moving_parts(things):
    moving = [thing for thing in things.values() if thing.joints]
    assert {joint.kind for thing in moving for joint in thing.joints} == {"hinge", "slide", "screw"}
    for thing in moving:
        joint = thing.joints[0]
        state = [joint.high if abs(joint.high) > abs(joint.low) else joint.low]
        rest, open_ = thing.mesh(), thing.mesh(state)
        np.testing.assert_array_equal(rest.faces, open_.faces)
        moved = np.linalg.norm(rest.vertices - open_.vertices, axis=1)
        assert (moved == 0).any()
        assert moved.max() > 0.004
        turn, shift = thing.motions(state)[1]
        np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
        part = next(shell for shell in thing.shells if shell.part == 1)
        points = part.surface.vertices[:20] @ turn.T + shift
        assert thing.sdf(points, state).max() < 2e-5  # the part's skin is still on, or in, the whole
        with pytest.raises(PalmarError, match="joints"):
            thing.mesh([0.0, 0.0])


def test_joints_move_as_they_say():
    x, o = np.array([1.0, 0, 0]), np.array([0.0, 1, 0])
    turn, shift = Joint("hinge", x, o, 0, 1).motion(np.pi / 2)
    np.testing.assert_allclose(turn @ np.array([5.0, 2, 0]) + shift, [5, 1, 1], atol=1e-12)
    np.testing.assert_allclose(turn @ o + shift, o, atol=1e-12)
    turn, shift = Joint("slide", x, o, 0, 1, "slide").motion(0.3)
    np.testing.assert_allclose(turn @ o + shift, [0.3, 1, 0])
    turn, shift = Joint("screw", x, o, 0, 9, "screw", 0.1).motion(2 * np.pi)
    np.testing.assert_allclose(turn @ o + shift, o + 0.2 * np.pi * x, atol=1e-12)


def test_names():
    with pytest.raises(PalmarError, match="thing"):
        sample_thing(np.random.default_rng(0), "anvil")
    with pytest.raises(PalmarError, match="material"):
        material(np.random.default_rng(0), "cheese")
    assert len({sample_thing(np.random.default_rng((1, i))).name for i in range(80)}) > 25


@pytest.mark.parametrize("name", ["mug", "hinged box", "scissors", "bottle", "drawer", "drill"])
def test_mirror_images(things, name):
    """Mirroring commutes with moving parts, and twice is nothing."""
    thing, image = things[name], things[name].mirrored()
    state = [0.7 * j.high + 0.3 * j.low for j in thing.joints]
    sign = np.array([-1.0, 1.0, 1.0])
    points = np.random.default_rng(0).uniform(*(thing.bounds * 1.2), (300, 3))
    np.testing.assert_allclose(image.sdf(points * sign, state), thing.sdf(points, state), atol=1e-12)
    ours = thing.mesh(state).vertices * sign
    np.testing.assert_allclose(image.mesh(state).vertices.min(0), ours.min(0), atol=1e-6)
    np.testing.assert_allclose(image.mesh(state).vertices.max(0), ours.max(0), atol=1e-6)
    assert image.shells[0].surface.volume() == pytest.approx(thing.shells[0].surface.volume())
    for one, two, three in zip(thing.grips, image.grips, image.mirrored().grips, strict=True):
        assert np.linalg.det(two.thing_from_grip[:3, :3]) == pytest.approx(1.0)
        np.testing.assert_allclose(three.thing_from_grip, one.thing_from_grip, atol=1e-12)
