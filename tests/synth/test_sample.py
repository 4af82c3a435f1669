"""Samples: pure functions of (seed, index), with labels that are where the picture shows them."""

import numpy as np
import pytest

pytest.importorskip("numba")

from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.hand import HandModel
from palmar.render import Light, render
from palmar.synth.anatomy import bend_wrist, stub_ring, surface_masks
from palmar.synth.sample import crop_sample, frame_sample
from palmar.synth.scene import ARM, CLOTH, THING, Dressed, place_hand, sample_thing


def equal(a, b) -> bool:
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in vars(a))


def test_the_same_pair_is_the_same_sample():
    assert equal(crop_sample(3, 11), crop_sample(3, 11))
    assert not equal(crop_sample(3, 11), crop_sample(3, 12))
    assert not equal(crop_sample(3, 11), crop_sample(4, 11))
    assert equal(frame_sample(3, 11), frame_sample(3, 11))


def test_the_labels_of_one_sample_agree():
    """The joints of the crop come from its pose and shape; presence, side and visibility are flags; unit rotations."""
    model = HandModel.default()
    seen, sides = [], []
    for index in range(40):
        s = crop_sample(1, index)
        assert s.image.shape == (128, 128, 3)
        assert s.image.dtype == np.uint8
        assert set(np.unique(s.visible)) <= {0.0, 1.0}
        if not s.presence:
            continue
        seen.append(s.visible.mean())
        sides.append(s.side)
        posed = model.shaped(s.shape.astype(float)).posed(s.rotations.astype(float)).joints()
        np.testing.assert_allclose(posed - posed[0], s.joints, atol=2e-4)
        inside = ((s.keypoints > -0.5) & (s.keypoints < 127.5)).all(1)
        assert not s.visible[~inside].any()
    assert 0.35 < np.mean(seen) < 0.95
    assert 0.2 < np.mean(sides) < 0.8


@pytest.mark.plain
def test_left_samples_are_mirror_images(monkeypatch):
    """The last draw of a crop picks the side; turned about, it gives the mirror image and the same pose labels."""
    index = next(i for i in range(30) if crop_sample(1, i).presence)
    s = crop_sample(1, index)
    fresh = np.random.default_rng
    draws = []

    class Counted:
        """A generator whose draw of `random` number `turn` is turned about."""

        def __init__(self, key, turn):
            self.rng, self.turn, self.count = fresh(key), turn, 0
            draws.append(self)

        def random(self, *args, **kwargs):
            self.count += 1
            value = self.rng.random(*args, **kwargs)
            return 1.0 - value if self.count == self.turn else value

        def __getattr__(self, name):
            return getattr(self.rng, name)

    with monkeypatch.context() as m:
        m.setattr(np.random, "default_rng", lambda key=None: Counted(key, 0) if key == (1, index) else fresh(key))
        assert equal(crop_sample(1, index), s)
        last = draws[0].count
        m.setattr(np.random, "default_rng", lambda key=None: Counted(key, last) if key == (1, index) else fresh(key))
        other = crop_sample(1, index)
    assert other.side == 1 - s.side
    np.testing.assert_array_equal(other.image, s.image[:, ::-1])
    np.testing.assert_allclose(other.keypoints, s.keypoints * [-1, 1] + [127, 0], atol=1e-4)
    np.testing.assert_array_equal(other.rotations, s.rotations)


def test_keypoints_lie_on_the_rendered_hand():
    """Every joint that is not hidden projects onto a pixel of its own hand: the half-pixel law from mesh to label."""
    hits = total = 0
    for index in range(12):
        rng = np.random.default_rng(index)
        hand = place_hand(rng, np.array([0.02, -0.01, 0.6]))
        matrix = np.array([[520.0, 0, 127.5], [0, 520, 127.5], [0, 0, 1]])
        out = render(hand.mesh, matrix, 256, 256, Light(sh=np.ones((9, 3), np.float32)))
        p = hand.joints @ matrix.T
        pixel = np.round(p[:, :2] / p[:, 2:]).astype(int)
        for x, y in pixel[((pixel >= 0) & (pixel < 256)).all(1)]:
            total += 1
            hits += out.alpha[y, x] > 0.5
    assert hits / total > 0.97


def test_frames_hold_what_their_labels_say():
    counts = []
    for index in range(25):
        f = frame_sample(2, index)
        assert f.image.shape == (160, 192, 3)
        counts.append(len(f.boxes))
        assert (f.boxes[:, 2:] > f.boxes[:, :2]).all()
        assert (f.boxes >= 0).all()
        assert (f.boxes <= [191, 159, 191, 159]).all()
        np.testing.assert_allclose(np.linalg.norm(f.directions, axis=1), 1.0, atol=1e-5)
    assert 0 in counts
    assert max(counts) >= 2


def test_masks_know_palm_from_back():
    model = HandModel.default()
    masks = surface_masks(model)
    up = np.zeros_like(model.template)
    t = model.template[model.faces]
    n = np.cross(t[:, 1] - t[:, 0], t[:, 2] - t[:, 0])
    for k in range(3):
        np.add.at(up, model.faces[:, k], n)
    fingers = np.isin(model.weights.argmax(1), range(1, 13))
    up /= np.linalg.norm(up, axis=1, keepdims=True)
    assert up[fingers & (masks["palm"] > 0.9), 1].max() < 0.2
    assert up[fingers & (masks["back"] > 0.9), 1].min() > 0.0
    nails = masks["nail"] > 0.5
    assert 5 <= len(np.unique(model.weights[nails].argmax(1))) <= 5
    assert (masks["back"][nails] > 0.5).all()


def test_wrist_bends_only_behind_it():
    model = HandModel.default()
    bent = bend_wrist(model.template, model.behind, np.array([0.0, 0.0, 0.5]))
    front = model.behind == 0
    np.testing.assert_array_equal(bent[front], model.template[front])
    ring = stub_ring(model)
    np.testing.assert_allclose(
        bent[ring], model.template[ring] @ rotmat_from_rotvec(np.array([0.0, 0.0, 0.5])).T, atol=1e-12
    )


def test_arms_and_things_are_labelled():
    rng = np.random.default_rng(0)
    parts = set()
    for _ in range(12):
        hand = place_hand(rng, np.array([0, 0, 0.5]))
        parts |= set(np.unique(hand.mesh.part))
        parts |= set(np.unique(sample_thing(rng, hand).part))
    assert {0, 3, 15, ARM, CLOTH, THING} <= parts


def test_arm_and_hand_are_shaded_as_one_surface():
    """Nothing in the normals says where the hand's mesh ends and the arm's begins."""
    model = HandModel.default()
    worn = Dressed.sample(np.random.default_rng(3)).posed(np.zeros((5, 3, 3)), np.eye(3))
    ring = stub_ring(model)
    assert worn.hand.normals is not None
    assert worn.arm.normals is not None
    np.testing.assert_array_equal(worn.hand.vertices[ring], worn.arm.vertices[: len(ring)])
    np.testing.assert_array_equal(worn.hand.normals[ring], worn.arm.normals[: len(ring)])
    along = worn.hand.normals[ring][:, 0]
    assert np.abs(along).max() < 0.35  # the cap would turn them backwards, to 0.77
