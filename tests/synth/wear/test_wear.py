"""What hands wear: it follows the skin, stays on its outside, and is the same on every run."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from palmar.errors import PalmarError
from palmar.hand import HandModel
from palmar.render import vertex_normals
from palmar.synth import gestures
from palmar.synth.people.hands import Grip, OwnHand
from palmar.synth.people.surface import Surface
from palmar.synth.skin import sample_skin
from palmar.synth.wear import outfit as wear
from palmar.synth.wear.band import band, round_profile, section, strap_profile
from palmar.synth.wear.fine import drawing, ink, scatter
from palmar.synth.wear.glove import SORTS, THICKNESS, Painted, draw_glove
from palmar.synth.wear.shell import cut, smoother


@pytest.fixture(scope="module")
def hand() -> OwnHand:
    rng = np.random.default_rng(2)
    return OwnHand.of(1, rng.normal(0, 1, 10).clip(-2, 2), sample_skin(rng, gloves=0.0, painted=0.0))


def posed(hand: OwnHand, name: str, turn: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    grip = Grip(hand.body.resolve(gestures.shape(name)), np.eye(3) if turn is None else turn, np.zeros(3))
    skin = hand.to_world(grip, hand.local(grip.angles).vertices)
    faces = hand.shaped.model.faces
    return skin, vertex_normals(skin.astype(np.float32), faces).astype(float)


def tube(radius: float = 0.01) -> tuple[np.ndarray, np.ndarray]:
    """Open cylinder about x."""
    t = np.arange(24) * (2 * np.pi / 24)
    rings = [np.stack([np.full(24, x), radius * np.cos(t), radius * np.sin(t)], 1) for x in np.linspace(-0.03, 0.03, 9)]
    faces = []
    for k in range(8):
        for i in range(24):
            a, b = 24 * k + i, 24 * k + (i + 1) % 24
            faces += [(a, b + 24, b), (a, a + 24, b + 24)]
    return np.concatenate(rings), np.array(faces, np.int32)


def test_a_plane_cuts_a_tube_in_a_circle():
    points, faces = tube()
    at, way, start = np.array([0.003, 0, 0]), np.array([1.0, 0, 0]), np.array([0.0, 1.0, 0])
    matrix = section(points, faces, np.ones(len(faces), bool), at, way, start, 12)
    found = matrix @ points
    np.testing.assert_allclose(np.asarray(matrix.sum(1)).ravel(), 1.0)
    np.testing.assert_allclose(found[:, 0], 0.003, atol=1e-12)
    angle = np.arctan2(found[:, 2], found[:, 1])
    np.testing.assert_allclose(angle % (2 * np.pi), np.arange(12) * (2 * np.pi / 12), atol=1e-3)
    with pytest.raises(PalmarError, match="does not cut"):
        section(points, faces, np.ones(len(faces), bool), np.array([1.0, 0, 0]), way, start, 12)


@pytest.mark.parametrize("profile", [round_profile(0.002, 0.004), strap_profile(0.002, 0.012)])
def test_bands_are_closed_and_look_outward(profile):
    points, faces = tube()
    made = band(
        points, faces, np.ones(len(faces), bool), np.zeros(3), np.array([1.0, 0, 0]), np.array([0.0, 1, 0]), profile,
        colour=np.ones(3), roughness=0.3, specular=1.0, part=30,
    )  # fmt: skip
    mesh = made.on(points, points)
    edges = np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]])
    assert len(np.unique(edges, axis=0)) == len(edges)  # each directed edge once: oriented
    assert {tuple(e) for e in edges} == {(b, a) for a, b in edges}  # and with its partner: closed
    v = mesh.vertices[mesh.faces].astype(float)
    assert np.einsum("fi,fi->", v[:, 0], np.cross(v[:, 1], v[:, 2])) > 0
    assert np.hypot(mesh.vertices[:, 1], mesh.vertices[:, 2]).max() > 0.0105


def test_bands_go_with_the_body():
    points, faces = tube()
    made = band(
        points, faces, np.ones(len(faces), bool), np.zeros(3), np.array([1.0, 0, 0]), np.array([0.0, 1, 0]),
        strap_profile(0.002, 0.01), colour=np.ones(3), roughness=0.3, specular=1.0, part=30,
    )  # fmt: skip
    turn = Rotation.from_rotvec([0.4, 1.0, -0.2]).as_matrix()
    np.testing.assert_allclose(made.points(points @ turn.T + 0.3), made.points(points) @ turn.T + 0.3, atol=1e-12)


@pytest.mark.parametrize("finger", range(5))
def test_rings_sit_around_their_finger_in_every_pose(hand, finger):
    hoop = wear.ring(np.random.default_rng(finger), hand.shaped, finger)[0]
    for name in ("open", "fist", "point"):
        skin, normals = posed(hand, name)
        mesh = hoop.on(skin, normals)
        distance, face, _ = Surface.of(skin, hand.shaped.model.faces).distance(mesh.vertices.astype(float))
        assert distance.min() > -0.0035  # neighbours may press on a ring
        assert distance[np.isfinite(distance)].max() < 0.006
        near = hand.shaped.model.weights[hand.shaped.model.faces[face]].sum(1).argmax(1)
        own = {0: (13, 14), 1: (1,), 2: (4,), 3: (10,), 4: (7,)}[finger]
        assert np.isin(near, own).mean() > 0.5


@pytest.mark.parametrize("sort", SORTS)
def test_a_glove_is_as_thick_as_it_says_and_ends_at_the_cuff(hand, sort):
    glove = draw_glove(np.random.default_rng(4), hand.shaped.vertices(), hand.painted, sort)
    skin, normals = posed(hand, "open")
    off = glove.skin(skin, normals) - skin
    along = np.sum(off * normals, 1)
    low, high = THICKNESS[sort]
    covered = glove.offset > 0
    assert covered[hand.shaped.model.behind == 0].all()
    np.testing.assert_array_equal(off[~covered], 0.0)
    assert low * 0.99 <= np.median(along[covered]) <= high * 1.3
    np.testing.assert_array_equal(glove.painted.albedo[~covered], hand.painted.albedo[~covered])
    assert np.abs(glove.painted.albedo[covered] - hand.painted.albedo[covered]).max() > 0.03


def test_ink_lies_on_the_skin(hand):
    skin, normals = posed(hand, "open")
    made = wear.back_tattoo(np.random.default_rng(1), hand.shaped)
    assert made is not None
    for name in ("open", "fist"):
        skin, normals = posed(hand, name)
        mesh = made.on(skin, normals)
        used = np.unique(mesh.faces)
        distance, _, _ = Surface.of(skin, hand.shaped.model.faces).distance(mesh.vertices[used].astype(float))
        assert np.abs(distance).max() < 0.0008


def test_ink_beside_the_skin_is_none(hand):
    surface = Surface.of(hand.shaped.vertices(), hand.shaped.model.faces)
    lines = drawing(np.random.default_rng(0), 0.02)
    axes = np.eye(3)[[2, 0]]
    assert ink(surface, lines, np.array([1.0, 1, 1]), axes, width=0.001, colour=np.zeros(3)) is None


def test_hair_grows_on_the_back_and_not_in_the_palm(hand):
    made = wear.back_hair(np.random.default_rng(1), hand.shaped, hand.painted, None, 0.8)
    skin, normals = posed(hand, "flat")
    mesh = made.on(skin, normals)
    roots = mesh.vertices[0::5].astype(float)
    surface = Surface.of(skin, hand.shaped.model.faces)
    distance, face, bary = surface.distance(roots)
    assert np.abs(distance).max() < 0.0005
    out = np.einsum("nk,nki->ni", bary, surface.normals[surface.faces[face]])
    assert (out[:, 1] > -0.3).mean() > 0.98  # the back looks along +y
    tips = mesh.vertices[4::5].astype(float)
    reach = np.linalg.norm(tips - roots, axis=1)
    assert 0.002 < np.median(reach) < 0.012


def test_scattered_points_follow_the_density():
    points, faces = tube()
    surface = Surface.of(points, faces)
    density = (points[faces].mean(1)[:, 0] > 0).astype(float)
    face, bary = scatter(np.random.default_rng(0), surface, density, 300)
    assert (density[face] == 1).all()
    np.testing.assert_allclose(bary.sum(1), 1.0)
    assert (bary >= 0).all()


def test_every_hand_has_a_cuff():
    """Also hands of unusual shape, whose stub begins elsewhere."""
    model = HandModel.default()
    for seed in range(60):
        rng = np.random.default_rng((seed, 3))
        rest = model.shaped(rng.normal(0, 1.5, 10).clip(-3, 3)).vertices()
        plain = Painted(np.full((len(rest), 3), 0.5, np.float32), *np.full((2, len(rest)), 0.5, np.float32))
        glove = draw_glove(rng, rest, plain, SORTS[seed % len(SORTS)])
        assert glove.cuff is not None
        assert np.isfinite(glove.cuff.from_surface @ rest).all()


def test_every_finger_has_room_for_a_bandage():
    model = HandModel.default()
    for seed in (161, 544, 556, 661, 1036, *range(20)):  # the first five once had none
        rng = np.random.default_rng((seed, 9))
        shaped = model.shaped(rng.normal(0, 1, 10).clip(-2.5, 2.5))
        assert wear.bandage(rng, shaped) is not None


def test_outfits_are_the_same_on_every_run_and_never_mix_gloves_with_rings(hand):
    seen = set()
    for seed in range(40):
        skin = sample_skin(np.random.default_rng(seed), gloves=0.0, painted=0.0)
        a, b = (
            wear.draw_outfit(np.random.default_rng(seed), hand.shaped, hand.painted, skin, gloved=0.3) for _ in range(2)
        )
        assert (a.glove is None) == (b.glove is None)
        assert [type(i) for i in a.items] == [type(i) for i in b.items]
        surface, normals = posed(hand, "rest")
        for p, q in zip(a.pieces(surface, normals, left=False), b.pieces(surface, normals, left=False), strict=True):
            np.testing.assert_array_equal(p.vertices, q.vertices)
        assert a.glove is None or not a.items
        seen |= {"glove"} if a.glove else {type(i).__name__ for i in a.items}
    assert seen >= {"glove", "Band", "Shell"}


def test_a_cut_goes_along_the_zero_of_its_field():
    points, faces = tube()
    field = points[:, 0] - 0.0031
    matrix, kept = cut(faces, field)
    out = matrix @ points
    assert out[:, 0].min() == pytest.approx(0.0031, abs=1e-12)
    assert out[:, 0].max() == pytest.approx(0.03)
    corner = out[kept]
    area = np.linalg.norm(np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), axis=1).sum() / 2
    side = 2 * 0.01 * np.sin(np.pi / 24) * 24
    assert area == pytest.approx(side * (0.03 - 0.0031), rel=1e-9)
    # it still looks outward
    outward = np.einsum("fi,fi->f", np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]),
                        corner.mean(1) * [0, 1, 1])  # fmt: skip
    whole = points[faces]
    before = np.einsum("fi,fi->f", np.cross(whole[:, 1] - whole[:, 0], whole[:, 2] - whole[:, 0]),
                       whole.mean(1) * [0, 1, 1])  # fmt: skip
    assert (np.sign(outward) == np.sign(before[0])).all()


def test_smoothing_keeps_edges_on_their_line_and_flat_sheets_flat():
    points, faces = tube()
    smooth = smoother(faces, len(points), 3)
    np.testing.assert_allclose(np.asarray(smooth.sum(1)).ravel(), 1.0)
    out = smooth @ points
    rim = np.isclose(np.abs(points[:, 0]), 0.03)
    np.testing.assert_allclose(out[rim, 0], points[rim, 0], atol=1e-6)
    flat = points * [1, 1, 0]
    np.testing.assert_allclose((smooth @ flat)[:, 2], 0.0, atol=1e-15)


def test_a_left_hands_wear_is_the_right_hands_reflected():
    """A pair of hands of one shape, mirrored poses: what they wear is mirrored too."""
    rng = np.random.default_rng(2)
    skin, shape = sample_skin(rng, gloves=0.0, painted=0.0), np.zeros(10)
    model = HandModel.default()
    sides = []
    for side in range(2):
        hand = OwnHand.of(side, shape, skin)
        grip = Grip(gestures.shape("peace"), np.eye(3), np.zeros(3))
        surface = hand.to_world(grip, hand.local(grip.angles).vertices)
        faces = model.faces if side else np.ascontiguousarray(model.faces[:, ::-1])
        normals = vertex_normals(surface.astype(np.float32), faces).astype(float)
        watch = wear.Outfit(None, tuple(wear.watch(np.random.default_rng(7), hand.shaped)))
        sides.append(watch.pieces(surface, normals, left=side == 0)[0])
    np.testing.assert_allclose(sides[0].vertices * [-1, 1, 1], sides[1].vertices, atol=1e-6)
    np.testing.assert_array_equal(sides[0].faces, sides[1].faces[:, ::-1])


def test_strands_and_ink_look_away_from_the_skin(hand):
    """A face that looks inward would be shaded with the light of the other side."""
    skin, normals = posed(hand, "open")
    strands = wear.back_hair(np.random.default_rng(1), hand.shaped, hand.painted, None, 0.8)
    drawn = wear.back_tattoo(np.random.default_rng(1), hand.shaped)
    for made in (strands, drawn):
        mesh = made.on(skin, normals)
        v = mesh.vertices[mesh.faces].astype(float)
        out = np.cross(v[:, 1] - v[:, 0], v[:, 2] - v[:, 0])
        assert (np.einsum("fi,fi->f", out, mesh.normals[mesh.faces].mean(1)) > 0).mean() > 0.97
