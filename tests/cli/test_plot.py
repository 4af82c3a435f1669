"""`palmar plot`: files of a result, and mistakes."""

import pytest


@pytest.fixture
def result(palmar, clip, tiny_weights, tmp_path):
    heard = palmar("track", clip, "--weights", tiny_weights, "-o", tmp_path / "found", "--no-video")
    assert heard.code == 0, heard.err
    return tmp_path / "found"


def test_a_result_is_drawn(palmar, result, listed):
    heard = palmar("plot", result)
    assert heard.code == 0, heard.err
    out = result.with_name("found-plots")
    assert listed(out) == ["angles.png", "plots.txt", "presence.png", "reach.png", "speed.png"]
    assert (out / "angles.png").read_bytes()[:4] == b"\x89PNG"
    assert palmar("plot", result).code == 2                                 # it is there already
    heard = palmar("plot", result, "--overwrite", "--what", "speed", "--format", "svg")
    assert heard.code == 0, heard.err
    assert listed(out) == ["plots.txt", "speed.svg"]


@pytest.mark.parametrize(
    ("words", "said"),
    [(["/nowhere"], "not a result"), (["{result}", "--what", "hats"], "hats"), ([], "OUT")],
)
def test_mistakes(palmar, result, listed, words, said):
    heard = palmar("plot", *[word.format(result=result) for word in words])
    assert heard.code == 2
    assert len(heard.errors) == 1
    assert said in heard.errors[0]
    assert not result.with_name("found-plots").exists()
