"""Rotations: matrices inside, 6D in networks, axis-angle on disk. Matrices act on columns.

What a network differentiates is one text for NumPy and PyTorch arrays, in the dtype it is given; the rest is SciPy's.
6D is the first two columns of the matrix, one after the other (Zhou et al., CVPR 2019).
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Float


def namespace(array: Any) -> ModuleType:
    """The package whose functions take this array: `torch` for its tensors, else `numpy`. Imports nothing."""
    return sys.modules["torch"] if type(array).__module__.partition(".")[0] == "torch" else np


def rotmat_from_rotvec(rotvec: Float[Any, "*b 3"]) -> Float[Any, "*b 3 3"]:
    """Axis times angle (radians) to matrix, Rodrigues' formula. Smooth, with its true derivative, at zero too."""
    xp = namespace(rotvec)
    x, y, z = rotvec[..., 0], rotvec[..., 1], rotvec[..., 2]
    t2 = x * x + y * y + z * z
    small = t2 < 1e-6                                          # there the next term of either series is below 1e-20
    safe = xp.where(small, xp.ones_like(t2), t2)               # keeps 0/0 out of the branch that is not taken
    t = xp.sqrt(safe)
    a = xp.where(small, 1 - t2 / 6 * (1 - t2 / 20), xp.sin(t) / t)
    b = xp.where(small, 0.5 - t2 / 24 * (1 - t2 / 30), 2 * (xp.sin(t / 2) / t) ** 2)
    entries = [1 - b * (y * y + z * z), b * x * y - a * z, b * x * z + a * y,
               b * x * y + a * z, 1 - b * (x * x + z * z), b * y * z - a * x,
               b * x * z - a * y, b * y * z + a * x, 1 - b * (x * x + y * y)]
    return xp.stack(entries, -1).reshape(*rotvec.shape[:-1], 3, 3)


def rotmat_from_sixd(sixd: Float[Any, "*b 6"]) -> Float[Any, "*b 3 3"]:
    """The rotation nearest by Gram-Schmidt: first column along sixd[:3], second in the plane it spans with sixd[3:].

    Not finite where the first three numbers are zero or the two vectors are parallel: no rotation is meant there.
    """
    xp = namespace(sixd)

    def unit(v: Any) -> Any:
        return v / xp.sqrt((v * v).sum(-1))[..., None]

    with np.errstate(invalid="ignore", divide="ignore"):
        a = unit(sixd[..., :3])
        c = sixd[..., 3:]
        b = unit(c - (a * c).sum(-1)[..., None] * a)
    cross = xp.stack([a[..., 1] * b[..., 2] - a[..., 2] * b[..., 1],
                      a[..., 2] * b[..., 0] - a[..., 0] * b[..., 2],
                      a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]], -1)
    return xp.stack([a, b, cross], -1)


def sixd_from_rotmat(rotmat: Float[Any, "*b 3 3"]) -> Float[Any, "*b 6"]:
    """The first two columns, one after the other."""
    return namespace(rotmat).stack([rotmat[..., 0], rotmat[..., 1]], -2).reshape(*rotmat.shape[:-2], 6)


def rotvec_from_rotmat(rotmat: Float[np.ndarray, "*b 3 3"]) -> Float[np.ndarray, "*b 3"]:
    """Axis times angle, the angle in [0, pi]. What is not quite a rotation is read as the nearest; NaN stays NaN."""
    from scipy.spatial.transform import Rotation  # here: it takes longer to import than all else

    flat = np.asarray(rotmat, np.float64).reshape(-1, 3, 3)
    good = np.isfinite(flat).all((-1, -2))
    out = np.full((len(flat), 3), np.nan)
    if good.any():
        u, _, vt = np.linalg.svd(flat[good])
        u[..., 2] *= np.sign(np.linalg.det(u) * np.linalg.det(vt))[:, None]
        out[good] = Rotation.from_matrix(u @ vt).as_rotvec()
    return out.reshape(*rotmat.shape[:-2], 3)


def rotmat_between(source: Float[np.ndarray, "*b 3"],
                   target: Float[np.ndarray, "*b 3"]) -> Float[np.ndarray, "*b 3 3"]:
    """The shortest rotation that turns one direction into the other; NaN for opposite or zero vectors."""
    with np.errstate(invalid="ignore"):
        a, b = (np.asarray(v, np.float64) / np.linalg.norm(v, axis=-1, keepdims=True) for v in (source, target))
    length = np.linalg.norm(a + b, axis=-1, keepdims=True)
    with np.errstate(invalid="ignore"):
        half = (a + b) / np.where(length > 1e-9, length, np.nan)
        first, second = (np.eye(3) - 2 * v[..., :, None] * v[..., None, :] for v in (a, half))
        return second @ first                                  # two reflections make the rotation


def angle_between(left: Float[np.ndarray, "*#b 3 3"],
                  right: Float[np.ndarray, "*#b 3 3"]) -> Float[np.ndarray, "*b"]:
    """The angle of the rotation from one to the other, radians in [0, pi]. Accurate near 0 and near pi."""
    turn = np.swapaxes(np.asarray(left, np.float64), -1, -2) @ right
    skew = turn - np.swapaxes(turn, -1, -2)
    sine = np.linalg.norm(skew, axis=(-2, -1)) / np.sqrt(2)    # both times two
    return np.asarray(np.arctan2(sine, np.trace(turn, axis1=-2, axis2=-1) - 1))
