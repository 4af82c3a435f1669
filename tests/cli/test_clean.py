"""`palmar clean`, and the same options of `palmar track`."""

import json

import pytest


@pytest.fixture
def result(palmar, clip, tiny_weights, tmp_path):
    heard = palmar("track", clip, "--weights", tiny_weights, "-o", tmp_path / "found", "--no-video")
    assert heard.code == 0, heard.err
    return tmp_path / "found"


def test_a_result_is_cleaned_beside_itself(palmar, result, listed):
    heard = palmar("clean", result, "--fill-gaps", 0.2, "--smooth", 0.05, "--fix-bones")
    assert heard.code == 0, heard.err
    out = result.with_name("found-clean")
    assert listed(out) == ["clip.json", "hands.parquet", "overlay.mp4"]
    told = json.loads((out / "clip.json").read_text())["info"]["cleaned"]
    assert told == {"fill_gaps": 0.2, "fix_bones": True, "rows_filled": 0, "smooth": 0.05}
    assert palmar("clean", result, "--fix-bones").code == 2


def test_track_cleans_as_it_ends(palmar, clip, tiny_weights, tmp_path):
    out = tmp_path / "out"
    words = ("track", clip, "--weights", tiny_weights, "-o", out, "--no-video")
    assert palmar(*words, "--trim", 0.0, 0.2, "--reject-outliers").code == 0
    told = json.loads((out / "clip.json").read_text())["info"]["cleaned"]
    assert told["trim"] == [0.0, 0.2]


def test_a_recording_that_is_gone_costs_the_overlay_alone(palmar, clip, result, listed):
    clip.unlink()
    heard = palmar("clean", result, "--smooth", 0.05)
    assert heard.code == 0, heard.err
    assert "written without it" in heard.err
    assert listed(result.with_name("found-clean")) == ["clip.json", "hands.parquet"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["{result}"], "nothing to do"),
        (["/nowhere", "--smooth", "0.1"], "not a result"),
        (["{result}", "--trim", "2", "1"], "after the start"),
        (["{result}", "--hand-length", "19"], "0.3 m"),
        (["{result}", "--depth", "/nowhere"], "no such folder"),
        (["{result}", "--smooth", "-1"], "0 s or more"),
    ],
)
def test_mistakes(palmar, result, words, said):
    heard = palmar("clean", *[word.format(result=result) for word in words])
    assert heard.code == 2
    assert len(heard.errors) == 1
    assert said in heard.errors[0]
    assert not result.with_name("found-clean").exists()


def test_stills_have_no_time(palmar, picture, tmp_path):
    heard = palmar("track", picture, "--stills", "--smooth", 0.1, "-o", tmp_path / "out")
    assert heard.code == 2
    assert "unrelated" in heard.errors[0]
