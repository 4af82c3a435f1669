"""The shade around a hand: dark in a fist, none on an open hand's back, the same on the device."""

import numpy as np
import pytest

pytest.importorskip("numba")

from palmar.hand import HandModel
from palmar.render import Mesh
from palmar.synth import gestures
from palmar.synth.shade import REACH, occluded, open_share


def hand(name: str) -> tuple[Mesh, np.ndarray]:
    model = HandModel.default()
    posed = model.shaped(np.zeros(10)).posed(model.rotations_from_angles(gestures.shape(name)))
    vertices = posed.skin().astype(np.float32)
    closed = np.ones(len(model.faces), bool)
    return Mesh(vertices, model.faces, np.full(vertices.shape, 0.5, np.float32), closed=closed), posed.joints()


def test_a_fist_is_dark_inside_and_a_flat_hand_is_not():
    model = HandModel.default()
    palm = (model.parts == 0) & (model.shaped(np.zeros(10)).posed(np.tile(np.eye(3), (16, 1, 1))).skin()[:, 0] < -0.03)
    shares = {name: open_share(*hand(name)) for name in ("fist", "open wide")}
    assert all(((share >= 0) & (share <= 1)).all() for share in shares.values())
    assert np.mean(shares["fist"][palm] < 0.5) > np.mean(shares["open wide"][palm] < 0.5) + 0.1
    assert np.mean(shares["open wide"] > 0.9) > 0.5


def test_what_is_far_stays_in_the_open_and_what_is_held_throws_shade():
    mesh, joints = hand("open wide")
    lid = mesh.vertices.mean(0) + np.float32([[-1, 0, -1], [1, 0, -1], [1, 0, 1], [-1, 0, 1]]) * np.float32(0.045)
    for away, shades in ((-0.02, True), (-3 * REACH, False)):
        corners = lid + np.float32([0, away, 0])
        plate = Mesh(corners, np.int32([[0, 1, 2], [0, 2, 3]]), np.full((4, 3), 0.5, np.float32))
        both = occluded(Mesh.concatenate([mesh, plate]), joints)
        alone = open_share(mesh, joints)
        changed = np.mean(both.occlusion[: len(alone)] < alone - 0.2)
        assert bool(changed > 0.05) is shades
        if not shades:
            assert (both.occlusion[len(alone) :] == 1).all()


def test_the_device_sees_the_same_shade():
    torch = pytest.importorskip("torch")
    from palmar.render import ambient_occlusion
    from palmar.synth.shade import BIAS

    pairs = [hand(name) for name in ("fist", "open wide", "hold pen")]
    near = [((mesh.vertices > j.min(0) - REACH) & (mesh.vertices < j.max(0) + REACH)).all(1) for mesh, j in pairs]
    kept = [np.where(rows[:, None], mesh.vertices, np.nan) for (mesh, _), rows in zip(pairs, near, strict=True)]
    batch = torch.tensor(np.stack(kept).astype(np.float32))
    faces, closed = torch.tensor(pairs[0][0].faces), torch.tensor(pairs[0][0].closed)
    got = ambient_occlusion(batch, faces, closed=closed, bias=BIAS).numpy()
    expected = np.stack([open_share(mesh, joints) for mesh, joints in pairs])
    assert np.mean(np.abs(got - expected) > 0.02) < 0.02
