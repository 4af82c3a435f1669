"""Recognisers of sequences side by side: distances, what is held out, and that they learn what can be learned."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from palmar.bench import sequences
from palmar.errors import PalmarError


def test_warping_is_the_textbook_recursion():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(3, 9, 2)), rng.normal(size=(4, 9, 2))

    def plain(p, q):
        t = len(p)
        cost = np.full((t + 1, t + 1), np.inf)
        cost[0, 0] = 0
        for i in range(1, t + 1):
            for j in range(1, t + 1):
                if abs(i - j) <= sequences.BAND:
                    step = min(cost[i - 1, j], cost[i, j - 1], cost[i - 1, j - 1])
                    cost[i, j] = np.linalg.norm(p[i - 1] - q[j - 1]) + step
        return cost[t, t]

    expected = [[plain(p, q) for q in b] for p in a]
    np.testing.assert_allclose(sequences.warped(a, b), expected)
    assert np.diag(sequences.warped(a, a)).max() == 0


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(1)
    y = np.repeat([0, 1, 2], 10)
    t = np.linspace(0, 1, 30)
    left = 0.5 + 0.005 * rng.normal(size=(30, 1, 21, 3)) + (y[:, None] * t)[..., None, None] * 0.3
    pose = np.zeros((30, 30, 33, 4))
    pose[:, :, 11, 0], pose[:, :, 12, 0] = 0.6, 0.4
    np.savez(
        tmp_path / "sign-words.npz", left=left, right=np.zeros_like(left), pose=pose, label=y, names=["a", "b", "c"]
    )
    rows = []
    for kind in (0, 1):
        for _ in range(120):
            path = np.stack([t[:16] * (1 - kind), t[:16] * kind], -1) + 0.02 * rng.normal(size=(16, 2))
            rows.append(",".join(map(str, [kind, *path.ravel()])))
    (tmp_path / "point_history.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def test_what_is_held_out(folder):
    words, paths = sequences.words(folder / "sign-words.npz"), sequences.paths(folder / "point_history.csv")
    assert words.x.shape == (30, 30, 2 * (21 + 21 + 6))
    assert sorted(np.concatenate([held for _, held in words.folds]).tolist()) == list(range(30))
    for shown, held in words.folds:
        assert sorted([*shown, *held]) == list(range(30))
    ((shown, held),) = paths.folds
    assert len(held) == 72
    assert {int(row) // 12 for row in held[held < 120]} == set(sequences.HELD)
    gaps = np.abs(shown[:, None] - held)[paths.y[shown][:, None] == paths.y[held]]
    assert gaps.min() == 16  # windows of 16 frames: none that is learned from shares a frame with a held-out one


def test_no_frame_is_on_both_sides_and_little_is_left_out():
    y = np.repeat([0, 1, 2], [1000, 500, 777])
    shown, held = sequences.blocks(y, 16)
    frames = lambda rows, kind: {int(r) + f for r in rows[y[rows] == kind] for f in range(16)}  # noqa: E731
    for kind in range(3):
        assert not frames(shown, kind) & frames(held, kind)
        assert abs((y[held] == kind).sum() - 0.3 * (y == kind).sum()) <= 3
        assert (y == kind).sum() - (y[held] == kind).sum() - (y[shown] == kind).sum() == 6 * 15


def test_the_table(folder, monkeypatch):
    monkeypatch.setattr(sequences, "STEPS", 100)
    found = sequences.measure(folder, seeds=(0,))
    for task in ("words", "paths"):
        for name, one in found[task]["recognisers"].items():
            if name != "action transformer" or task == "paths":  # it needs more than 100 steps
                assert one["accuracy"] > (0.85 if task == "paths" else 0.6), (task, name)
    table = sequences.render(found)
    assert table.count("\n") == 6
    assert "GRU" in table


def test_missing_or_damaged_files(tmp_path):
    with pytest.raises(PalmarError, match="neither"):
        sequences.measure(tmp_path)
    (tmp_path / "point_history.csv").write_text("a,b,c\n")
    with pytest.raises(PalmarError, match="rows of a label"):
        sequences.measure(tmp_path)
    (tmp_path / "sign-words.npz").write_bytes(b"no")
    with pytest.raises(PalmarError, match="expected arrays"):
        sequences.words(tmp_path / "sign-words.npz")
