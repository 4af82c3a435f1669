"""`palmar doctor`: what is said of an installation, whole and with parts of it missing or damaged."""

import json
import shutil
from importlib.resources import files
from pathlib import Path

import pytest

from palmar import doctor


def state(found, name):
    return next(f for f in found if f.name == name)


def test_a_whole_installation(palmar):
    heard = palmar("doctor")
    assert heard.code in (0, 1)                                             # a full disk is no fault of palmar's
    assert "BROKEN " not in heard.out or "free disk" in heard.out
    for word in ("Python", "numpy", "landmarker", "h264", "ONNX Runtime", "cores"):
        assert word in heard.out
    assert str(Path.home()) + "/" not in heard.out


def test_json_says_the_same(palmar):
    rows = json.loads(palmar("doctor", "--json").out)
    assert {row["state"] for row in rows} <= {"ok", "missing", "broken"}
    groups = {"versions", "dependencies", "extras", "weights", "codecs", "devices", "machine"}
    assert {row["group"] for row in rows} >= groups
    assert all(row["do"] for row in rows if row["state"] != "ok")


def test_absent_and_old_packages(monkeypatch, palmar):
    real = doctor.metadata.version

    def version(name):
        if name == "scipy":
            raise doctor.metadata.PackageNotFoundError(name)
        return "1.0" if name == "numpy" else real(name)

    monkeypatch.setattr(doctor.metadata, "version", version)
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda name: None)
    found = doctor.examine()
    assert state(found, "scipy").state == "broken"
    assert state(found, "scipy").do == "pip install scipy"
    assert state(found, "numpy").state == "broken"
    assert "is needed" in state(found, "numpy").said
    assert state(found, "torch").state == "missing"
    assert "palmar[torch]" in state(found, "torch").do
    assert palmar("doctor").code == 1


def test_damaged_weights(monkeypatch, tmp_path):
    folder = tmp_path / "palmar"
    shutil.copytree(str(files("palmar") / "weights"), folder / "weights")
    data = bytearray((folder / "weights" / "detector.onnx").read_bytes())
    data[100] ^= 1
    (folder / "weights" / "detector.onnx").write_bytes(data)
    (folder / "weights" / "landmarker.onnx").unlink()
    monkeypatch.setattr(doctor, "files", lambda _: folder)
    monkeypatch.setattr("palmar.tracking.weights.files", lambda _: folder)
    found = list(doctor.weights())
    assert state(found, "detector").state == "broken"
    assert "sha256" in state(found, "detector").said
    assert state(found, "landmarker").state == "broken"
    assert state(found, "objects").state == "ok"


def test_what_goes_wrong_while_looking_is_told_and_the_rest_too(monkeypatch):
    def torn():
        raise OSError("torn")
        yield

    monkeypatch.setattr(doctor, "codecs", torn)
    found = doctor.examine()
    assert state(found, "torn" if any(f.name == "torn" for f in found) else "codecs").state == "broken"
    assert state(found, "detector").state == "ok"


@pytest.mark.parametrize(("one", "other"), [("1.9", "1.10"), ("2", "2.0.1"), ("1.0rc1", "1.1")])
def test_versions_are_compared_by_numbers(one, other):
    assert doctor._numbers(one) < doctor._numbers(other)
