"""Screen coordinates, windows, figures, and the tracks they are of."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from palmar.data.human36m import KEPT, Human36m, View
from palmar.errors import PalmarError
from palmar.media.pickles import read_object_npz
from palmar.tasks.lifting import figures, screen, windows
from palmar.train.tracks import Batches, drawn_track, open_tracks


def test_screen_coordinates_span_the_width():
    corners = np.array([[-0.5, -0.5], [999.5, 1001.5], [249.5, 799.5]])
    np.testing.assert_allclose(screen(corners, 1000, 1002), [[-1, -1.002], [1, 1.002], [-0.5, 0.598]])


def test_windows_repeat_the_ends():
    assert windows(5, 9)[0].tolist() == [0, 0, 0, 0, 0, 1, 2, 3, 4]
    assert windows(5, 9)[4].tolist() == [0, 1, 2, 3, 4, 4, 4, 4, 4]
    with pytest.raises(PalmarError, match="odd number"):
        windows(5, 4)


def test_figures_agree_with_worked_ones():
    gt = 0.4 * np.sin(0.7 * np.arange(51)).reshape(17, 3)
    gt -= gt[0]
    found = gt + 0.05 * np.cos(1.3 * np.arange(51)).reshape(17, 3)
    values = figures([found[None] - found[0]], [gt[None]], 50)
    two = figures([np.stack([found, found + 1])], [np.stack([gt, gt])], 50)
    assert two["mpjve_mm_s"] == pytest.approx(0, abs=1e-9)  # about the root nothing moved
    assert two["pa_mpjpe_mm"] == pytest.approx(59.7642, abs=1e-3)
    assert values["mpjpe_mm"] == pytest.approx(1000 * np.linalg.norm(found - found[0] - gt, axis=-1).mean())
    moved = np.stack([gt, gt * 1.1])
    assert figures([moved], [np.stack([gt, gt])], 50)["mpjve_mm_s"] == pytest.approx(
        1000 * 50 * np.linalg.norm(0.1 * gt, axis=-1).mean()
    )
    with pytest.raises(PalmarError, match="0 tracks found"):
        figures([], [], 30)


def test_drawn_tracks_are_seen_by_a_pinhole_and_move():
    track = drawn_track("train", 3)
    rays = track.poses[..., :2] / track.poses[..., 2:]
    focal = (rays * track.points).sum() / (rays**2).sum()
    np.testing.assert_allclose(focal * rays, track.points, atol=3e-3)  # the pixel's half on both sides
    assert 1 / np.tan(np.radians(37.5)) - 0.01 < focal < 1 / np.tan(np.radians(22.5)) + 0.01
    assert np.ptp(track.poses[:, 0], axis=0).max() > 0.02
    speed = np.linalg.norm(np.diff(track.poses, axis=0), axis=-1).max() * 30
    assert speed < 6
    other = drawn_track("test", 3)
    assert np.abs(track.poses - other.poses).max() > 0.01
    np.testing.assert_array_equal(drawn_track("train", 3).points, track.points)


def test_batches_are_windows_about_the_root():
    tracks = open_tracks("drawn:2", "train")
    batch = Batches(tracks, 9, size=6, seed=0)(4)
    assert batch["image"].shape == (6, 9, 21, 2)
    np.testing.assert_array_equal(batch["poses"][:, :, 0], 0)
    np.testing.assert_array_equal(batch["poses"][:, 4], batch["pose"])
    np.testing.assert_array_equal(Batches(tracks, 9, size=6, seed=0)(4)["image"], batch["image"])
    plain, noisy = (Batches(tracks, 9, size=1, seed=0, noise=noise) for noise in (0.0, 2.0))
    off = np.concatenate([noisy(i)["image"] - plain(i)["image"] for i in range(8)])
    assert 320 * off.std() == pytest.approx(2.0, rel=0.1)


def test_a_camera_turns_the_world():
    view = View(np.array([0.5, 0.5, 0.5, 0.5]), np.array([0.1, 0.2, 0.3]), 1000, 1000)
    np.testing.assert_allclose(view.poses(np.array([[[1.0, 2, 3]]]))[0, 0], [1.8, 2.7, 0.9])


@pytest.fixture(scope="module")
def human(tmp_path_factory):
    root, rng = tmp_path_factory.mktemp("h36m"), np.random.default_rng(0)
    quaternion = Rotation.random(random_state=1).as_quat()
    camera = {
        "orientation": np.roll(quaternion, 1).tolist(),
        "translation": [0.1, 0.2, -4.0],
        "width": 1000,
        "height": 1002,
    }
    world, pixels = rng.normal(size=(6, 32, 3)), rng.uniform(0, 1000, (8, 17, 2))
    subjects = ("S1", "S5", "S6", "S7", "S8", "S9", "S11")
    np.savez_compressed(root / "data_3d_h36m.npz", positions_3d={s: {"Walking 1": world} for s in subjects})
    np.savez_compressed(
        root / "data_2d_h36m_gt.npz",
        positions_2d={s: {"Walking 1": [pixels.astype(np.float32)] * 4} for s in subjects},
        metadata={"layout_name": "h36m", "num_joints": 17, "keypoints_symmetry": [[4, 5], [1, 2]]},
    )
    (root / "cameras.json").write_text(json.dumps({s: [camera] * 4 for s in subjects}))
    return root, world, pixels, camera


def test_human36m_is_read_in_videopose3ds_files(human):
    root, world, pixels, camera = human
    clips = Human36m(root).clips("test")
    assert [c.name for c in clips] == [f"{s} Walking 1 {v}" for s in ("S9", "S11") for v in range(4)]
    np.testing.assert_allclose(clips[0].pixels, pixels[:6], atol=1e-4)  # cut to the motion
    w, x, y, z = camera["orientation"]
    turn = Rotation.from_quat([x, y, z, w]).inv()
    expected = turn.apply((world[:, list(KEPT)] - camera["translation"]).reshape(-1, 3)).reshape(6, 17, 3)
    np.testing.assert_allclose(clips[0].poses, expected, atol=1e-12)
    tracks = open_tracks(f"human36m:{root}", "train")
    assert (tracks.skeleton, len(tracks.tracks), tracks.fps) == ("body", 20, 50.0)


def test_files_from_others_run_nothing(human, tmp_path):
    class Evil:
        def __reduce__(self):
            return (eval, ("1/0",))

    np.savez(tmp_path / "data_3d_h36m.npz", positions_3d={"S9": {"a": Evil()}})
    with pytest.raises(PalmarError, match="refused"):
        read_object_npz(tmp_path / "data_3d_h36m.npz", 1 << 20, "a file")
    with pytest.raises(PalmarError, match="more than 10 bytes unpacked"):
        read_object_npz(human[0] / "data_3d_h36m.npz", 10, "a file")
    (tmp_path / "torn.npz").write_bytes((human[0] / "data_3d_h36m.npz").read_bytes()[:400])
    with pytest.raises(PalmarError, match="damaged"):
        read_object_npz(tmp_path / "torn.npz", 1 << 20, "a file")
    for data in ("human36m:/no/where", "drawn:0", "drawn", "video:3"):
        with pytest.raises(PalmarError):
            open_tracks(data, "train")


def test_what_is_missing_is_named(human, tmp_path):
    for name in ("data_3d_h36m.npz", "data_2d_h36m_gt.npz"):
        (tmp_path / name).write_bytes((human[0] / name).read_bytes())
    with pytest.raises(PalmarError, match=r"cameras\.json: cannot be read"):
        Human36m(tmp_path)
    (tmp_path / "cameras.json").write_text("{}")
    with pytest.raises(PalmarError, match="S9 Walking 1: no points or no cameras"):
        Human36m(tmp_path).clips("test")
