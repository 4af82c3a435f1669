"""Skins and cloths painted on the device against those painted on the host."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("numba")

import torch

from palmar.hand import HandModel
from palmar.synth.anatomy import surface_masks
from palmar.synth.device.surface import MOST_MOLES, Cloths, Skins, paint, paint_cloth
from palmar.synth.skin import paint as paint_one
from palmar.synth.skin import sample_cloth, sample_skin


def test_skins_are_painted_as_on_the_host():
    """Bare, with moles and veins, in gloves with and without fingers, painted, with polish."""
    model = HandModel.default()
    masks = surface_masks(model)
    rng = np.random.default_rng(0)
    skins = [sample_skin(rng, gloves=0.4, painted=0.2) for _ in range(24)]
    skins[0] = replace(skins[0], moles=MOST_MOLES, veins=0.9, kind="skin", cover=None)
    skins[1] = replace(skins[1], kind="glove", cover=sample_cloth(rng), fingerless=True)
    skins[2] = replace(skins[2], nail_colour=np.array([0.8, 0.1, 0.2], np.float32), kind="skin", cover=None)
    skins = [replace(s, moles=min(s.moles, MOST_MOLES)) for s in skins]
    rest = np.stack([model.shaped(rng.normal(0, 1, 10)).vertices() for _ in skins]).astype(np.float32)
    there = {name: torch.from_numpy(mask) for name, mask in masks.items()}
    found = paint(Skins.of(skins, len(model.template), torch.device("cpu")), there, torch.from_numpy(rest))
    assert {s.kind for s in skins} == {"skin", "paint", "glove"}
    for i, skin in enumerate(skins):
        mine = paint_one(skin, masks, rest[i])
        # A pattern's edge may fall on the other side of a vertex by rounding; nearly all must agree.
        off = np.abs(found.albedo[i].numpy() - mine.albedo).max(1) > 2e-4
        assert off.mean() < 0.002
        np.testing.assert_allclose(found.roughness[i], mine.roughness, atol=2e-4)
        np.testing.assert_allclose(found.specular[i], mine.specular, atol=1e-5)


def test_every_pattern_of_cloth():
    rng = np.random.default_rng(1)
    cloths = [replace(sample_cloth(rng), pattern=p) for p in ("plain", "stripes", "checks", "dots", "blotches")]
    at = rng.uniform(-0.1, 0.1, (5, 400, 3)).astype(np.float32)
    table = Cloths.of(cloths, torch.device("cpu"))
    found = paint_cloth(table, torch.from_numpy(at)).numpy()
    for i, cloth in enumerate(cloths):
        off = np.abs(found[i] - cloth.paint(at[i])).max(1) > 2e-4
        assert off.mean() < 0.01
    rows = table[torch.tensor([2, 2])]
    assert len(rows) == 2
    assert rows.pattern.tolist() == [2, 2]
