"""The part of YAML that is read, against PyYAML where that is installed, and what is refused."""

from __future__ import annotations

import contextlib
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palmar.data.plainyaml import read_yaml, yaml_text
from palmar.errors import PalmarError

META = """\
# a recording
serials:
- '836212060125'
- "839512060362"
num_frames: 72
extrinsics: 20200702_151821x   # of the day
mano_sides:
  - right
ycb_ids: [1, 11,
  5]
empty: []
nothing:
nested:
  color: {}
"""


def read(tmp_path, text):
    (tmp_path / "a.yml").write_text(text)
    return read_yaml(tmp_path / "a.yml", 1 << 16, "a recording")


def test_what_data_sets_write(tmp_path):
    assert read(tmp_path, META.replace("  color: {}\n", "  color:\n    fx: 617.5\n    fy: -1.0e-05\n  on: true\n")) == {
        "serials": ["836212060125", "839512060362"], "num_frames": 72, "extrinsics": "20200702_151821x",
        "mano_sides": ["right"], "ycb_ids": [1, 11, 5], "empty": [], "nothing": None,
        "nested": {"color": {"fx": 617.5, "fy": -1e-5}, "on": True},
    }  # fmt: skip
    assert read(tmp_path, "- - 1\n  - 2\n- - 3\n- a: 1\n  b: 2\n-\n  c: 3\n") == [
        [1, 2],
        [3],
        {"a": 1, "b": 2},
        {"c": 3},
    ]
    assert read(tmp_path, "") is None


VALUES = st.recursive(
    st.integers(-(10**12), 10**12) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("abcxyz 019._-:#", max_size=8) | st.lists(st.floats(-1e6, 1e6), max_size=4),
    lambda inner: st.dictionaries(st.text("abc019_", min_size=1, max_size=5), inner, min_size=1, max_size=3),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(st.dictionaries(st.text("abc019_", min_size=1, max_size=5), VALUES, min_size=1, max_size=4))
def test_read_gives_what_was_written(tmp_path_factory, values):
    text = yaml_text(values)
    assert read(tmp_path_factory.mktemp("y"), text) == values
    with contextlib.suppress(ImportError):
        import yaml

        assert yaml.safe_load(text) == values


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: &x 1", 1), ("a: *x", 1), ("a: !!python/object:os.system x", 1), ("a: |\n  x", 1), ("a: {b: 1}", 1),
        ("a: 1\n\tb: 2", 2), ("a: 1\n   b: 2", 2), ("a: [[1]]", 1), ("a: 'x", 1), ("a:\n- 1\nb\n", 3), ("a: b: c", 1),
        ("a: [1, 2", 1), ("- " * 40 + "1", 1),
    ],
)  # fmt: skip
def test_the_rest_is_refused(tmp_path, text, line):
    with pytest.raises(PalmarError, match=rf"a\.yml: line {line}: .*expected a recording"):
        read(tmp_path, text)


def test_what_cannot_be_written():
    for value in (math.nan, math.inf, "it's", "a\nb"):
        with pytest.raises(PalmarError, match="cannot be written"):
            yaml_text({"a": value})
