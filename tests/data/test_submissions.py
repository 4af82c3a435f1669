from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest

from palmar.data.submissions import (
    read_freihand_predictions,
    read_h2o_actions,
    write_freihand_predictions,
    write_h2o_actions,
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
