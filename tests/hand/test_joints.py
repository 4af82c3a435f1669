"""Joint orders: round trips, and checksums of the maps published with the data sets' tools."""

import numpy as np
import pytest

from palmar.errors import PalmarError
from palmar.hand.joints import BONE_OF_JOINT, BONES, JOINTS, MANO_JOINTS, ORDERS, PARENTS, POSE_OF_FINGER, convert

POINTS = np.random.default_rng(0).normal(size=(2, 21, 3))


@pytest.mark.parametrize("name", sorted(ORDERS))
def test_there_and_back(name):
    order = ORDERS[name]
    back = convert(convert(POINTS, "palmar", name), name, "palmar")
    known = np.array(order.to_palmar) >= 0
    np.testing.assert_array_equal(back[:, known], POINTS[:, known])
    assert np.isnan(back[:, ~known]).all()


@pytest.mark.parametrize(
    ("name", "weighted", "squares"),
    [("mano", 2294, 2870), ("interhand", 2610, 2870), ("rhd", 2820, 2870), ("webxr", 3450, 4150)],
)
def test_published_checksums(name, weighted, squares):
    index = np.array(ORDERS[name].to_palmar)
    assert (np.arange(21) * index).sum() == weighted
    assert (index**2).sum() == squares


def test_mano_example():
    x = np.arange(100, 121)[:, None].astype(float)
    ours = convert(x, "mano", "palmar")[:, 0]
    assert ours.tolist() == [
        100,
        113,
        114,
        115,
        116,
        101,
        102,
        103,
        117,
        104,
        105,
        106,
        118,
        110,
        111,
        112,
        119,
        107,
        108,
        109,
        120,
    ]


def test_mano_to_interhand_and_umetrack():
    x = np.arange(21)[:, None].astype(float)
    assert convert(x, "mano", "interhand")[:, 0].tolist() == [
        16,
        15,
        14,
        13,
        17,
        3,
        2,
        1,
        18,
        6,
        5,
        4,
        19,
        12,
        11,
        10,
        20,
        9,
        8,
        7,
        0,
    ]
    assert convert(x, "mano", "umetrack")[:, 0].tolist() == [
        16,
        17,
        18,
        19,
        20,
        0,
        14,
        15,
        1,
        2,
        3,
        4,
        5,
        6,
        10,
        11,
        12,
        7,
        8,
        9,
    ]


def test_bones_and_carriers_agree():
    assert len(BONES) == 20
    assert PARENTS[0] == -1
    for finger, rows in enumerate(POSE_OF_FINGER):
        name = JOINTS[4 * finger + 1].split("_")[0]
        assert [MANO_JOINTS[row] for row in rows] == [f"{name}{k}" for k in (1, 2, 3)]
        assert BONE_OF_JOINT[4 * finger + 1 : 4 * finger + 5] == (*rows, rows[2])


def test_wrong_order_and_wrong_count():
    with pytest.raises(PalmarError, match="Did you mean mano"):
        convert(POINTS, "manno", "palmar")
    with pytest.raises(PalmarError, match=r"expected shape \(..., 25, c\)"):
        convert(POINTS, "webxr", "palmar")
