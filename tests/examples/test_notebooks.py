"""The notebooks of `examples/` run from top to bottom, with the network closed, and what they say is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

ROOT = Path(__file__).parents[2]
EXAMPLES = {path.stem: path for path in sorted((ROOT / "examples").glob("*.ipynb"))}
LARGEST = 450_000
"""Bytes of a stored notebook."""

SO = {
    "first_steps": """
        import sys
        assert not {"torch", "numba"} & {*sys.modules}                  # no extra, as its first cell says
        assert len(hands) == clip.info["frames"] == 125 and set(hands.side) == {1}
        assert np.median(apart / size[:, None]) < 0.03
        gaps = np.linalg.norm(hands.joints[:, 8] - hands.joints[:, 4], axis=1)
        assert 4.4 < times[gaps.argmin()] < 5.0 and gaps.min() < 0.02
        assert all(np.array_equal(a, again.hands.columns()[n], equal_nan=True) for n, a in hands.columns().items())
    """,
    "robot_dataset": """
        import sys
        assert not {"torch", "numba"} & {*sys.modules}
        told = mended.info["cleaned"]
        assert (told["rows_rejected"], told["rows_filled"]) == (1, 11) and len(mended.hands) == 125
        assert 0.155 < palmar.clean.hand_length(after.joints).max() < 0.165
        assert np.abs(walked - state[:, :3]).max() < 1e-4 < 0.05 < np.ptp(state[:, 0])
        seen = clips[0].hands.keypoints[number, :, :2]
        assert np.linalg.norm(pixels - seen, axis=1).mean() < 6
        assert angles[5:20, 1:, 1, 0].max() < 20 and angles[95:100, 1:, 1, 0].min() > 80
    """,
    "gesture": """
        import sys
        assert "torch" not in sys.modules
        assert report.recordings == 56 and report.accuracy > 0.8
        truth = ["open", "open", "peace", "three", "point", "fist", "thumb up", "ok"]
        held = [hands.action[int(24 * (0.65 * k + 0.17))] for k in range(8)]
        assert held == truth
        fewer, _ = train_gestures([one for one in examples if one.name != "thumb up"])
        assert fewer(clip).hands.action[98] == "fist"
        loaded = Gestures.load("gestures.json").probabilities(hands, clip.frames.fps)
        assert np.array_equal(loaded, chances)
    """,
    "make_a_data_set": """
        assert len(crops) == 96 and hashes("again").keys() == {(k, f) for k in (50, 51) for f in ("rgb.png", "json")}
        assert all(hashes("crops")[key] == value for key, value in hashes("again").items())
        clip = truth(scenes[2])
        apart = clip.camera.project(clip.hands.joints.astype(float)) - clip.hands.keypoints[..., :2]
        assert set(clip.hands.side) == {0, 1} and np.abs(apart).max() < 0.1
        assert coco["annotations"][0]["num_keypoints"] == (clip.hands.keypoints[0, :, 2] > 0).sum()
        from palmar.data.datasets import open_split
        frame = open_split("synthetic:acted").frames[0]
        assert np.abs(read_h2o(pictures[0])[1] - frame.keypoints[frame.present]).max() < 0.01
    """,
}
"""What a reader is told, as code that is run after the notebook's last cell."""


@pytest.fixture(scope="module")
def tool(load_tool):
    return load_tool("run_notebooks")


def kinds(cell) -> list[str]:
    """Of what a cell shows, without what differs from one machine to another."""
    pictures = {"image/png": "picture", "image/jpeg": "picture"}
    shown = [
        out.get("name") or next((pictures[kind] for kind in out.data if kind in pictures), "value")
        for out in cell.get("outputs", [])
    ]
    return [kind for kind in shown if kind != "stderr"]


@pytest.mark.plain
@pytest.mark.parametrize("name", EXAMPLES)
def test_it_runs_and_what_it_says_is_so(tool, name, tmp_path):
    indent = re.compile(r"^ {8}", re.M)
    done = tool.execute(EXAMPLES[name], tmp_path, indent.sub("", SO[name]))
    stored = nbformat.read(EXAMPLES[name], as_version=4)
    assert [kinds(cell) for cell in tool.slim(done).cells] == [kinds(cell) for cell in stored.cells]


def test_every_notebook_is_told_of():
    assert set(SO) == set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_it_is_stored_small_and_clean(tool, name):
    path = EXAMPLES[name]
    text = path.read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    assert len(text) < LARGEST
    again = nbformat.writes(notebook)
    assert nbformat.writes(tool.slim(notebook)) == again  # nothing that another run would have otherwise
    said = " ".join(str(out.get("text", "")) + str(out.get("data", {}).get("text/plain", ""))
                    for cell in notebook.cells for out in cell.get("outputs", []))  # fmt: skip
    assert not re.search(r"(^|[\s'\"])/[a-z]+/|[A-Z]:\\\\|Warning|Error", said)  # no path of a machine, no trouble
    assert notebook.cells[0].source.startswith("# ")
    assert "**What it needs.**" in notebook.cells[0].source
    assert max(len(cell.source.splitlines()) for cell in notebook.cells if cell.cell_type == "code") <= 20


@pytest.mark.plain
def test_a_notebook_that_asks_another_host_fails(tool, tmp_path):
    asks = "import urllib.request; urllib.request.urlopen('http://localhost:9/', timeout=1)"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(asks)]), tmp_path / "asks.ipynb")
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="network closed"):
        tool.execute(tmp_path / "asks.ipynb", tmp_path)
