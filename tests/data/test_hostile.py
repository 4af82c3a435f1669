"""Files that were damaged at random: reading them gives numbers or a PalmarError, and nothing else."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from palmar.data.datasets import open_split, write_dataset
from palmar.data.h2o import VOCABULARY
from palmar.errors import PalmarError
from palmar.types.firstperson import Vocabulary

WORDS = Vocabulary(
    ("none", "cup", "tea pot"), ("none", "wave cup", "turn tea pot"), ("none", "wave", "turn"), (0, 1, 2), (0, 1, 2)
)


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """Cut off, a few bytes changed, a word replaced, or a part said twice."""
    if not data:
        return b"\x00"
    at = int(rng.integers(len(data)))
    match rng.integers(5):
        case 0:
            return data[:at]
        case 1:
            changed = np.frombuffer(data, np.uint8).copy()
            changed[rng.integers(0, len(data), 3)] = rng.integers(0, 256, 3, np.uint8)
            return changed.tobytes()
        case 2:
            words = data.split(b" ")
            strange = (b"nan", b"-1", b"1e999", b"../../x", b"9" * 400, b"[", b"null", b"2.5", b"{}", b"\xff", b'"')
            words[int(rng.integers(len(words)))] = strange[int(rng.integers(len(strange)))]
            return b" ".join(words)
        case 3:
            return data[: at + 30] + data[at:]
        case _:
            return data[:at] + data[at + int(rng.integers(1, 9)) :]


def read_all(root) -> str:
    """The error, or "" where all could be read."""
    try:
        for part in ("train", "test"):
            split = open_split(str(root), part)
            for clip in split.clips:
                assert np.isfinite(clip.times).all()
                assert not np.isinf(clip.joints).any()
                assert not np.isinf(clip.points).any()
                assert 0 <= clip.action < len(split.vocabulary.actions)
                assert (clip.objects < len(split.vocabulary.objects)).all()
            for frame in split.frames[:5]:
                assert not np.isinf(frame.joints).any()
                assert frame.object < len(split.vocabulary.objects)
    except PalmarError as err:
        return str(err)
    return ""


@pytest.mark.parametrize("kind", ["h2o", "fpha", "freihand", "ho3d", "interhand", "dexycb"])
def test_damage_is_named(tmp_path, tiny, kind):
    split = tiny(WORDS if kind == "fpha" else VOCABULARY)
    root = tmp_path / "data"
    test = replace(split, frames=split.frames[5:], clips=split.clips[1:])
    write_dataset(kind, root, {"train": split, "test": test})
    assert read_all(root) == ""
    rng = np.random.default_rng(0)
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    one_of_each = {path.parent.name + path.name[:9]: path for path in files}.values()
    errors = []
    for path in one_of_each:
        whole = path.read_bytes()
        for _ in range(6 if kind in ("fpha", "freihand") else 3):
            path.write_bytes(damaged(whole, rng))
            errors.append(read_all(root))
        path.write_bytes(whole)
        path.rename(path.with_name("gone"))
        missing = read_all(root)
        assert not missing or re.search(
            "(?i)no such|no list|no folder|no cam|no data|no Hand|neither|pictures for", missing
        )
        path.with_name("gone").rename(path)
    named = [error for error in errors if error]
    assert len(named) > len(errors) / 8  # a JPEG shows something however it is damaged
    assert all(error.endswith(".") for error in named)
