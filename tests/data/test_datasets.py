from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from palmar.data.datasets import (
    clips_of,
    detect,
    frames_of,
    full_name,
    open_split,
    parse_data,
    read_dataset,
    renamed,
    write_dataset,
)
from palmar.data.ego import read_ego
from palmar.data.h2o import VOCABULARY
from palmar.data.shards import ShardWriter, pack
from palmar.errors import PalmarError
from palmar.synth.dataset import Recipe
from palmar.types.firstperson import Split, Vocabulary


@pytest.fixture(scope="module")
def sequences():
    """Writes folders of `palmar synth --kind sequences`: one acted clip under several numbers, to save time."""
    recipe = Recipe("sequences", 7, ("acting",), (), fps=1.0, seconds=1.0)
    card = {"name": "motion", "kind": recipe.kind, "seed": recipe.seed, **recipe.to_dict()}
    one = pack(recipe.sample(2), recipe.layers, recipe.columns)

    def write(folder, numbers, things=None):
        row = one.row if things is None else {**one.row, "things": things}
        with ShardWriter(folder, card, recipe.layers, recipe.columns) as writer:
            for number in numbers:
                writer.add(replace(one, index=number, row=row))

    return write


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory, sequences):
    folder = tmp_path_factory.mktemp("made") / "motion"
    sequences(folder, (0, 1, 2))
    return folder


def names(split):
    return [clip.name for clip in split.clips]


def test_a_folder_of_synth_is_cut(synthetic):
    every = names(read_ego(synthetic))
    parts = [names(open_split(f"synthetic:{synthetic}", part)) for part in ("train", "val", "test")]
    assert parts == [every[:1], every[1:2], every[2:]]
    assert names(open_split(str(synthetic), "all")) == every
    words = {open_split(str(synthetic), part).vocabulary for part in ("train", "val", "test", "all")}
    assert len(words) == 1


def test_a_held_out_folder_is_taken(synthetic, sequences, tmp_path):
    root = tmp_path / "motion"
    root.symlink_to(synthetic)
    sequences(tmp_path / "motion-test", (12,), ["mug"])
    every = names(read_ego(synthetic))
    assert names(open_split(str(root), "train")) == every[:2]
    assert names(open_split(str(root), "val")) == every[2:]
    held = open_split(str(root), "test")
    assert names(held) == names(read_ego(tmp_path / "motion-test"))
    assert held.vocabulary == open_split(str(root), "train").vocabulary
    assert held.vocabulary != read_ego(tmp_path / "motion-test").vocabulary  # other things are in it
    inside = tmp_path / "both"
    inside.mkdir()
    (inside / "train").symlink_to(synthetic)
    (inside / "val").symlink_to(tmp_path / "motion-test")
    assert detect(inside) == "synthetic"
    assert names(open_split(str(inside), "val")) == names(held)
    assert names(open_split(str(inside), "test")) == every[2:]  # the tenth that has no folder
    assert names(open_split(str(inside), "train")) == every[:2]  # and what remains


def test_what_text_means(synthetic, tmp_path):
    assert parse_data(f"h2o:{tmp_path}") == ("h2o", tmp_path)
    assert parse_data(str(synthetic)) == ("synthetic", synthetic)
    with pytest.raises(PalmarError, match=r"unknown kind of data set 'freihands'. Did you mean freihand"):
        parse_data("freihands:/data")
    with pytest.raises(PalmarError, match="no such folder; expected the root of a data set"):
        parse_data(str(tmp_path / "nowhere"))
    with pytest.raises(PalmarError, match=r"no such folder; expected the root of a data set \(h2o\)"):
        read_dataset("h2o", tmp_path / "nowhere")


def test_frames_spread_over_a_part_and_a_part_with_none():
    split = Split(Vocabulary(("none",), ()), frames=tuple("abcde"), clips=tuple("xy"))  # type: ignore[arg-type]
    assert frames_of(split, "where") == list("abcde")
    assert frames_of(split, "where", 3) == ["a", "c", "e"]
    assert frames_of(split, "where", 9) == list("abcde")
    assert clips_of(split, "where") == ["x", "y"]
    nothing = replace(split, frames=(), clips=())
    with pytest.raises(PalmarError, match="where: this part has no frames"):
        frames_of(nothing, "where", 3)
    with pytest.raises(PalmarError, match="where: this part has no clips"):
        clips_of(nothing, "where")


def test_a_full_name_says_the_kind(synthetic):
    assert full_name(str(synthetic)) == full_name(f"synthetic:{synthetic}") == f"synthetic:{synthetic}"
    assert full_name("h2o:/gone") == "h2o:/gone"


def test_names_in_another_vocabulary(tiny):
    split = tiny(VOCABULARY)
    words = Vocabulary(("none", "mug", "book"), ("none", "hold", "grab book"), ("none", "hold", "grab"))
    seen = renamed(split, words)
    assert renamed(split, VOCABULARY) is split
    assert [clip.action for clip in split.clips] == [1, 2]  # grab book, grab espresso
    assert [clip.action for clip in seen.clips] == [2, 0]
    assert seen.clips[0].objects.tolist() == [2] * 5
    assert seen.clips[1].objects.tolist() == [0] * 3
    assert (seen.frames[0].object, seen.frames[0].action, seen.frames[0].verb) == (2, 2, 2)
    np.testing.assert_array_equal(seen.clips[0].joints, split.clips[0].joints)
    without = renamed(replace(split, vocabulary=replace(VOCABULARY, verbs=(), verb_of=())), words)
    assert without.frames[0].verb == 0


@pytest.mark.parametrize("kind", ["h2o", "fpha", "freihand", "ho3d", "interhand", "dexycb"])
def test_every_layout_is_found_again(tmp_path, tiny, kind):
    parts = {"train": tiny(VOCABULARY, seed=1), "test": tiny(VOCABULARY, seed=2)}
    write_dataset(kind, tmp_path / "out", parts)
    assert detect(tmp_path / "out") == kind
    back = open_split(str(tmp_path / "out"), "train")
    joints = back.frames[0].joints
    if kind == "h2o":
        np.testing.assert_array_equal(joints, parts["train"].frames[0].joints)
    elif kind == "fpha":
        np.testing.assert_allclose(joints[1], parts["train"].frames[0].joints[1], atol=1e-6)
    elif kind != "freihand":
        np.testing.assert_allclose(joints[1], parts["train"].frames[0].joints[1], atol=1e-7)
        assert (kind == "interhand") == back.frames[0].present[0]
        assert len(back.frames) == len(parts["train"].frames)
        assert len(open_split(f"{kind}:{tmp_path / 'out'}", "test").frames) == len(parts["test"].frames)
        if kind != "interhand":
            assert back.vocabulary.objects == VOCABULARY.objects
            assert [f.object for f in back.frames] == [f.object for f in parts["train"].frames]
    else:
        assert len(open_split(str(tmp_path / "out"), "training").frames) == 13  # 5 x 2 and 3 hands
        np.testing.assert_allclose(abs(joints[1]), abs(parts["train"].frames[0].joints[0]))
    write_dataset(kind, tmp_path / "out", parts, overwrite=True)
    with pytest.raises(PalmarError, match="unknown kind of data set to write 'synthetic'"):
        write_dataset("synthetic", tmp_path / "more", parts)
