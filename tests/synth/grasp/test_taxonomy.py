"""The taxonomy is complete, its numbers are the published ones, and its postures can be."""

import collections

import numpy as np
import pytest

from palmar.errors import PalmarError
from palmar.hand import HandModel, limits
from palmar.synth.grasp import GRASPS, Feel, grasp_kind

NAMES = (
    "Large Diameter", "Small Diameter", "Medium Wrap", "Adducted Thumb", "Light Tool", "Prismatic 4 Finger",
    "Prismatic 3 Finger", "Prismatic 2 Finger", "Palmar Pinch", "Power Disk", "Power Sphere", "Precision Disk",
    "Precision Sphere", "Tripod", "Fixed Hook", "Lateral", "Index Finger Extension", "Extension Type", "Distal Type",
    "Writing Tripod", "Tripod Variation", "Parallel Extension", "Adduction Grip", "Tip Pinch", "Lateral Tripod",
    "Sphere 4 Finger", "Quadpod", "Sphere 3 Finger", "Stick", "Palmar", "Ring", "Ventral", "Inferior Pincer",
)  # fmt: skip
"""Feix et al. 2016, in the order of their numbers."""


def test_all_33_by_their_numbers():
    assert tuple(GRASPS) == NAMES
    assert [kind.number for kind in GRASPS.values()] == list(range(1, 34))
    for number, name in enumerate(NAMES, 1):
        assert grasp_kind(number) is grasp_kind(name) is GRASPS[name]
    for wrong in (0, 34, "Handshake"):
        with pytest.raises(PalmarError, match="from 1 to 33"):
            grasp_kind(wrong)


def test_cells_of_the_matrix():
    """Rows and columns of the published matrix: type, opposition, position of the thumb, virtual finger 2."""
    cells = collections.defaultdict(set)
    for kind in GRASPS.values():
        cells[kind.type, kind.opposition, kind.thumb, kind.second].add(kind.number)
    assert cells["power", "palm", "abducted", (2, 3, 4, 5)] == {1, 2, 3, 10, 11}
    assert cells["power", "palm", "adducted", (2, 3, 4, 5)] == {4, 5, 15, 30}
    assert cells["power", "palm", "adducted", (3, 4, 5)] == {17}
    assert cells["power", "pad", "abducted", (2,)] == {31}
    assert cells["precision", "pad", "abducted", (2,)] == {9, 24, 33}
    assert cells["precision", "pad", "abducted", (2, 3)] == {8, 14}
    assert cells["precision", "pad", "abducted", (2, 3, 4)] == {7, 27}
    assert cells["precision", "pad", "abducted", (2, 3, 4, 5)] == {6, 12, 13}
    assert cells["precision", "pad", "adducted", (2, 3, 4, 5)] == {22}
    assert cells["precision", "side", "abducted", (3,)] == {20}
    assert cells["intermediate", "side", "adducted", (2,)] == {16, 29, 32}
    assert sum(map(len, cells.values())) == 33


def test_postures_are_possible_and_patches_exist():
    feel = Feel.of(HandModel.default().shaped(np.zeros(10)))
    for kind in GRASPS.values():
        assert limits.inside(kind.start).all(), kind.name
        for name in (*kind.ones, *kind.twos, *kind.also):
            assert len(feel.patch[name]) > 1, name
        for low, high in kind.suits.values():
            assert 0 < low < high < 120


def test_patches_lie_where_they_are_named():
    """Palmar sides face the palm at rest, radial ones the thumb, tips lie at the ends."""
    feel = Feel.of(HandModel.default().shaped(np.zeros(10)))
    for finger in ("index", "middle", "ring", "little"):
        for bone in range(3):
            pad, radial, ulnar = (
                feel.rest[feel.patch[f"{finger} {bone} {side}"][0]] for side in ("pad", "radial", "ulnar")
            )
            assert pad[1] < min(radial[1], ulnar[1])
            assert radial[2] > pad[2] > ulnar[2] or radial[2] > ulnar[2]
        tip, pad = (feel.rest[feel.patch[f"{finger} 2 {side}"][0]] for side in ("tip", "pad"))
        assert tip[0] < pad[0] - 0.003
    assert feel.rest[feel.patch["heads"][0]][0] < feel.rest[feel.patch["palm"][0]][0]
    assert feel.rest[feel.patch["hypothenar"][0]][2] < 0 < feel.rest[feel.patch["thenar"][0]][2]


def test_fast_skin_is_the_model_s():
    feel = Feel.of(HandModel.default().shaped(np.array([1.0, -0.5, 0, 0, 1.0, 0, 0, 0, 0, 0])))
    for angles in np.random.default_rng(0).normal(0, 0.4, (3, 5, 3, 3)):
        model = feel.shaped.model
        expected = feel.shaped.posed(model.rotations_from_angles(angles)).skin()
        np.testing.assert_allclose(feel.skin(angles), expected, atol=1e-6)
