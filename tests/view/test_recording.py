"""Rerun recordings, read back by Rerun's own reader: what is in space lies on what is in the picture, at its time."""

import json

import numpy as np
import pytest

pytest.importorskip("rerun")

import rerun.chunk

from palmar.errors import PalmarError
from palmar.geometry.camera import Camera
from palmar.geometry.rotations import rotvec_from_rotmat
from palmar.hand import HandModel
from palmar.media import ArrayFrames
from palmar.types import Clip, Hands
from palmar.view.recording import Action, about, read_actions, save

CAMERA = Camera(160, 120, 150.0, 155.0, 70.0, 66.0)                         # off its centre, pixels not square
FRAMES, FPS = 4, 8.0


def clip(*, world: bool = False, camera: Camera | None = CAMERA, drop: tuple[str, ...] = ()) -> Clip:
    """A right hand that goes away from the camera, missing in frame 2, and a left one in frame 3 alone."""
    rows = []
    for frame, side, track in ((0, 1, 0), (1, 1, 0), (3, 1, 0), (3, 0, 4)):
        model = HandModel.default(side)
        rotations = model.rotations_from_angles(np.full((5, 3, 3), 0.1 * frame))
        place = np.array([0.02 - 0.1 * (1 - side), 0.01, 0.4 + 0.05 * frame])
        posed = model.shaped(np.zeros(10)).posed(rotations, place)
        joints = posed.joints()
        points = np.concatenate([CAMERA.project(joints), np.full((21, 1), 0.9)], 1)
        pose = np.eye(4)
        pose[:3, 3] = (0.1 * frame, 0, 0)
        rows.append(
            {
                "frame": frame, "track": track, "view": 0, "side": side, "score": 0.5 + 0.1 * frame,
                "box": [*points[:, :2].min(0), *points[:, :2].max(0)], "keypoints": points, "joints": joints,
                "pose": rotvec_from_rotmat(rotations), "shape": np.zeros(10), "translation": place,
                **({"world_from_camera": pose} if world else {}),
            }
        )
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0] if name not in drop}
    images = [np.full((120, 160, 3), 40 * i, np.uint8) for i in range(FRAMES)]
    info = {"frames": FRAMES, "times": [i / FPS for i in range(FRAMES)], "stills": False}
    return Clip(ArrayFrames(images, fps=FPS), camera, "assumed", Hands(**columns), info)


def read(path) -> dict[str, list[dict]]:
    """Entity -> rows of what was logged to it: seconds under "time", frame under "frame"."""
    out: dict[str, list[dict]] = {}
    for chunk in rerun.chunk.RrdReader(str(path)).stream():
        out.setdefault(chunk.entity_path, []).extend(chunk.to_record_batch().to_pylist())
    return out


def values(rows, name) -> dict[int, object]:
    """Frame -> what was logged of a component then."""
    return {row["frame"]: row[name][0] for row in rows if row.get(name)}


def seconds(row) -> float:
    return row["time"].total_seconds()


def test_what_is_in_space_lies_on_the_picture_at_its_time(tmp_path):
    made = clip()
    save(made, tmp_path / "x.rrd")
    found = read(tmp_path / "x.rrd")
    (pinhole,) = found["/world/camera"]
    matrix = np.array(pinhole["Pinhole:image_from_camera"][0]).reshape(3, 3).T      # column by column
    assert pinhole["Pinhole:resolution"][0] == [160, 120]
    joints = {row["frame"]: row for row in found["/world/hands/right-0/joints"]}
    points = {row["frame"]: row for row in found["/world/camera/picture/right-0/keypoints"]}
    assert sorted(joints) == sorted(points) == [0, 1, 3]
    for frame, row in joints.items():
        assert seconds(row) == pytest.approx(frame / FPS)
        solid = np.array(row["Points3D:positions"])
        flat = (matrix @ solid.T).T
        np.testing.assert_allclose(flat[:, :2] / flat[:, 2:], np.array(points[frame]["Points2D:positions"]), atol=1e-3)
        assert row["Points3D:keypoint_ids"] == list(range(21))
    first = made.hands.keypoints[0, :, :2]
    np.testing.assert_allclose(points[0]["Points2D:positions"], first + 0.5, atol=1e-4)     # corner, not centre


def test_skin_is_the_models_and_a_hand_that_goes_is_cleared(tmp_path):
    made = clip()
    save(made, tmp_path / "x.rrd")
    found = read(tmp_path / "x.rrd")
    skin = {row["frame"]: row for row in found["/world/hands/left-4/skin"]}
    assert list(skin) == [3]
    vertices = np.array(skin[3]["Mesh3D:vertex_positions"])
    np.testing.assert_allclose(vertices.mean(0), made.hands.joints[3].mean(0), atol=0.05)
    normals = np.array(skin[3]["Mesh3D:vertex_normals"])
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-4)
    outward = np.mean(((vertices - vertices.mean(0)) * normals).sum(1) > 0)
    assert outward > 0.6
    cleared = [row["frame"] for row in found["/world/hands/right-0"] if row.get("Clear:is_recursive")]
    assert cleared == [2]


def test_curves_pictures_actions_and_the_cameras_path(tmp_path):
    made = clip(world=True)
    save(made, tmp_path / "x.rrd", actions=[Action("wave", 0.1, 0.3, 0.8)])
    found = read(tmp_path / "x.rrd")
    scores = values(found["/curves/score/right-0"], "Scalars:scalars")
    assert scores == pytest.approx({0: 0.5, 1: 0.6, 3: 0.8})
    bent = values(found["/curves/flexion/right-0/index"], "Scalars:scalars")
    assert bent[1] == pytest.approx(np.degrees(0.3), abs=0.5)
    pictures = [row for row in found["/world/camera/picture"] if row.get("EncodedImage:blob")]
    assert [row["frame"] for row in pictures] == [0, 1, 2, 3]
    moved = values(found["/world/camera"], "Transform3D:translation")
    assert moved[3] == pytest.approx([0.3, 0, 0])
    (said,) = [row for row in found["/actions"] if row.get("TextLog:text")]
    assert said["TextLog:text"][0].startswith("wave")
    assert seconds(said) >= 0.1


@pytest.mark.parametrize(
    "made",
    [
        clip(camera=None), clip(drop=("pose", "shape", "translation")), clip(drop=("joints", "keypoints")),
        Clip(ArrayFrames([np.zeros((8, 8, 3), np.uint8)], fps=1.0)),
        Clip(ArrayFrames([np.zeros((8, 8, 3), np.uint8)], fps=None), info={"stills": True}),
    ],
)  # fmt: skip
def test_what_is_missing_is_left_out(made, tmp_path):
    save(made, tmp_path / "x.rrd")
    assert "/about" in read(tmp_path / "x.rrd")


def test_without_pictures_it_needs_no_recording(tmp_path):
    made = clip()
    save(made, tmp_path / "x.rrd", pictures=False)
    found = read(tmp_path / "x.rrd")
    assert not any(row.get("EncodedImage:blob") for row in found.get("/world/camera/picture", ()))
    assert [row["frame"] for row in found["/world/hands/right-0/joints"]] == [0, 1, 3]


def test_actions_of_a_result(tmp_path):
    assert read_actions(tmp_path) == []
    row = {"action": "pour", "start": 1.0, "end": 2.0, "confidence": 0.7}
    (tmp_path / "actions.json").write_text(json.dumps({"actions": [row]}))
    assert read_actions(tmp_path) == [Action("pour", 1.0, 2.0, 0.7)]
    (tmp_path / "actions.json").write_text("{")
    with pytest.raises(PalmarError, match=r"actions\.json"):
        read_actions(tmp_path)


def test_about_says_what_was_assumed():
    said = about(clip())
    assert "assumed" in said
    assert "160 x 120" in said
