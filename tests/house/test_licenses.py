"""The licence chain: complete, permissive, and loud where it is not."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palmar.cli import main
from palmar.errors import PalmarError
from palmar.licenses import ALLOWED, INSIDE, Link, chain, permits, refused, table, world


@pytest.fixture(scope="module")
def links():
    return chain()


def test_every_link_is_allowed(links):
    assert not refused(links)
    assert all(link.licence != "unknown" for link in links)


def test_no_link_is_missing(links):
    names = {(link.kind, link.name) for link in links}
    assert {("mesh", "hand.npz"), ("mesh", "body.npz")} <= names
    assert ("code", "palmar") in names
    assert {name for kind, name in names if kind == "package"} >= {
        "av", "jaxtyping", "numpy", "onnxruntime", "opencv-python-headless", "pyarrow", "scipy", "tyro",
    }  # fmt: skip
    from palmar.synth.background import PHOTOGRAPHS

    assert {name for kind, name in names if kind == "photograph"} == {photo.name for photo in PHOTOGRAPHS}
    cards = {entry.name for entry in (files("palmar") / "weights").iterdir() if entry.name.endswith(".json")}
    assert {name.replace(".onnx", ".json") for kind, name in names if kind == "weights"} >= cards


def test_only_libraries_inside_packages_are_copyleft(links):
    assert all(permits(link.licence) for link in links if link.kind != INSIDE)
    assert not refused([Link(INSIDE, "x264", "", "GPL-2.0-or-later", "")])
    assert refused([Link("package", "x264", "", "GPL-2.0-or-later", "")])


def test_a_cards_licences_stand_in_the_chain(tmp_path, capsys):
    rows = [{"name": "a data set", "version": "1", "licence": "CC-BY-NC-4.0", "what": "photographs"}]
    (tmp_path / "detector.json").write_text(json.dumps({"name": "detector", "sha256": "0" * 64, "licences": rows}))
    (bad,) = refused(chain(tmp_path))
    assert (bad.name, bad.licence) == ("a data set", "CC-BY-NC-4.0")
    assert main(["licenses", "--weights", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    (row,) = [line for line in out.splitlines() if line.startswith("refused")]
    assert row.split()[1:4] == ["weights", "a", "data"]
    assert err == "palmar: refused: weights a data set 1: CC-BY-NC-4.0\n"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"sha256": 1', "\xff"])
def test_a_damaged_card_is_an_error(tmp_path, text):
    (tmp_path / "detector.json").write_text(text)
    with pytest.raises(PalmarError, match="not a readable card"):
        chain(tmp_path)


def test_a_folder_without_cards_is_an_error(tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(PalmarError, match="no cards"):
            chain(folder)


def test_rows_for_the_cards_of_weights_are_allowed():
    rows = world(adapted_to=[{"name": "owner/photos", "licence": "MIT", "what": "photograph"}])
    assert rows[-1] == {"name": "owner/photos", "version": "", "licence": "MIT", "what": "photograph"}
    assert all(permits(row["licence"]) and row["name"] and row["what"] for row in rows)


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True), ("GPL-3.0-only", False), ("unknown", False), ("", False), ("MIT AND", False), ("AND MIT", False),
        ("MIT OR GPL-3.0-only", True), ("GPL-3.0-only OR MIT", True), ("MIT AND GPL-3.0-only", False),
        ("GPL-3.0-only AND MIT OR MIT", True), ("MIT OR MIT AND GPL-3.0-only", True),
        ("(MIT OR MIT) AND GPL-3.0-only", False),
        ("Apache-2.0 WITH LLVM-exception", True), ("GPL-2.0-only WITH Classpath-exception-2.0", False),
        ("(MIT", False), ("MIT)", False), ("MIT MIT", False), ("CC-BY-NC-4.0", False), ("mit", False),
    ],
)  # fmt: skip
def test_expressions(expression, allowed):
    assert permits(expression) is allowed


LICENCES = st.sampled_from(["MIT", "GPL-3.0-only", "Zlib"])


@given(st.recursive(LICENCES, lambda s: st.tuples(s, st.sampled_from(["AND", "OR"]), s)))
def test_expressions_agree_with_python(tree):
    """AND and OR of licences are those of truth values; Python's own evaluation is the reference."""

    def spelled(node, leaf, words):
        if isinstance(node, str):
            return leaf(node)
        left, word, right = node
        return f"({spelled(left, leaf, words)} {words[word]} {spelled(right, leaf, words)})"

    expected = eval(spelled(tree, lambda name: str(name in ALLOWED), {"AND": "and", "OR": "or"}))
    assert permits(spelled(tree, str, {"AND": "AND", "OR": "OR"})) is expected


def test_the_table_is_aligned(links):
    rows = table(links).splitlines()
    assert len(rows) == len(links) + 1
    start = rows[0].index("licence")
    for row, link in zip(rows[1:], links, strict=True):
        assert row[start:].startswith(link.licence)


def test_the_command(links, capsys):
    assert main(["licenses"]) == 0
    assert capsys.readouterr().out == table(links) + "\n"
    assert main(["licenses", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == [link.name for link in links]
    assert all(row["allowed"] for row in rows)
