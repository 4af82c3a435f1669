"""Surfaces: closed, looking outward, on their solids."""

import numpy as np
import pytest
import trimesh

from palmar.errors import PalmarError
from palmar.synth.things import solid as s
from palmar.synth.things import surface as f

COMB = np.array([[0, 0], [7, 0], [7, 4], [6, 4], [6, 1], [5, 1], [5, 4], [4, 4], [4, 1], [1, 1], [1, 4], [0, 4]]) * 0.01
PATH = np.array([[-0.04, 0.0, 0.0], [0.0, 0.03, 0.0], [0.03, 0.0, 0.02]])
HOLED = s.box((0.06, 0.04, 0.05), 0.005) - s.cylinder(0.1, 0.012)
TRIANGLE = np.array([[0, -0.02], [0.03, 0.0], [0, 0.04]])
MADE = {
    "box": (f.box_surface(np.array([0.06, 0.04, 0.03])), 0.06 * 0.04 * 0.03, 0),
    "rounded box": (f.box_surface(np.array([0.06, 0.04, 0.03]), 0.008, 6), None, 0),
    "lathe": (f.lathe_surface(TRIANGLE, 200), np.pi * 0.03**2 * 0.06 / 3, 0),
    "comb": (f.extrude_surface(COMB, 0.02), 0.02 * (7 * 1 + 3 * 3 * 1) * 1e-4, 0),
    "tube": (f.tube_surface(PATH, 0.008), None, 0),
    "holed": (f.polygonised(HOLED, np.full(3, -0.035), np.full(3, 0.035), 30), None, 1),
}


@pytest.mark.parametrize("name", MADE)
def test_surfaces_are_closed_and_look_outward(name):
    surface, volume, handles = MADE[name]
    mesh = trimesh.Trimesh(surface.vertices, surface.faces, process=False)
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert mesh.euler_number == 2 - 2 * handles
    assert mesh.volume == pytest.approx(surface.volume())
    assert mesh.volume > 0
    assert mesh.area_faces.min() > (0 if name == "holed" else 1e-14)  # marching cubes leaves slivers
    assert surface.uv.shape == (len(surface.faces), 3, 2)
    if volume is not None:
        assert mesh.volume == pytest.approx(volume, rel=1e-3)


def test_vertices_lie_on_their_solids():
    assert np.abs(HOLED.distance(MADE["holed"][0].vertices)).max() < 1e-6
    assert np.abs(s.box((0.06, 0.04, 0.03), 0.008).distance(MADE["rounded box"][0].vertices)).max() < 1e-9
    assert np.abs(s.lathe(TRIANGLE).distance(MADE["lathe"][0].vertices)).max() < 1e-9
    assert np.abs(s.extrude(COMB, 0.02).distance(MADE["comb"][0].vertices)).max() < 1e-9
    straight = np.array([[0, 0, 0], [0.02, 0, 0], [0.05, 0, 0]])
    assert np.abs(s.tube(straight, 0.01).distance(f.tube_surface(straight, 0.01).vertices)).max() < 1e-9


def test_letters_run_the_right_way_on_every_side():
    """Looked at from outside, texture x grows to the right and texture y upward (-y, for the upright sides)."""
    surface = MADE["box"][0]
    corner = surface.vertices[surface.faces]
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    for n, points, uv in zip(normal, corner, surface.uv, strict=True):
        if np.abs(n).argmax() == 1:
            continue
        right = np.cross([0, 1, 0], -n / np.linalg.norm(n))  # down x forward
        for edge, change in zip(np.diff(points, axis=0), np.diff(uv, axis=0), strict=True):
            assert np.sign(np.round(change[0], 9)) == np.sign(np.round(edge @ right, 9))
            assert np.sign(np.round(change[1], 9)) == -np.sign(np.round(edge[1], 9))


def test_creases_split_edges_and_leave_curves():
    vertices, faces = f.creased(MADE["box"][0])
    assert len(vertices) == 24
    np.testing.assert_allclose(vertices[faces], MADE["box"][0].vertices[MADE["box"][0].faces])
    vertices, faces = f.creased(MADE["rounded box"][0])
    assert len(vertices) == len(MADE["rounded box"][0].vertices)


def test_bad_outlines_and_empty_solids_are_refused():
    with pytest.raises(PalmarError, match="axis"):
        f.lathe_surface(np.array([[0.01, 0], [0.02, 0.01], [0, 0.02]]))
    with pytest.raises(PalmarError, match="empty"):
        f.polygonised(s.ball(0.1), np.full(3, -0.05), np.full(3, 0.05))
