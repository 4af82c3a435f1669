from __future__ import annotations

import json

import numpy as np
import pytest

from palmar.data.ego import read_ego
from palmar.data.shards import ShardWriter, pack
from palmar.errors import PalmarError
from palmar.synth.dataset import Recipe
from palmar.types import Vocabulary
from palmar.types.firstperson import box_points

INDEX = 12
"""Of a clip in which something is poured."""


def made(folder, recipe: Recipe, name: str, index: int = INDEX):
    card = {"name": name, "kind": recipe.kind, "seed": recipe.seed, **recipe.to_dict()}
    with ShardWriter(folder, card, recipe.layers, recipe.columns) as writer:
        writer.add(pack(recipe.sample(index), recipe.layers, recipe.columns))
    return folder


@pytest.fixture(scope="module")
def sequences(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ego") / "sequences"
    return made(folder, Recipe("sequences", 7, ("acting",), (), fps=2.0), "motion")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ego") / "scenes"
    recipe = Recipe("scenes", 7, ("acting",), ("clean",), fps=2.0, seconds=3.0, width=96, cameras=1)
    return made(folder, recipe, "pictures")


def test_pictures_and_sequences_of_one_scene_say_the_same(sequences, scenes):
    a, b = read_ego(sequences).clips[0], read_ego(scenes).clips[0]
    n = len(b)
    assert n == 6
    assert len(a) > n
    np.testing.assert_allclose(a.times[:n], b.times, atol=1e-6)
    np.testing.assert_allclose(a.joints[:n], b.joints, atol=2e-5)
    scale = np.array([b.camera.width / a.camera.width, b.camera.height / a.camera.height])
    np.testing.assert_allclose((a.keypoints[:n] + 0.5) * scale - 0.5, b.keypoints, atol=0.05)
    known = np.isfinite(b.points).all((1, 2))
    assert known.any()
    whole = [read_ego(sequences).vocabulary.objects[k] for k in a.objects]
    named = [read_ego(scenes).vocabulary.objects[k] for k in b.objects]
    for t in np.flatnonzero(known):
        if whole[t] == named[t]:  # what is held longest may differ: the pictures end earlier
            np.testing.assert_allclose(a.points[t], b.points[t], atol=2e-5)


def test_what_the_picture_does_not_show_is_absent(tmp_path):
    made(tmp_path / "moved", Recipe("sequences", 1, ("acting",), (), fps=2.0), "motion", 10)
    clip = read_ego(tmp_path / "moved").clips[0]
    present = np.isfinite(clip.joints).all((2, 3))
    inside = clip.camera.inside(clip.keypoints).sum(2)
    assert (inside[present] >= 7).all()
    assert not present.all()  # hands come in from outside
    assert ((clip.objects == 0) == np.isnan(clip.object_boxes).any(1)).all()


def test_names_and_lengths(sequences):
    split = read_ego(sequences)
    assert split.vocabulary.actions[0] == "none"
    assert split.vocabulary.actions[split.clips[0].action] == "pour bottle"
    assert split.fps == 2.0
    assert not len(split.frames)


def test_frames_have_pictures_and_poses(scenes):
    split = read_ego(scenes)
    frame = split.frames[1]
    assert frame.image is not None
    assert frame.image.shape == (frame.camera.height, 96, 3)
    assert frame.present.all()
    assert frame.pose is not None
    assert np.isfinite(frame.pose).all()
    box = frame.object_box
    assert not frame.object or (box[2] > box[0] and box[3] > box[1])
    assert len({f.name for f in split.frames}) == len(split.frames) == 6
    with pytest.raises(IndexError):
        split.frames[6]
    assert [f.name for f in split.frames[1:3]] == [split.frames[1].name, split.frames[2].name]


def test_a_given_vocabulary_rules(sequences):
    words = Vocabulary(("none", "bottle"), ("none", "pour bottle", "wave"))
    clip = read_ego(sequences, words).clips[0]
    assert clip.action == 1
    assert set(np.unique(clip.objects)) <= {0, 1}
    assert (clip.objects == 1).any()
    assert read_ego(sequences, Vocabulary(("none",), ("none", "wave"))).clips[0].action == 0


def test_the_box_is_that_of_the_thing(scenes):
    stored = json.loads((scenes / "card.json").read_text())
    assert stored["kind"] == "scenes"
    frame = next(f for f in read_ego(scenes).frames if f.object)
    local = (frame.points - frame.camera_from_object[:3, 3]) @ frame.camera_from_object[:3, :3]
    again = box_points(local.min(0), local.max(0))
    np.testing.assert_allclose(local, again, atol=1e-6)


def test_other_folders_are_refused(tmp_path):
    made(tmp_path / "crops", Recipe("crops", 1), "crops")
    with pytest.raises(PalmarError, match="palmar synth --kind sequences"):
        read_ego(tmp_path / "crops")
    with pytest.raises(PalmarError, match=r"card\.json"):
        read_ego(tmp_path)
