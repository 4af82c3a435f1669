"""Formats in pixels: COCO-WholeBody style and MediaPipe's shape, read back into the hands."""

from __future__ import annotations

import json

import numpy as np
import pytest

from palmar.errors import PalmarError
from palmar.export import export
from palmar.hand import BONES, JOINTS
from palmar.media import ArrayFrames


@pytest.fixture(scope="module")
def coco(clip, tmp_path_factory):
    return json.loads(export(clip, tmp_path_factory.mktemp("coco") / "a.coco.json").read_text())


def test_coco_gives_back_every_hand(coco, clip):
    assert [image["id"] for image in coco["images"]] == list(range(10))
    assert {(i["width"], i["height"]) for i in coco["images"]} == {(160, 120)}
    assert len(coco["annotations"]) == len(clip.hands)
    for row, one in enumerate(coco["annotations"]):
        mine, other = ("lefthand", "righthand") if clip.hands.side[row] == 0 else ("righthand", "lefthand")
        points = np.array(one[f"{mine}_kpts"]).reshape(21, 3)
        np.testing.assert_allclose(points[:, :2] - 0.5, clip.hands.keypoints[row, :, :2], atol=6e-4)
        assert one[f"{mine}_valid"] is True
        assert one[f"{other}_valid"] is False
        assert not any(one[f"{other}_kpts"])
        assert one["image_id"] == clip.hands.frame[row]
        x, y, w, h = one["bbox"]
        np.testing.assert_allclose([x - 0.5, y - 0.5, x + w - 0.5, y + h - 0.5], clip.hands.box[row], atol=2e-3)
        assert one["num_keypoints"] == 21


def test_coco_categories_are_two_hands_of_21_points(coco):
    assert [c["name"] for c in coco["categories"]] == ["left_hand", "right_hand"]
    for category in coco["categories"]:
        assert category["keypoints"] == list(JOINTS)
        assert category["skeleton"] == [[a + 1, b + 1] for a, b in BONES]


def test_file_names_of_others_lead_nowhere(clip, tmp_path):
    frames = ArrayFrames(clip.frames.images, None)
    frames.names = ("../../etc/passwd", *(f"/a/{i}.jpg" for i in range(9)))
    stills = clip.replace(frames=frames, info={"frames": 10, "times": None, "stills": True})
    found = json.loads(export(stills, tmp_path / "a.coco.json").read_text())
    assert [image["file_name"] for image in found["images"]][:2] == ["passwd", "0.jpg"]


def test_mediapipe_gives_back_pixels_metres_and_sides(clip, tmp_path):
    found = json.loads(export(clip, tmp_path / "a.mediapipe.json").read_text())
    assert [f["timestampMs"] for f in found] == [round(1000 * t) for t in clip.info["times"]]
    for frame, one in enumerate(found):
        hands = clip.hands.filter(frame=frame)
        assert [h[0]["categoryName"] for h in one["handedness"]] == [("Left", "Right")[s] for s in hands.side]
        for k, (flat, metric) in enumerate(zip(one["landmarks"], one["worldLandmarks"], strict=True)):
            xy = np.array([[p["x"] * 160 - 0.5, p["y"] * 120 - 0.5] for p in flat])
            np.testing.assert_allclose(xy, hands.keypoints[k, :, :2], atol=1e-3)
            world = np.array([[p[a] for a in "xyz"] for p in metric])
            np.testing.assert_allclose(world.mean(0), 0, atol=1e-6)
            np.testing.assert_allclose(world - world[0], hands.joints[k] - hands.joints[k, 0], atol=1e-6)
            assert flat[0]["z"] == 0
            assert {tuple(point) for point in flat + metric} == {("x", "y", "z", "visibility")}


@pytest.mark.parametrize("name", ["a.coco.json", "a.mediapipe.json"])
def test_a_result_that_claims_endless_frames_is_an_error(clip, tmp_path, name):
    with pytest.raises(PalmarError, match="are more than"):
        export(clip.replace(info={"frames": 10**12, "stills": True}), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_pycocotools_reads_and_scores_it(clip, coco, tmp_path, capsys):
    """The hands against themselves are perfect, moved by a fifth of a box they are not."""
    api = pytest.importorskip("pycocotools.coco")
    scoring = pytest.importorskip("pycocotools.cocoeval")
    (tmp_path / "a.json").write_text(json.dumps(coco))
    truth = api.COCO(str(tmp_path / "a.json"))
    assert truth.getImgIds() == [image["id"] for image in coco["images"]]
    assert [c["name"] for c in truth.loadCats(truth.getCatIds())] == ["left_hand", "right_hand"]
    lefts = truth.loadAnns(truth.getAnnIds(imgIds=[3], catIds=[1]))
    assert [one["track_id"] for one in lefts] == clip.hands.filter(frame=3, side=0).track.tolist()

    def scored(kind, move):
        keys = ("image_id", "category_id", "score", "keypoints" if kind == "keypoints" else "bbox")
        said = [{key: one[key] for key in keys} for one in coco["annotations"]]
        for one in said:
            points = one[keys[-1]]
            if kind == "keypoints":
                one["keypoints"] = [x + move * (i % 3 == 0) for i, x in enumerate(points)]
            else:
                one["bbox"] = [points[0] + move, *points[1:]]
        run = scoring.COCOeval(truth, truth.loadRes(said), kind)
        run.params.kpt_oks_sigmas = np.full(21, 0.035)
        run.evaluate()
        run.accumulate()
        run.summarize()
        return run.stats[0]  # AP

    for kind in ("keypoints", "bbox"):
        assert scored(kind, 0.0) == pytest.approx(1)
        assert scored(kind, 8.0) < 0.7
    capsys.readouterr()
