"""Samples of a data set: the truth is the scene's, every sensor's arrays are stored, nothing is left to chance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from palmar.data.shards import Npy, Npz, Png, Steps, decode, encode, pack
from palmar.errors import PalmarError
from palmar.geometry.camera import Camera
from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.hand import HandModel
from palmar.render import Light, Mesh
from palmar.synth import dataset
from palmar.synth.dataset import Recipe, layers_of, narrowed, times_of
from palmar.synth.scene import Dressed
from palmar.synth.scenes import SCENES
from palmar.synth.sense import SENSORS
from palmar.synth.world import HandTruth, Kind, Moment, Piece, Scene, Segment, ThingTruth, View, mirrored


def build(seed: int, index: int) -> Scene:
    """A right and a left hand beside each other, each turned, and a triangle in front of the left one: one camera that
    stands askew."""
    rng = np.random.default_rng((seed, index, 990))
    pieces, hands = [], []
    for side, x in ((1, 0.12), (0, -0.12)):
        dressed = Dressed.sample(rng)
        turn = rotmat_from_rotvec(np.array([0.3, 1.4, 0.2]) + rng.normal(0, 0.1, 3))
        worn = dressed.posed(np.zeros((5, 3, 3)), turn, knuckle=np.array([abs(x), 0.02, 0.5]))
        flip = np.array([-1.0, 1, 1]) if side == 0 else np.ones(3)
        rotations = worn.rotations if side else worn.rotations * flip[:, None] * flip
        model = HandModel.default(side).shaped(dressed.shape).posed(rotations, worn.translation * flip)
        hands.append(
            HandTruth(
                side, 9, 1 + side, model.joints(), rotations, dressed.shape, worn.translation * flip, model.skin(),
                np.r_[1.0, np.zeros(len(worn.hand.vertices) - 1)] if side else None, 3 * (1 - side),
            )
        )  # fmt: skip
        pieces.append(Piece(worn.hand if side else mirrored(worn.hand), Kind.HAND, 1 + side))
    corners = np.array([[-0.2, -0.1, 0.3], [-0.05, -0.1, 0.3], [-0.1, 0.1, 0.3]], np.float32)
    sheet = Mesh(corners, np.array([[0, 1, 2], [0, 2, 1]], np.int32), np.full((3, 3), 0.5, np.float32))
    sheet = replace(sheet, part=np.full(3, 21, np.uint8))
    pieces.append(Piece(sheet, Kind.THING, 3))
    thing = ThingTruth("sheet", 3, np.eye(4), np.array([0.15, 0.2, 0.0]))
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotmat_from_rotvec(np.array([0.05, -0.1, 0.2])), (0.02, -0.03, -0.1)
    light = Light(np.full((9, 3), 0.3, np.float32), np.zeros((0, 3), np.float32), np.zeros((0, 3), np.float32))
    doing = Segment(0.0, 1.0, "hold", "sheet", 0, "The left hand holds a sheet.")
    camera = Camera.from_fov(96, 72, 1.2)
    view = View.still(camera, pose, "askew")
    return Scene(
        "fake", lambda time: Moment(time, tuple(pieces), tuple(hands), (thing,)), light, (view,), 0.0, (doing,)
    )


def twice(seed: int, index: int) -> Scene:
    """The same, one second long, before two cameras."""
    scene = build(seed, index)
    return replace(
        scene, seconds=1.0, views=(scene.views[0], View.still(Camera.from_fov(64, 48, 1.4), name="straight"))
    )


@pytest.fixture(autouse=True)
def fakes(monkeypatch):
    monkeypatch.setattr(dataset, "SCENES", {**SCENES, "fake": build, "twice": twice})


def packed(recipe: Recipe, index: int = 0):
    return recipe.packed(index)


@pytest.fixture(scope="module")
def frame():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset, "SCENES", {"fake": build})
        sample = Recipe("scenes", 1, ("fake",), ("clean", "depth", "masks")).sample(0)
    return sample, sample.labels["frames"][0], build(1, 0)


def test_the_truth_is_that_of_the_scene_seen_by_the_camera(frame):
    _, found, scene = frame
    camera = Camera.from_dict(found["camera"])
    pose = camera.world_from_camera
    for hand, want in zip(found["hands"], scene.at(0).hands, strict=True):
        joints = hand["joints"].astype(np.float64)
        np.testing.assert_allclose(joints @ pose[:3, :3].T + pose[:3, 3], want.joints, atol=1e-6)
        np.testing.assert_allclose(np.array(hand["keypoints"]), camera.project(joints), atol=1e-3)
        assert (hand["side"], hand["instance"], hand["person"]) == (want.side, want.instance, want.person)
    assert found["hands"][0]["contact"].tolist() == [0]
    assert found["hands"][1]["contact"] is None
    assert found["hands"][1]["holds"] == 3
    (thing,) = found["things"]
    np.testing.assert_allclose(pose @ thing["camera_from_thing"], np.eye(4), atol=1e-6)


def test_pose_shape_and_translation_put_the_hand_model_where_the_hand_is(frame):
    """Both sides: what a user does with the labels."""
    _, found, scene = frame
    pose = Camera.from_dict(found["camera"]).world_from_camera
    for hand, want in zip(found["hands"], scene.at(0).hands, strict=True):
        model = HandModel.default(hand["side"]).shaped(hand["shape"].astype(np.float64))
        posed = model.posed(rotmat_from_rotvec(hand["pose"].astype(np.float64)), hand["translation"].astype(np.float64))
        np.testing.assert_allclose(posed.joints(), hand["joints"], atol=2e-6)
        np.testing.assert_allclose(posed.skin() @ pose[:3, :3].T + pose[:3, 3], want.vertices, atol=2e-6)


def test_arrays_and_labels_tell_of_the_same_hands(frame):
    """At a joint that is seen the mask names its hand, and depth is nearer than the joint by no more than a finger."""
    sample, found, _ = frame
    seen_at_all = 0
    for hand in found["hands"]:
        for point, joint, seen in zip(hand["keypoints"], hand["joints"], hand["seen"], strict=True):
            if seen:
                continue
            x, y = np.round(point).astype(int)
            assert sample.arrays["masks_instance"][y, x] == hand["instance"]
            assert 0 <= joint[2] - sample.arrays["depth"][y, x] + 2e-3 < 0.035
            seen_at_all += 1
    assert seen_at_all > 15
    assert (found["hands"][1]["seen"] == 2).any()  # behind the sheet


def test_labels_for_choosing(frame):
    sample, _, _ = frame
    labels = sample.labels
    assert (labels["scene"], labels["people"], labels["things"], labels["verbs"]) == ("fake", 1, ["sheet"], ["hold"])
    assert (labels["sides"], labels["views"], labels["times"]) == ([1, 0], ["askew"], [0.0])
    assert labels["segments"][0]["text"] == labels["texts"][0] == "The left hand holds a sheet."
    assert list(sample.arrays)[:3] == ["clean", "depth", "masks_instance"]


def test_moving_scenes_and_several_cameras_are_named():
    sample = Recipe("scenes", 1, ("twice",), ("clean",), seconds=0.2, fps=10).sample(0)
    assert list(sample.arrays) == ["t0000.v0.clean", "t0000.v1.clean", "t0001.v0.clean", "t0001.v1.clean"]
    assert [(f["time"], f["view"], f["prefix"]) for f in sample.labels["frames"]] == [
        (0.0, "askew", "t0000.v0."), (0.0, "straight", "t0000.v1."),
        (0.1, "askew", "t0001.v0."), (0.1, "straight", "t0001.v1."),
    ]  # fmt: skip
    assert sample.arrays["t0000.v0.clean"].shape == (72, 96, 3)
    assert sample.arrays["t0000.v1.clean"].shape == (48, 64, 3)


def test_what_records_all_the_time_gives_one_recording():
    """Events of every camera and the muscles of every hand, not one piece per frame; a still scene gives a window."""
    sample = Recipe("scenes", 1, ("twice",), ("depth", "emg", "events"), seconds=0.2, fps=10, width=48).sample(0)
    names = list(sample.arrays)
    assert not [name for name in names if name.startswith("t") and ("events" in name or "emg" in name)]
    for view in ("v0.", "v1."):
        times = sample.arrays[f"{view}events_time_us"]
        assert (np.diff(times) >= 0).all()
        assert ((times >= 0) & (times <= 200_000)).all()
        assert len(sample.arrays[f"{view}events_x"]) == len(times)
    assert "events_x" not in names
    seconds = sample.arrays["emg_seconds"]
    np.testing.assert_allclose(np.diff(seconds), 1 / 2000, atol=1e-9)
    assert abs(seconds[-1] + 1 / 2000 - 0.2) < 0.01
    assert sample.arrays["emg"].shape == (2, len(seconds), 16)
    still = Recipe("scenes", 1, ("fake",), ("emg",), width=48).sample(0)
    assert list(still.arrays) == ["emg_instances", "emg", "emg_seconds", "emg_angles"]


@pytest.mark.parametrize(
    ("lasts", "seconds", "fps", "want"),
    [
        (0.0, None, 30.0, [0.0]),
        (0.0, 5.0, 30.0, [0.0]),
        (1.0, 0.0, 30.0, [0.0]),
        (0.3, None, 10.0, [0.0, 0.1, 0.2]),
        (0.3, 9.0, 10.0, [0.0, 0.1, 0.2]),
        (9.0, 0.25, 10.0, [0.0, 0.1, 0.2]),
        (1.0, 0.1, 30.0, [0.0, 1 / 30, 2 / 30]),
        (1.0, 1e-9, 30.0, [0.0]),
    ],
)
def test_times_of_frames(lasts, seconds, fps, want):
    scene = replace(build(1, 0), seconds=lasts)
    np.testing.assert_allclose(times_of(scene, seconds, fps), want)


def test_a_narrower_view_sees_the_same():
    view = build(1, 0).views[0]
    small = narrowed(view, 48)
    assert (small.camera.width, small.camera.height, small.name) == (48, 36, "askew")
    points = np.array([[0.1, 0.05, 0.6], [0.0, -0.1, 1.0]])
    np.testing.assert_allclose((small.camera.project(points) + 0.5) * 2 - 0.5, view.camera.project(points))


# The same on every run ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["crops", "frames"])
def test_crops_and_frames_are_functions_of_seed_and_number(kind):
    recipe = Recipe(kind, 4)
    assert packed(recipe, 7) == packed(recipe, 7)
    assert packed(recipe, 7) != packed(recipe, 8)
    assert packed(recipe, 7) != packed(replace(recipe, seed=5), 7)


def test_a_sensor_draws_the_same_whatever_else_is_recorded():
    alone = Recipe("scenes", 1, ("fake",), ("rgb",)).sample(0).arrays["rgb"]
    among = Recipe("scenes", 1, ("fake",), ("depth", "rgb")).sample(0).arrays["rgb"]
    np.testing.assert_array_equal(alone, among)
    other = Recipe("scenes", 1, ("fake",), ("rgb",)).sample(1).arrays["rgb"]
    assert not np.array_equal(alone, other)


def test_scenes_are_taken_in_turns():
    recipe = Recipe("scenes", 1, ("fake", "twice"), ("depth",), seconds=0.0)
    assert [len(recipe.sample(i).labels["views"]) for i in range(4)] == [1, 2, 1, 2]


def test_packed_at_once_or_array_by_array_is_the_same():
    recipe = Recipe("scenes", 1, ("twice",), ("clean", "depth"), seconds=0.1, fps=20)
    assert recipe.packed(0) == pack(recipe.sample(0), recipe.layers, recipe.columns)


@pytest.mark.parametrize("name", SCENES)
def test_every_sort_of_scene_gives_the_same_sample_twice(name):
    recipe = Recipe("scenes", 5, (name,), ("rgb", "masks"), seconds=0.0, width=64)
    first, second = packed(recipe, 2), packed(recipe, 2)
    assert first == second
    assert first.row["scene"] == SCENES[name](5, 2).kind
    assert len(first.row["sides"])


# Every sensor is stored -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def everything():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset, "SCENES", {"twice": twice})
        return Recipe("scenes", 1, ("twice",), tuple(SENSORS), seconds=0.04, fps=30, width=64).sample(0)


@pytest.mark.parametrize("sensor", SENSORS)
def test_every_array_is_what_its_sensor_says_and_comes_back(everything, sensor):
    for name, layer in layers_of(SENSORS[sensor]).items():
        arrays = {key: a for key, a in everything.arrays.items() if key.rpartition(".")[2] == name}
        assert arrays, name
        for array in arrays.values():
            assert array.dtype == np.dtype(layer.dtype), name
            back = decode(encode(array, layer), layer)
            assert back.dtype == array.dtype
            if isinstance(layer.coding, Steps):
                known = array != 0 if layer.coding.nothing == "0" else np.isfinite(array)
                known = known.any(-1) if known.ndim == 3 else known  # all of them lie in the range of the steps
                np.testing.assert_allclose(back[known], array[known], atol=layer.coding.step * 0.51)
                np.testing.assert_array_equal(back[~known], np.full_like(back[~known], float(layer.coding.nothing)))
            else:
                np.testing.assert_array_equal(back, array)


def test_how_arrays_are_stored():
    kinds = {name: layer for sense in SENSORS.values() for name, layer in layers_of(sense).items()}
    assert isinstance(kinds["rgb"].coding, Png)
    assert isinstance(kinds["masks_instance"].coding, Png)
    assert isinstance(kinds["amodal"].coding, Npz)
    assert isinstance(kinds["joints_seen"].coding, Npy)
    assert kinds["depth"].coding == Steps(1e-4, nothing="inf")
    assert (kinds["depth"].unit, kinds["flow_forward"].unit, kinds["rgb"].unit) == ("metre", "pixel", "1")
    assert set(dataset.CODINGS) <= set(kinds)


@pytest.mark.plain
@pytest.mark.parametrize(
    "change",
    [
        {"kind": "films"},
        {"scenes": ()},
        {"scenes": ("fake", "nothing")},
        {"sensors": ()},
        {"sensors": ("rgb", "rgb")},
        {"seconds": -1.0},
        {"seconds": float("nan")},
        {"fps": 0.0},
        {"fps": float("inf")},
        {"width": 4},
    ],
    ids=str,
)
def test_recipes_that_cannot_be(change):
    with pytest.raises(PalmarError):
        replace(Recipe("scenes", 1, ("fake",)), **change)


@pytest.mark.parametrize("name", ["acting", "h2o acting", "fpha acting"])
def test_every_play_makes_sequences_and_only_they_do(name):
    assert Recipe("sequences", 1, (name,), ()).scenes == (name,)
    with pytest.raises(PalmarError, match="unknown scene"):
        Recipe("sequences", 1, ("webcam",), ())
    if name != "acting":
        with pytest.raises(PalmarError, match="unknown scene"):
            Recipe("scenes", 1, (name,), ("clean",))
