"""`Hands`: what it refuses, that it cannot be changed, and that Parquet gives back what went in."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palmar.errors import PalmarError
from palmar.types import COLUMNS, Hands


def some(n: int, *, optional: bool = True, seed: int = 0) -> Hands:
    rng = np.random.default_rng(seed)
    columns = {}
    for name, column in COLUMNS.items():
        shape = (n, *(7 if s is None else s for s in column.shape))
        if column.dtype == "str":
            columns[name] = np.array([rng.choice(["grasp", "release", None]) for _ in range(n)], object)
        elif name == "side":
            columns[name] = rng.integers(0, 2, shape)
        else:
            columns[name] = (rng.normal(size=shape) * 10).astype(column.dtype)
    required = ("frame", "track", "view", "side", "score", "box")
    return Hands(**{k: v for k, v in columns.items() if optional or k in required})


def same(a: Hands, b: Hands) -> None:
    assert a.columns().keys() == b.columns().keys()
    for name, column in a.columns().items():
        np.testing.assert_array_equal(column, getattr(b, name), err_msg=name)
        assert getattr(b, name).dtype == column.dtype


@settings(max_examples=25, deadline=None)
@given(n=st.integers(0, 9), optional=st.booleans())
def test_parquet_gives_back_what_went_in(tmp_path_factory, n, optional):
    path = tmp_path_factory.mktemp("t") / "hands.parquet"
    hands = some(n, optional=optional)
    hands.to_parquet(path)
    same(hands, Hands.from_parquet(path))
    assert not path.with_name("hands.parquet.part").exists()


def test_units_and_version_stand_in_the_file(tmp_path):
    some(2).to_parquet(tmp_path / "h.parquet")
    schema = pq.read_schema(tmp_path / "h.parquet")
    assert schema.metadata[b"palmar.schema"] == b"1"
    assert schema.field("joints").metadata[b"unit"] == b"metre"
    assert schema.field("action").type == pa.dictionary(pa.int32(), pa.string())


def test_columns_cannot_be_changed_and_do_not_alias():
    frame = np.zeros(3, np.int32)
    hands = some(3).with_columns(frame=frame)
    frame[0] = 9
    assert hands.frame[0] == 0
    with pytest.raises(ValueError, match="read-only"):
        hands.frame[0] = 1
    with pytest.raises(AttributeError):
        hands.frame = frame  # type: ignore[misc]


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("box", np.zeros((3, 3)), r"Hands.box: expected shape \(3, 4\), got \(3, 3\)"),
        ("joints", np.zeros((2, 21, 3)), r"expected shape \(3, 21, 3\), got \(2, 21, 3\)"),
        ("side", np.array([0, 1, 2]), "expected 0 .left. or 1 .right., got 2"),
        ("score", None, "required"),
    ],
)
def test_a_wrong_column_is_named(column, value, words):
    with pytest.raises(PalmarError, match=words):
        some(3).with_columns(**{column: value})


def test_unknown_column_names_the_near_one():
    with pytest.raises(PalmarError, match="Did you mean joints"):
        some(1).with_columns(joint=np.zeros(1))
    with pytest.raises(PalmarError, match="unknown column"):
        some(1).select("poses")


def test_rows_by_mask_slice_index_and_condition():
    hands = some(6, seed=3)
    same(hands[hands.side == 1], hands.filter(side=1))
    same(hands[2], hands[2:3])
    assert len(hands[[]]) == 0
    assert set(hands.select("joints").columns()) == {"frame", "track", "view", "side", "score", "box", "joints"}


def test_concat_keeps_order_and_common_columns():
    a, b = some(2), some(3, optional=False, seed=1)
    joined = Hands.concat([Hands.empty(), a, b])
    np.testing.assert_array_equal(joined.frame, np.concatenate([a.frame, b.frame]))
    assert joined.joints is None
    same(Hands.concat([a, Hands.empty()]), a)
    assert len(Hands.concat([])) == 0


def test_files_that_are_not_ours(tmp_path):
    with pytest.raises(PalmarError, match="no such file"):
        Hands.from_parquet(tmp_path / "none.parquet")
    (tmp_path / "junk.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(PalmarError, match="not a readable Parquet"):
        Hands.from_parquet(tmp_path / "junk.parquet")
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    with pytest.raises(PalmarError, match="not a table of hands"):
        Hands.from_parquet(tmp_path / "other.parquet")
    later = some(1).to_table().replace_schema_metadata({"palmar.schema": "99"})
    pq.write_table(later, tmp_path / "later.parquet")
    with pytest.raises(PalmarError, match="update palmar"):
        Hands.from_parquet(tmp_path / "later.parquet")
    broken = some(2).to_table()
    field = broken.schema.field("box").with_metadata({"shape": "[5]", "unit": "pixel"})
    broken = broken.set_column(5, field, broken.column("box"))
    pq.write_table(broken, tmp_path / "broken.parquet")
    with pytest.raises(PalmarError, match="box"):
        Hands.from_parquet(tmp_path / "broken.parquet")


def test_unwritable_place(tmp_path):
    with pytest.raises(PalmarError, match="cannot write"):
        some(1).to_parquet(tmp_path / "no" / "h.parquet")
