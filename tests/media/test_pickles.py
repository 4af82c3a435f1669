"""Pickles as data: what NumPy wrote comes back, and nothing is ever called."""

from __future__ import annotations

import contextlib
import pickle
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palmar.errors import PalmarError
from palmar.media.pickles import read_pickle, write_pickle

VALUES = {
    "a": np.arange(6.0).reshape(2, 3),
    "fortran": np.asfortranarray(np.arange(6, dtype=np.int32).reshape(2, 3)),
    "swapped": np.arange(3, dtype=">f4"),
    "scalar": np.float64(2.5),
    "flags": np.array([True, False]),
    "empty": np.zeros((0, 3)),
    "word": "003_cracker_box",
    "number": -3,
    "list": [1, 2.5, "x", np.float32(0.5)],
    "none": None,
}


@pytest.mark.parametrize("protocol", range(6))
def test_every_protocol_reads_back(tmp_path, protocol):
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(VALUES, protocol=protocol))
    found = read_pickle(path, 1 << 16, "numbers")
    assert list(found) == list(VALUES)
    for key in ("a", "fortran", "swapped", "scalar", "flags", "empty"):
        np.testing.assert_array_equal(found[key], VALUES[key])
        assert found[key].shape == np.shape(VALUES[key])
    assert [found[key] for key in ("word", "number", "none")] == ["003_cracker_box", -3, None]
    assert [float(v) if not isinstance(v, str) else v for v in found["list"]] == [1, 2.5, "x", 0.5]


def test_what_python_2_wrote(tmp_path):
    """NumPy's bytes were words then, with numbers above 127 in them."""
    values = np.array([-1.5, 3e9])
    (tmp_path / "a.pkl").write_bytes(
        b"(dp0\nS'a'\np1\ncnumpy.core.multiarray\n_reconstruct\np2\n(cnumpy\nndarray\np3\n(I0\ntp4\nS'b'\np5\ntp6\nRp7\n"
        b"(I1\n(I2\ntp8\ncnumpy\ndtype\np9\n(S'f8'\np10\nI0\nI1\ntp11\nRp12\n(I3\nS'<'\np13\nNNNI-1\nI-1\nI0\ntp14\nbI00\n"
        + b"S" + ascii(values.tobytes().decode("latin1")).encode() + b"\np15\ntp16\nbs."
    )  # fmt: skip
    np.testing.assert_array_equal(read_pickle(tmp_path / "a.pkl", 1 << 16, "numbers")["a"], values)


def test_write_read_and_old_names(tmp_path):
    write_pickle(tmp_path / "a.pkl", VALUES)
    data = (tmp_path / "a.pkl").read_bytes()
    assert b"numpy._core.multiarray\n" not in data
    np.testing.assert_array_equal(pickle.loads(data)["a"], VALUES["a"])
    np.testing.assert_array_equal(read_pickle(tmp_path / "a.pkl", 1 << 16, "numbers")["fortran"], VALUES["fortran"])


class Call:
    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": Call(print, "run")}, "asks for (builtins|__builtin__).print"),
        ({"a": np.array([print], object)}, "asks for|not of numbers"),
        ({"a": Call(np.dtype, "O")}, "damaged array"),
        ([1], "holds a list"),
        ({1: 2}, "keys are words"),
        ({(1, 2): 2}, "keys are words"),
        ({"a": {"b": 1}}, "an entry is a dict"),
        ({"a": [[1]]}, "an entry is a list"),
        ({"a": np.array(["x"])}, "not of numbers"),
        ({"a": frozenset([1])}, "refused"),
    ],
)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_anything_else_is_refused(tmp_path, value, message, protocol):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(value, protocol=protocol))
    with pytest.raises(PalmarError, match=message):
        read_pickle(tmp_path / "a.pkl", 1 << 16, "numbers")


def test_what_is_not_asked_for_does_not_matter(tmp_path):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"a": [[1]], "b": np.arange(2), "c": {"d": np.array(["x"])}}))
    assert read_pickle(tmp_path / "a.pkl", 1 << 16, "numbers", ("b", "e"))["b"].tolist() == [0, 1]
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"a": Call(print, "run"), "b": 1}))
    with pytest.raises(PalmarError, match="asks for"):  # but nothing is called all the same
        read_pickle(tmp_path / "a.pkl", 1 << 16, "numbers", ("b",))


def test_sizes_are_bounded(tmp_path):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"a": np.zeros(100)}))
    with pytest.raises(PalmarError, match="more than 64 bytes"):
        read_pickle(tmp_path / "a.pkl", 64, "numbers")
    with pytest.raises(PalmarError, match="no such file"):
        read_pickle(tmp_path / "b.pkl", 64, "numbers")
    data = pickle.dumps({"a": np.zeros((100, 1), np.uint8)}, protocol=2).replace(b"K\x64K\x01\x86", b"K\xffK\xff\x86")
    (tmp_path / "a.pkl").write_bytes(data)
    with pytest.raises(PalmarError, match="damaged pickle"):
        read_pickle(tmp_path / "a.pkl", 1 << 16, "numbers")


class Disguised:
    """An object whose state is an array, and perhaps itself."""

    def __init__(self, **state):
        vars(self).update(state)


class Slotted:
    __slots__ = ("x",)


OBJECTS = {r"[\w.]*test_pickles\.(Disguised|Slotted)": lambda state, array: 2 * array(state["x"])}


@pytest.mark.parametrize("protocol", range(6))
def test_objects_that_the_reader_names_are_their_state(tmp_path, protocol):
    inner = Disguised(x=np.arange(3.0))
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"a": inner, "b": Disguised(x=inner)}, protocol=protocol))
    found = read_pickle(tmp_path / "a.pkl", 1 << 16, "numbers", objects=OBJECTS)
    np.testing.assert_array_equal(found["a"], [0, 2, 4])
    np.testing.assert_array_equal(found["b"], [0, 4, 8])
    with pytest.raises(PalmarError, match=r"asks for .*Disguised"):
        read_pickle(tmp_path / "a.pkl", 1 << 16, "numbers")


def test_objects_that_lie(tmp_path):
    endless = Disguised()
    endless.x = endless
    slotted = Slotted()
    slotted.x = 1
    for value, message in (
        (endless, "nested too deeply"),
        (slotted, "an object without its state"),
        (Disguised(x={"y": 1}), "an entry is a dict"),
        (Disguised(y=1), "damaged pickle .KeyError"),
    ):
        (tmp_path / "a.pkl").write_bytes(pickle.dumps({"a": value}, protocol=2))
        with pytest.raises(PalmarError, match=message):
            read_pickle(tmp_path / "a.pkl", 1 << 16, "numbers", objects=OBJECTS)


def test_steps_are_bounded(tmp_path, monkeypatch):
    from palmar.media import pickles

    monkeypatch.setattr(pickles, "MAX_STEPS", 1000)
    (tmp_path / "a.pkl").write_bytes(b"\x80\x02}" + b"N0" * 600 + b".")
    with pytest.raises(PalmarError, match="more than 1000 steps"):
        read_pickle(tmp_path / "a.pkl", 1 << 16, "numbers")


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_damage_is_named(tmp_path_factory, seed):
    rng = random.Random(seed)
    data = bytearray(pickle.dumps(VALUES, protocol=rng.choice([0, 2, 4])))
    for _ in range(rng.randint(1, 4)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    path = tmp_path_factory.mktemp("p") / "a.pkl"
    path.write_bytes(bytes(data[: rng.choice([len(data), rng.randrange(len(data))])]))
    with contextlib.suppress(PalmarError):  # and nothing else
        read_pickle(path, 1 << 16, "numbers")
