from __future__ import annotations

import struct

import numpy as np
import pytest

from palmar.data.meshes import read_obj, read_ply, write_ply
from palmar.errors import PalmarError

VERTICES = np.array([(0, 0, 0), (1, 0, 0.1), (1, 1, 0), (0, 1, 1 / 3)], np.float64)
HEAD = (
    "ply\nformat {} 1.0\ncomment made by hand\nelement vertex 4\nproperty float x\nproperty float y\nproperty float z\n"
    "property uchar red\nelement face 1\nproperty list uchar int vertex_indices\nend_header\n"
)


def test_read_gives_what_was_written(tmp_path):
    faces = np.array([(0, 1, 2), (0, 2, 3)])
    write_ply(tmp_path / "a.ply", VERTICES, faces)
    vertices, triangles = read_ply(tmp_path / "a.ply")
    np.testing.assert_array_equal(vertices, VERTICES)
    np.testing.assert_array_equal(triangles, faces)


@pytest.mark.parametrize(("form", "order"), [("ascii", ""), ("binary_little_endian", "<"), ("binary_big_endian", ">")])
def test_every_form_says_the_same(tmp_path, form, order):
    """Four corners become two triangles; a colour is skipped."""
    if order:
        body = b"".join(struct.pack(f"{order}fffB", *v, 7) for v in VERTICES) + struct.pack(
            f"{order}Biiii", 4, 0, 1, 2, 3
        )
    else:
        body = ("".join("{} {} {} 7\n".format(*v) for v in VERTICES) + "4 0 1 2 3\n").encode()
    (tmp_path / "a.ply").write_bytes(HEAD.format(form).encode() + body)
    vertices, triangles = read_ply(tmp_path / "a.ply")
    np.testing.assert_allclose(vertices, VERTICES, atol=1e-7)
    assert triangles.tolist() == [[0, 1, 2], [0, 2, 3]]
    (tmp_path / "b.ply").write_bytes(HEAD.format(form).encode() + body[:-8])
    with pytest.raises(PalmarError, match=r"cut off|corners, expected 4|a number of corners"):
        read_ply(tmp_path / "b.ply")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("solid", "no header"),
        (HEAD.format("ascii").replace("vertex 4", "vertex 99999999"), "cut off: 99999999 entries"),
        (HEAD.format("text") + "1", "format 'text'"),
        (HEAD.format("ascii") + "0 0 0 0\n" * 4 + "3 0 1 9\n", "a face names vertex 9 of 4"),
        (HEAD.format("ascii") + "0 0 nan 0\n" * 4 + "3 0 1 2\n", "vertex 0 is not finite"),
        (HEAD.format("ascii") + "0 0 x 0\n" * 4 + "3 0 1 2\n", "vertex 0: 'x' is not a number"),
        (HEAD.format("ascii").replace("float x", "real x"), "line 5: 'property real x' is no property"),
    ],
)
def test_a_bad_file_is_named(tmp_path, text, message):
    (tmp_path / "a.ply").write_text(text)
    with pytest.raises(PalmarError, match=message):
        read_ply(tmp_path / "a.ply")


def test_an_obj_file(tmp_path):
    """A face by vertex, texture and normal, and one that counts from the end."""
    (tmp_path / "a.obj").write_text(
        "# made by hand\nmtllib a.mtl\nv 0 0 0\nv 1 0 0.1 0.5 0.5 0.5\nv 1 1 0\nvt 0 0\nvn 0 0 1\n"
        "f 1/1/1 2/1/1 3/1/1\nv 0 1 0\nf -4//1 -2//1 -1//1\n"
    )
    vertices, faces = read_obj(tmp_path / "a.obj")
    np.testing.assert_array_equal(vertices, [(0, 0, 0), (1, 0, 0.1), (1, 1, 0), (0, 1, 0)])
    assert faces.tolist() == [[0, 1, 2], [0, 2, 3]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("v 0 0\n", "line 1: 2 entries; expected lines v x y z"),
        ("v 0 0 x\n", "line 1: 'x' is not a number"),
        ("v 0 0 inf\n", "vertex 0 is not finite"),
        ("v 0 0 0\nf 1 1 2\n", "a face names vertex 1 of 1"),
        ("v 0 0 0\nf 1 1 -2\n", "a face names vertex -1 of 1"),
        ("v 0 0 0\nf 1 a 1\n", "line 2: expected a vertex"),
    ],
)
def test_a_bad_obj_file_is_named(tmp_path, text, message):
    (tmp_path / "a.obj").write_text(text)
    with pytest.raises(PalmarError, match=message):
        read_obj(tmp_path / "a.obj")
