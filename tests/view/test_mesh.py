"""Mesh overlays against silhouettes and depths found another way."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from palmar import Hands, PalmarError
from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.hand.mirror import mirror_points, mirror_rotvecs
from palmar.hand.model import HandModel
from palmar.view import MeshStyle, draw_mesh, vertices_in_camera
from palmar.view.mesh import WRIST_CUT

GREY = np.full((480, 640, 3), 90, np.uint8)
SOLID = MeshStyle(alpha=1.0)


def covered(image):
    return (image != GREY).any(-1)


def silhouette(hands, camera):
    """All triangles of all hands filled, whichever way they face."""
    out = np.zeros((480, 640), np.uint8)
    for side, vertices in zip(hands.side, vertices_in_camera(hands), strict=True):
        model = HandModel.default(int(side))
        faces = model.faces[(model.behind[model.faces] <= WRIST_CUT).all(1)]
        for triangle in camera.project(vertices)[faces]:
            cv2.fillConvexPoly(out, np.round(triangle * 16).astype(np.int32), 255, cv2.LINE_8, 4)
    return out > 0


def test_vertices_are_the_models(make_hands, camera):
    hands = make_hands(camera, (1, (0.1, 0.08, 0.4)), (0, (-0.1, 0.08, 0.5)))
    for i, vertices in enumerate(vertices_in_camera(hands)):
        model = HandModel.default(int(hands.side[i]))
        rotations = rotmat_from_rotvec(hands.pose[i].astype(float))
        slow = model.shaped(hands.shape[i].astype(float)).posed(rotations, hands.translation[i].astype(float)).skin()
        np.testing.assert_allclose(vertices, slow, atol=1e-12)


@pytest.mark.parametrize("side", [0, 1])
def test_the_mesh_covers_the_hand_and_nothing_else(make_hands, camera, side):
    hands = make_hands(camera, (side, (0.05, 0.06, 0.35)))
    out = draw_mesh(GREY, hands, camera, SOLID)
    truth, found = silhouette(hands, camera), covered(out)
    assert (truth & found).sum() / (truth | found).sum() > 0.97
    pixels = hands.keypoints[0, [5, 9, 13, 17], :2].round().astype(int)  # the knuckles lie inside
    assert found[pixels[:, 1], pixels[:, 0]].all()


def test_a_left_hand_is_the_picture_of_a_right_one_flipped(make_hands, camera):
    """Lit from the front, so that light does not tell the sides apart."""
    style = replace(SOLID, light=(0.0, 0.0, -1.0), left=SOLID.right)
    right = draw_mesh(GREY, make_hands(camera, (1, (0.08, 0.06, 0.4))), camera, style)
    left = draw_mesh(GREY, make_hands(camera, (0, (-0.08, 0.06, 0.4))), camera, style)
    difference = np.abs(left[:, ::-1].astype(int) - right).max(-1)
    assert (difference > 8).mean() < 0.002  # but for a pixel of rounding at edges


def test_the_nearer_hand_covers_the_other(make_hands, camera):
    style = replace(SOLID, ambient=1.0, left=(0, 0, 255), right=(255, 0, 0))
    for near, far, colour in (
        ((1, (0, 0.06, 0.4)), (0, (0, 0.06, 0.6)), 0),
        ((0, (0, 0.06, 0.4)), (1, (0, 0.06, 0.6)), 2),
    ):
        for order in ((near, far), (far, near)):
            out = draw_mesh(GREY, make_hands(camera, *order), camera, style)
            both = cv2.erode((silhouette(make_hands(camera, near), camera)).astype(np.uint8), np.ones((5, 5))) > 0
            assert (out[both].argmax(-1) == colour).mean() > 0.99


def test_what_faces_the_lamp_is_bright(make_hands, camera):
    """Lambert: the palm lit from the front against the same palm lit from behind, and the sum of both is the ambient's
    twice.
    """
    hands = make_hands(camera, (1, (0.0, 0.06, 0.4)), turn=(0, 0, 0))
    inside = cv2.erode(silhouette(hands, camera).astype(np.uint8), np.ones((7, 7))) > 0
    lamps = [replace(SOLID, light=(0.0, 0.0, z)) for z in (-1.0, 1.0)]
    front, back = (draw_mesh(GREY, hands, camera, lamp)[inside].mean() for lamp in lamps)
    assert front > 1.8 * back
    assert back == pytest.approx(SOLID.ambient * np.mean(SOLID.right), rel=0.05)
    assert front <= np.mean(SOLID.right) + 1


def test_blending_is_a_mixture(make_hands, camera):
    hands = make_hands(camera, (1, (0.0, 0.06, 0.4)))
    image = np.random.default_rng(0).integers(0, 255, (480, 640, 3), dtype=np.uint8)
    before = image.copy()
    full, half = (draw_mesh(image, hands, camera, replace(SOLID, alpha=alpha)) for alpha in (1.0, 0.5))
    np.testing.assert_array_equal(image, before)
    inside = cv2.erode(silhouette(hands, camera).astype(np.uint8), np.ones((7, 7))) > 0
    np.testing.assert_allclose(half[inside], (full[inside].astype(float) + image[inside]) / 2, atol=1)
    outside = cv2.dilate(silhouette(hands, camera).astype(np.uint8), np.ones((7, 7))) == 0
    np.testing.assert_array_equal(full[outside], image[outside])


def test_a_mirrored_recording_shows_the_hand_where_it_is_in_the_file(make_hands, camera):
    hands = make_hands(camera, (1, (0.08, 0.06, 0.4)))
    real = hands.with_columns(
        side=1 - hands.side, pose=mirror_rotvecs(hands.pose), translation=mirror_points(hands.translation)
    )
    style = replace(SOLID, left=SOLID.right)
    np.testing.assert_array_equal(
        draw_mesh(GREY, real, camera, style, mirrored=True), draw_mesh(GREY, hands, camera, style)
    )
    blue = draw_mesh(GREY, real, camera, SOLID, mirrored=True)  # in the colour of the person's own side
    assert blue[covered(blue)].mean(0).argmax() == 2


def test_hands_that_cannot_be_drawn_are_left_out(make_hands, camera):
    hands = make_hands(camera, (1, (0.0, 0.06, 0.4)))
    nowhere = hands.with_columns(translation=np.full((1, 3), np.nan))
    behind = hands.with_columns(translation=np.array([[0, 0, -0.5]]))
    aside = hands.with_columns(translation=np.array([[9.0, 0, 0.5]]))
    for none in (Hands.empty(), hands.select("keypoints"), nowhere, behind, aside):
        np.testing.assert_array_equal(draw_mesh(GREY, none, camera), GREY)
    both = Hands.concat([nowhere, hands])
    np.testing.assert_array_equal(draw_mesh(GREY, both, camera), draw_mesh(GREY, hands, camera))


@pytest.mark.parametrize("place", [(0.0, 0.0, 0.06), (0.25, 0.0, 0.4), (0.0, -0.25, 0.4), (0.0, 0.05, 0.15)])
def test_hands_at_the_edge_and_very_near_are_no_error(make_hands, camera, place):
    hands = make_hands(camera, (1, place))
    assert draw_mesh(GREY, hands, camera).shape == GREY.shape


def test_what_is_no_picture_is_refused(make_hands, camera):
    with pytest.raises(PalmarError, match="uint8"):
        draw_mesh(np.zeros((4, 4), np.uint8), make_hands(camera, (1, (0, 0, 0.4))), camera)
