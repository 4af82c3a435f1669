"""Gloves: the hand's own mesh, thicker and in another colour up to a cuff. Labels stay those of the hand in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, Float32
from scipy.sparse import csr_matrix

from palmar.hand import HandModel
from palmar.synth.anatomy import surface_masks
from palmar.synth.skin import Painted, sample_cloth
from palmar.synth.wear.band import Band, band
from palmar.synth.wear.shell import smoother

GLOVE_PART = 29
Sort = Literal["nitrile", "surgical", "work", "knit"]
SORTS: tuple[Sort, ...] = get_args(Sort)
THICKNESS: dict[Sort, tuple[float, float]] = {
    "nitrile": (0.0003, 0.0006),
    "surgical": (0.0003, 0.0004),
    "work": (0.0018, 0.0030),
    "knit": (0.0010, 0.0018),
}
"""Metres."""
_COLOURS = {
    "nitrile": ((0.03, 0.10, 0.36), (0.012, 0.012, 0.014), (0.22, 0.10, 0.42), (0.75, 0.75, 0.75), (0.75, 0.22, 0.03),
                (0.05, 0.28, 0.12), (0.10, 0.30, 0.55)),
    "surgical": ((0.72, 0.66, 0.52), (0.68, 0.66, 0.60), (0.45, 0.55, 0.48)),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Glove:
    """One glove; a right hand's, as everything a hand wears."""

    sort: Sort
    offset: Float32[np.ndarray, " v"]
    """Metres along the skin's normal; 0 beyond the cuff."""
    painted: Painted
    """Of the whole hand, glove and the bare stub behind it."""
    cuff: Band | None
    smooth: csr_matrix | None
    """[v, v] that rounds off what thick cloth hides; None for thin ones."""

    def skin(self, vertices: Float[np.ndarray, "v 3"], normals: Float[np.ndarray, "v 3"]) -> Float[np.ndarray, "v 3"]:
        """The glove's surface over a posed hand."""
        base = vertices
        if self.smooth is not None:
            # rounding shrinks; what it takes is given back along the normal
            rounded = self.smooth @ vertices
            lost = np.maximum(np.sum((vertices - rounded) * normals, 1), 0.0)
            worn = np.minimum(self.offset / max(float(self.offset.max()), 1e-9), 1.0)[:, None]
            base = vertices + worn * (rounded + lost[:, None] * normals - vertices)
        return base + normals * self.offset[:, None]


def draw_glove(
    rng: np.random.Generator, rest: Float[np.ndarray, "v 3"], bare: Painted, sort: Sort | None = None
) -> Glove:
    """A glove for a right hand with these vertices at rest. sort: drawn where not given."""
    model = HandModel.default()
    sort = SORTS[int(rng.choice(4, p=(0.4, 0.2, 0.25, 0.15)))] if sort is None else sort
    masks = surface_masks(model)
    end = float(rng.choice((0.0, 0.3, 0.55, 0.8)))
    inside = model.behind <= end
    thick = rng.uniform(*THICKNESS[sort])
    offset = np.where(inside, thick, 0.0)
    colour, roughness, specular = _paint(rng, sort, masks, rest)
    share = inside[:, None].astype(float)
    painted = Painted(
        (bare.albedo * (1 - share) + colour * share).clip(0.005, 0.93).astype(np.float32),
        np.where(inside, roughness, bare.roughness).astype(np.float32),
        np.where(inside, specular, bare.specular).astype(np.float32),
    )
    smooth = None
    if sort in ("work", "knit"):
        smooth = smoother(model.faces, len(rest), 2)
    return Glove(sort, offset.astype(np.float32), painted, _cuff(rng, rest, sort, end, thick, colour), smooth)


def _paint(rng, sort: Sort, masks, rest) -> tuple[np.ndarray, float, float]:
    v = len(rest)
    waves = np.sin(rest @ (rng.normal(0, 1, (6, 3)) * 220.0).T + rng.uniform(0, 6.28, 6)).mean(1)
    if sort in ("nitrile", "surgical"):
        table = _COLOURS[sort]
        base = np.array(table[int(rng.integers(len(table)))]) * rng.uniform(0.85, 1.15)
        return base * (1 + 0.10 * waves)[:, None], float(rng.uniform(0.25, 0.5)), float(rng.uniform(0.8, 1.4))
    cloth = sample_cloth(rng)
    colour = cloth.paint(rest.astype(np.float32)).astype(np.float64)
    if sort == "work" or rng.random() < 0.4:  # palm and fingertips dipped in rubber
        dipped = np.array([rng.uniform(0.01, 0.5)] * 3) * rng.uniform(0.4, 1.0, 3)
        share = np.clip(masks["palm"] + masks["tip"] + masks["nail"], 0, 1)[:, None]
        colour = colour + np.round(share) * (dipped - colour)
    assert len(colour) == v
    return colour * (1 + 0.12 * waves)[:, None], float(rng.uniform(0.6, 0.95)), float(rng.uniform(0.1, 0.5))


def _cuff(rng, rest, sort: Sort, end: float, thick: float, colour: np.ndarray) -> Band | None:
    """A rolled edge on thin gloves, a knitted or wide cuff on the others."""
    model = HandModel.default()
    stub = model.faces[(model.behind[model.faces] > 0).any(1)]
    reach = rest[model.behind == 1.0][:, 0].mean()
    thin = sort in ("nitrile", "surgical")
    edge = np.unique(stub[model.behind[stub] == 0])
    first = float(rest[edge, 0].max()) + (0.002 if thin else 0.0125)  # the stub goes all around from there on
    at = float(np.clip(0.004 + end * reach, first, max(0.92 * reach, first)))
    if thin:
        profile = [(0.0012, -0.0004), (0.0012, thick + 0.0006), (-0.0012, thick + 0.0006), (-0.0012, thick * 0.8)]
    else:
        wide = min(rng.uniform(0.02, 0.045), 0.94 * reach - at + 0.012)
        flare = rng.uniform(0.0, 0.006) if sort == "work" else 0.0
        profile = [(wide - 0.012, -0.0004), (wide - 0.012, thick + 0.001 + flare), (0.3 * wide - 0.012, thick + 0.001),
                   (-0.012, thick + 0.0008), (-0.012, 0.0)]  # fmt: skip
    profile = [(min(s, 0.97 * reach - at), g) for s, g in profile]
    mean = colour[model.behind == 0].mean(0) * rng.uniform(0.8, 1.1)
    return band(
        rest, stub, np.ones(len(stub), bool), np.array([at, 0.0, 0.0]), np.array([1.0, 0, 0]), np.array([0.0, 1, 0]),
        profile[::-1], colour=mean.clip(0.01, 0.9), roughness=0.5 if thin else 0.85, specular=0.8 if thin else 0.3,
        part=GLOVE_PART, closed=False,
    )  # fmt: skip
