from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest

from palmar.data.submissions import (
    read_dexycb_predictions,
    read_freihand_predictions,
    read_h2o_actions,
    read_ho3d_predictions,
    write_dexycb_predictions,
    write_freihand_predictions,
    write_h2o_actions,
    write_ho3d_predictions,
)
from palmar.errors import PalmarError


def zipped(path, **members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(name.replace("_json", ".json"), text)
    return path


def test_the_actions_of_h2o(tmp_path):
    path = tmp_path / "out.zip"
    actions = {i: 1 + i % 36 for i in range(242, 0, -1)}
    write_h2o_actions(path, actions, range(1, 243))
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["action_labels.json"]
        values = json.loads(archive.read("action_labels.json"))
    assert list(values)[:3] == ["modality", "1", "2"]
    assert values["modality"] == "hand+obj"
    assert len(values) == 243
    back = read_h2o_actions(path, range(1, 243))
    assert back.actions == actions
    first = path.read_bytes()
    write_h2o_actions(path, actions, range(1, 243))
    assert path.read_bytes() == first


def test_actions_that_do_not_fit_are_refused(tmp_path):
    path = tmp_path / "out.zip"
    with pytest.raises(PalmarError, match=r"no action for clip 2 \(1 missing, 0 too many of 2\)"):
        write_h2o_actions(path, {1: 3}, [1, 2])
    with pytest.raises(PalmarError, match=r"an action for clip 9, which is not listed"):
        write_h2o_actions(path, {1: 3, 9: 1}, [1])
    with pytest.raises(PalmarError, match=r"clip 1: action 37; expected 0 to 36"):
        write_h2o_actions(path, {1: 37}, [1])
    with pytest.raises(PalmarError, match=r"modality"):
        write_h2o_actions(path, {1: 3}, [1], modality=" ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"other_json": "{}"}, r"holds other.json; expected action_labels.json alone"),
        ({"action_labels_json": "{}"}, r"expected an object with modality"),
        ({"action_labels_json": '{"modality": "x", "a": 1}'}, r"'a': 1; expected a clip id"),
        ({"action_labels_json": '{"modality": "x", "1": 1.5}'}, r"'1': 1.5; expected a clip id and a whole number"),
        ({"action_labels_json": '{"modality": "x", "1": true}'}, r"'1': True"),
        ({"action_labels_json": '{"modality": "x", "1": NaN}'}, r"NaN is not a number"),
        ({"action_labels_json": " " * (1 << 20) + "{}"}, r"larger than 1 MiB"),
    ],
)
def test_a_bad_submission_is_named(tmp_path, members, message):
    with pytest.raises(PalmarError, match=message):
        read_h2o_actions(
            zipped(tmp_path / "a.zip", **{k.replace("labels_json", "labels.json"): v for k, v in members.items()})
        )


def test_no_zip(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"no")
    with pytest.raises(PalmarError, match="cannot be read as a ZIP file"):
        read_h2o_actions(tmp_path / "a.zip")
    with pytest.raises(PalmarError, match="cannot be read as a ZIP file"):
        read_freihand_predictions(tmp_path / "none.zip")


def test_the_predictions_of_freihand(tmp_path):
    rng = np.random.default_rng(0)
    joints, vertices = rng.normal(0, 0.3, (3, 21, 3)), rng.normal(0, 0.3, (3, 778, 3))
    write_freihand_predictions(tmp_path / "pred.zip", joints, vertices)
    with zipfile.ZipFile(tmp_path / "pred.zip") as archive:
        xyz, verts = json.loads(archive.read("pred.json"))
    assert np.shape(xyz) == (3, 21, 3)
    assert np.shape(verts) == (3, 778, 3)
    back = read_freihand_predictions(tmp_path / "pred.zip", 3)
    np.testing.assert_allclose(back[0], joints, atol=6e-8)
    np.testing.assert_allclose(back[1], vertices, atol=6e-8)
    with pytest.raises(PalmarError, match="joints of 3 and vertices of 3 pictures, expected 3960"):
        read_freihand_predictions(tmp_path / "pred.zip", 3960)
    write_freihand_predictions(tmp_path / "pred.zip", joints)
    assert not read_freihand_predictions(tmp_path / "pred.zip")[1].any()
    with pytest.raises(PalmarError, match="joints: expected 3 x 21 x 3 finite numbers"):
        write_freihand_predictions(tmp_path / "pred.zip", joints * np.nan)
    zipped(tmp_path / "bad.zip", pred_json=json.dumps([np.zeros((1, 21, 3)).tolist(), [[[0, 0]]]]))
    with pytest.raises(PalmarError, match=r"vertices: expected n x 778 x 3"):
        read_freihand_predictions(tmp_path / "bad.zip")
    zipped(tmp_path / "bad.zip", pred_json="[[[1], [2, 3]], []]")
    with pytest.raises(PalmarError, match=r"joints: not arrays of 21 x 3"):
        read_freihand_predictions(tmp_path / "bad.zip")


def test_the_predictions_of_ho3d(tmp_path):
    rng = np.random.default_rng(0)
    joints, vertices = rng.normal((0, 0, 0.6), 0.05, (3, 21, 3)), rng.normal((0, 0, 0.6), 0.05, (3, 778, 3))
    write_ho3d_predictions(tmp_path / "pred.zip", joints, vertices)
    with zipfile.ZipFile(tmp_path / "pred.zip") as archive:
        xyz, verts = (np.array(part) for part in json.loads(archive.read("pred.json")))
    np.testing.assert_allclose(xyz[1, 13], joints[1, 1] * (1, -1, -1), atol=6e-8)  # the thumb is MANO's last finger
    np.testing.assert_allclose(xyz[1, 20], joints[1, 20] * (1, -1, -1), atol=6e-8)  # and the little tip the last tip
    np.testing.assert_allclose(verts, vertices * (1, -1, -1), atol=6e-8)
    for found, want in zip(read_ho3d_predictions(tmp_path / "pred.zip", 3), (joints, vertices), strict=True):
        np.testing.assert_allclose(found, want, atol=6e-8)
    with pytest.raises(PalmarError, match="behind the camera"):
        write_ho3d_predictions(tmp_path / "pred.zip", joints * (1, -1, -1))


def test_the_predictions_of_dexycb(tmp_path):
    joints = {7: np.full((21, 3), 0.5), 2: np.random.default_rng(0).normal(0, 0.3, (21, 3))}
    path = tmp_path / "pred.csv"
    write_dexycb_predictions(path, joints)
    lines = path.read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["2", "7"]
    assert [len(line.split(",")) for line in lines] == [64, 64]
    assert float(lines[1].split(",")[1]) == 500
    found = read_dexycb_predictions(path)
    np.testing.assert_allclose(found[2], joints[2], atol=1e-9)
    with pytest.raises(PalmarError, match="frame 1: expected 21 x 3"):
        write_dexycb_predictions(path, {1: np.full((21, 3), np.nan)})
    for text, message in ((f"{lines[0]}\n{lines[0]}", "line 2: frame 2 comes twice"), ("1,2,3", "line 1: 2 numbers"),
                          ("a,1", "line 1: expected the number"), ("1,x", "line 1: 'x' is not a number")):  # fmt: skip
        path.write_text(text)
        with pytest.raises(PalmarError, match=message):
            read_dexycb_predictions(path)
