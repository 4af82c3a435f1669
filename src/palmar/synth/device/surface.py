"""Skins and cloths of a batch: tables drawn by `palmar.synth.skin` on the host, painted on the device.

`paint` and `paint_cloth` are the formulas of `palmar.synth.skin.paint` and `Cloth.paint` over a batch of skins, tested
equal to them. What a skin does not have (moles, polish, a glove) is weighed with zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from palmar.synth.device.resident import resident
from palmar.synth.skin import _EXPONENT, _FLOOR, Cloth, Skin

PATTERNS = ("plain", "stripes", "checks", "dots", "blotches")
MOST_MOLES = 8
"""Of a skin with more (one in a hundred has), the rest is left out."""


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of several columns, one for each entry."""

    def __getitem__(self, rows: Int[Tensor, " b"]):
        return type(self)(**{f.name: self._row(getattr(self, f.name), rows) for f in fields(self)})

    @staticmethod
    def _row(column, rows):
        return column[rows]  # of a table within a table too

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))


@dataclass(frozen=True, eq=False)
class Cloths(Table):
    albedo: Float[Tensor, "b 3"]
    second: Float[Tensor, "b 3"]
    pattern: Int[Tensor, " b"]
    axes: Float[Tensor, "b 3 3"]
    period: Float[Tensor, " b"]
    roughness: Float[Tensor, " b"]
    specular: Float[Tensor, " b"]

    @staticmethod
    def of(cloths: Sequence[Cloth], device: torch.device) -> Cloths:
        columns = {f.name: [getattr(c, f.name) for c in cloths] for f in fields(Cloths)}
        columns["pattern"] = [PATTERNS.index(name) for name in columns["pattern"]]
        return Cloths(**{name: _put(values, device) for name, values in columns.items()})


@dataclass(frozen=True, eq=False)
class Skins(Table):
    fm: Float[Tensor, " b"]
    fb: Float[Tensor, " b"]
    tint: Float[Tensor, "b 3"]
    waves: Float[Tensor, "b 8 3"]
    phases: Float[Tensor, "b 8"]
    mixing: Float[Tensor, "b 8 4"]
    palm_fm: Float[Tensor, " b"]
    palm_fb: Float[Tensor, " b"]
    tip_fb: Float[Tensor, " b"]
    knuckle_fm: Float[Tensor, " b"]
    knuckle_fb: Float[Tensor, " b"]
    mottle_fm: Float[Tensor, " b"]
    mottle_fb: Float[Tensor, " b"]
    veins: Float[Tensor, " b"]
    roughness: Float[Tensor, " b"]
    specular: Float[Tensor, " b"]
    nail_roughness: Float[Tensor, " b"]
    forearm_gain: Float[Tensor, " b"]
    mole_vertex: Int[Tensor, "b 8"]
    mole_gain: Float[Tensor, "b 8"]
    """Melanin at the middle of each mole; 0 where there is none."""
    mole_falloff: Float[Tensor, "b 8"]
    """Per square metre, below 0."""
    polish: Float[Tensor, " b"]
    nail_colour: Float[Tensor, "b 3"]
    covered: Float[Tensor, " b"]
    """1 in a glove or paint."""
    glove: Float[Tensor, " b"]
    fingerless: Float[Tensor, " b"]
    cover: Cloths

    @staticmethod
    def of(skins: Sequence[Skin], vertices: int, device: torch.device) -> Skins:
        plain = Cloth(np.zeros(3, np.float32), np.zeros(3, np.float32))
        moles = [_moles(skin, vertices) for skin in skins]
        special = {
            "mole_vertex": [m[0] for m in moles],
            "mole_gain": [m[1] for m in moles],
            "mole_falloff": [m[2] for m in moles],
            "polish": [float(s.nail_colour is not None) for s in skins],
            "nail_colour": [np.zeros(3, np.float32) if s.nail_colour is None else s.nail_colour for s in skins],
            "covered": [float(s.cover is not None) for s in skins],
            "glove": [float(s.kind == "glove") for s in skins],
            "fingerless": [float(s.kind == "glove" and s.fingerless) for s in skins],
        }
        names = [f.name for f in fields(Skins) if f.name != "cover"]
        columns = {n: special.get(n) or [getattr(s, n) for s in skins] for n in names}
        cover = Cloths.of([s.cover or plain for s in skins], device)
        return Skins(**{name: _put(values, device) for name, values in columns.items()}, cover=cover)


def _put(values: Sequence, device: torch.device) -> Tensor:
    array = np.array(values)
    return torch.from_numpy(array.astype(np.float32) if array.dtype.kind == "f" else array.astype(np.int64)).to(device)


@resident
def _exponents(device: torch.device) -> Float[Tensor, "3 3"]:
    return torch.from_numpy(_EXPONENT.astype(np.float32)).to(device)


def _moles(skin: Skin, vertices: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The draws of `palmar.synth.skin` for a skin's moles."""
    rng = np.random.default_rng(skin.mole_seed)
    vertex, gain, falloff = np.zeros(MOST_MOLES, np.int64), np.zeros(MOST_MOLES), np.full(MOST_MOLES, -1e5)
    for k in range(min(skin.moles, MOST_MOLES)):
        vertex[k], gain[k] = rng.integers(vertices), rng.uniform(0.1, 0.5)
        falloff[k] = -0.5 / rng.uniform(0.001, 0.004) ** 2
    return vertex, gain, falloff


def paint_cloth(cloths: Cloths, positions: Float[Tensor, "b v 3"]) -> Float[Tensor, "b v 3"]:
    """Albedo at positions (metres) on the body at rest."""
    turned = positions @ cloths.axes.mT * (2 * torch.pi / cloths.period)[:, None, None]
    wave = torch.sin(turned)
    up, total = wave[..., 0] > 0, wave.sum(-1)
    blotches = (0.5 + total + 0.5 * torch.sin(2.3 * turned).sum(-1)).clamp(0.0, 1.0)
    pattern = cloths.pattern[:, None]
    share = torch.where(pattern == 1, up.float(), blotches)
    share = torch.where(pattern == 2, (up ^ (wave[..., 1] > 0)).float(), share)
    share = torch.where(pattern == 3, (total > 1.2).float(), share) * (pattern > 0)
    return torch.lerp(cloths.albedo[:, None], cloths.second[:, None], share[..., None])


@dataclass(frozen=True, eq=False)
class PaintedBatch:
    albedo: Float[Tensor, "b v 3"]
    roughness: Float[Tensor, "b v"]
    specular: Float[Tensor, "b v"]


def paint(skins: Skins, masks: Mapping[str, Tensor], positions: Float[Tensor, "b v 3"]) -> PaintedBatch:
    """The skins put on their hands.

    masks: weights [v] by name, all of `palmar.synth.anatomy.surface_masks`. positions: metres, of the hands at rest.
    """
    palm, back, nail = masks["palm"], masks["back"], masks["nail"]
    knuckle, tip, forearm = masks["knuckle"], masks["tip"], masks["forearm"]

    def per(values: Tensor) -> Tensor:
        return values[:, None]

    def blend(mask: Tensor, factor: Tensor) -> Tensor:
        return 1.0 + per(factor - 1.0) * mask

    phase = positions @ skins.waves.mT + skins.phases[:, None]
    fields_ = torch.sin(phase) @ skins.mixing  # b v 4
    light = blend(palm, skins.palm_fm) * blend(nail, skins.palm_fm)
    fm = per(skins.fm) * light * blend(knuckle, skins.knuckle_fm) * blend(forearm, skins.forearm_gain)
    fm = fm * torch.exp(per(skins.mottle_fm) * fields_[..., 0])
    fb = per(skins.fb) * blend(palm, skins.palm_fb) * blend(tip, skins.tip_fb) * blend(knuckle, skins.knuckle_fb)
    fb = fb * (1.0 + 0.8 * nail) * torch.exp(per(skins.mottle_fb) * fields_[..., 1])
    for k in range(MOST_MOLES):
        centre = positions.gather(1, skins.mole_vertex[:, k, None, None].expand(-1, 1, 3))
        squared = ((positions - centre) ** 2).sum(-1)
        fm = fm + per(skins.mole_gain[:, k]) * torch.exp(squared * per(skins.mole_falloff[:, k]))
    fm = fm.clamp(0.005, 0.7)[..., None]
    root = torch.sqrt(fb.clamp(0.001, 0.08))[..., None]
    constant, melanin, blood = _exponents(positions.device)
    colour = torch.exp(constant + melanin * fm + blood * root) + _FLOOR
    share = torch.minimum(fm / skins.fm[:, None, None], torch.ones_like(fm))
    colour = colour * torch.exp(share * torch.log(skins.tint)[:, None])
    roughness = per(skins.roughness) * (1.0 + 0.15 * fields_[..., 3])
    ridge = (1.0 - 3.0 * fields_[..., 2].abs()).clamp(0.0, 1.0)
    veins = 1.0 - per(1.0 - skins.veins) * (back + forearm).clamp(max=1.0) * ridge
    colour = torch.cat([colour[..., :1] * veins[..., None], colour[..., 1:]], -1)
    roughness = torch.lerp(roughness, per(skins.nail_roughness), nail)
    specular = per(skins.specular) + 0.4 * nail
    colour = torch.lerp(colour, skins.nail_colour[:, None], (per(skins.polish) * nail)[..., None])
    worn = per(skins.covered) * (1.0 - per(skins.glove) * forearm)
    worn = worn * (1.0 - per(skins.fingerless) * (tip + nail).clamp(0.0, 1.0))
    colour = torch.lerp(colour, paint_cloth(skins.cover, positions), worn[..., None])
    roughness = torch.lerp(roughness, per(skins.cover.roughness), worn)
    specular = torch.lerp(specular, per(skins.cover.specular), worn)
    return PaintedBatch(colour.clamp(0.0, 0.95), roughness.clamp(0.05, 1.0), specular)
