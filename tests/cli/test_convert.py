"""`palmar convert`: a data set in another layout, and what is said of one that is none."""

import numpy as np
import pytest

from palmar.data.datasets import open_split, write_dataset
from palmar.data.h2o import VOCABULARY
from palmar.geometry.camera import Camera
from palmar.types.firstperson import EgoFrame, Split, box_points


@pytest.fixture(scope="module")
def h2o(tmp_path_factory):
    """Two frames of both hands and a book, in H2O's layout."""
    rng = np.random.default_rng(0)
    half = np.array([0.02, 0.1, 0.11])

    def frame(number):
        joints = (rng.normal(0, 0.03, (2, 21, 3)) + np.array([0.0, 0.0, 0.5])).astype(np.float32)
        points = (box_points(-half, half) + np.array([0.0, 0.0, 0.5])).astype(np.float32)
        image = rng.integers(0, 255, (72, 128, 3)).astype(np.uint8)
        return EgoFrame(f"subject1/h1/0/{number:06d}", Camera.from_fov(128, 72, 1.2), image, joints, 1, points)

    root = tmp_path_factory.mktemp("h2o") / "set"
    write_dataset("h2o", root, {name: Split(VOCABULARY, [frame(0), frame(1)], ()) for name in ("train", "val", "test")})
    return root


def test_a_data_set_in_another_layout(palmar, h2o, tmp_path):
    out = tmp_path / "hands"
    heard = palmar("convert", f"h2o:{h2o}", out, "--to", "freihand")
    assert heard.code == 0, heard.err
    assert "train" in heard.err
    found = open_split(str(out), "train").frames
    assert 1 <= len(found) <= 4  # a picture for each hand that has one
    again = palmar("convert", f"h2o:{h2o}", out, "--to", "freihand")
    assert again.code == 2
    assert len(again.errors) == 1
    assert palmar("convert", f"h2o:{h2o}", out, "--to", "freihand", "--overwrite").code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [(["/nowhere", "out", "--to", "h2o"], "/nowhere"), (["{h2o}", "out", "--to", "mp4"], "mp4"), (["{h2o}"], "OUT")],
)
def test_mistakes(palmar, h2o, tmp_path, monkeypatch, listed, words, said):
    monkeypatch.chdir(tmp_path)
    heard = palmar("convert", *[word.format(h2o=h2o) for word in words])
    assert heard.code == 2
    assert len(heard.errors) == 1
    assert said in heard.errors[0]
    assert listed(tmp_path) == []


@pytest.mark.parametrize("kind", ["ho3d", "interhand", "dexycb"])
def test_layouts_of_hands_with_objects(palmar, h2o, tmp_path, kind):
    heard = palmar("convert", f"h2o:{h2o}", tmp_path / kind, "--to", kind)
    assert heard.code == 0, heard.err
    frames, want = open_split(str(tmp_path / kind), "train").frames, open_split(f"h2o:{h2o}", "train").frames
    assert len(frames) == len(want) == 2
    np.testing.assert_allclose(frames[1].joints[1], want[1].joints[1], atol=1e-7)
    assert frames[1].image.shape == want[1].image.shape
