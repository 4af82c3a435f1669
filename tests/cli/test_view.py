"""`palmar view --save`, of a result and of a recording; mistakes."""

import pytest

pytest.importorskip("rerun")


def test_a_result_and_a_recording(palmar, clip, tiny_weights, tmp_path, listed):
    found = tmp_path / "found"
    assert palmar("track", clip, "--weights", tiny_weights, "-o", found, "--no-video").code == 0
    heard = palmar("view", found, "--save", tmp_path / "a.rrd")
    assert heard.code == 0, heard.err
    assert (tmp_path / "a.rrd").read_bytes()[:4] == b"RRF2"
    assert palmar("view", found, "--save", tmp_path / "a.rrd").code == 2
    assert palmar("view", found, "--save", tmp_path / "a.rrd", "--overwrite", "--no-pictures").code == 0
    assert [name for name in listed(tmp_path) if name.startswith("a.")] == ["a.rrd"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["/nowhere", "--save", "a.rrd"], "/nowhere"),
        (["{clip}", "--save", "a.txt"], ".rrd"),
        (["{clip}", "--save", "a.rrd", "--web"], "--web"),
        (["7", "--save", "a.rrd"], "webcam"),
    ],
)
def test_mistakes(palmar, clip, tmp_path, monkeypatch, listed, words, said):
    monkeypatch.chdir(tmp_path)
    heard = palmar("view", *[word.format(clip=clip) for word in words])
    assert heard.code == 2
    assert len(heard.errors) == 1
    assert said in heard.errors[0]
    assert [name for name in listed(tmp_path) if name.startswith("a.")] == []
