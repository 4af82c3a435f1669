"""The pose and shape of bare geometry: inverse kinematics of a hand's skin, or of its 21 joints, in closed form.

    rotations, shape = pose_of_skin(skin, model)         # vertices of the model's own topology
    rotations, shape = pose_of_joints(joints, model)     # 21 points from anywhere

Each bone is turned by least squares (Umeyama 1991) onto where the skin has to be, were the other bones right; shape is
then linear least squares with those turns kept; and again. `fit` does the same for other models' skins, and
takes five times as long.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from palmar.errors import PalmarError
from palmar.geometry.rotations import rotmat_between
from palmar.hand.joints import MANO_PARENTS, POSE_OF_FINGER, TIPS
from palmar.hand.model import HandModel, PosedHand

SHAPE_METRES = 0.0001
"""What a standard deviation of shape weighs, in metres of root mean square distance."""
ROUNDS = 8
EVERY = 3
"""Of the vertices, every so many are enough."""
_PALM = (0, 1, 5, 9, 13, 17)

Rotations = Float[np.ndarray, "n 16 3 3"]


def pose_of_skin(
    skin: Float[np.ndarray, "n v 3"], model: HandModel, *, rounds: int = ROUNDS
) -> tuple[Rotations, Float[np.ndarray, "n 10"]]:
    """Local rotations and shape of hands from all their vertices, metres, any translation.

    Exact to what shape and pose can say: a hand of the model comes back. Raises PalmarError for another number of
    vertices than the model's.
    """
    if skin.ndim != 3 or skin.shape[1:] != model.template.shape:
        raise PalmarError(
            f"a skin of {model.name!r} has {len(model.template)} vertices, got an array of shape {tuple(skin.shape)}."
        )
    n, rows = len(skin), np.arange(0, len(model.template), EVERY)
    skin, shape = skin[:, rows].astype(np.float64), np.zeros((n, 10))
    weights = model.weights[rows]
    moved = None  # [n, b, v, 3] where each bone alone would bring the vertices
    for _ in range(rounds):
        rest = model.shaped(shape).vertices(rows)
        mine = _left_over(skin, moved, weights)
        turns, middles, at = _turned(rest, mine, weights**2)
        moved = (rest[:, None] - middles[:, :, None]) @ turns.swapaxes(-1, -2) + at[:, :, None]
        local = _local(turns)
        shape = _shape(model, local, skin, lambda hand: hand.skin(rows))
    return local, shape


def pose_of_joints(
    joints: Float[np.ndarray, "n 21 3"], model: HandModel, *, rounds: int = ROUNDS
) -> tuple[Rotations, Float[np.ndarray, "n 10"]]:
    """Local rotations and shape of hands from their 21 joints (palmar's order, metres, any translation).

    The wrist turns as the palm does; each finger's bone by the least turn that brings it along its two joints, so that
    it has no twist of its own, which points do not show. Joints of another hand model come back where the bones'
    lengths allow it.
    """
    joints, n = joints.astype(np.float64), len(joints)
    shape = np.zeros((n, 10))
    local = np.broadcast_to(np.eye(3), (n, 16, 3, 3))
    for _ in range(rounds):
        now = model.shaped(shape).posed(local)
        mine, turns = now.joints(), now.bone_rotations.copy()
        palm, _, _ = _turned(mine[:, _PALM], joints[:, _PALM][:, None], np.ones((len(_PALM), 1)))
        turns, mine = palm @ turns, mine @ palm[:, 0].swapaxes(-1, -2)
        for rows, tip in zip(POSE_OF_FINGER, TIPS, strict=True):
            for bone, joint in zip(rows, range(tip - 3, tip), strict=True):
                is_, to_be = (x[:, joint + 1] - x[:, joint] for x in (mine, joints))
                turns[:, bone] = rotmat_between(is_, to_be) @ turns[:, bone]
        local = _local(turns)
        shape = _shape(model, local, joints, lambda hand: hand.joints())
    return local, shape


def _left_over(skin: np.ndarray, moved: np.ndarray | None, weights: np.ndarray) -> np.ndarray:
    """[n, b, v, 3] where each bone would have to bring each vertex, were the other bones right."""
    if moved is None:
        return skin[:, None]
    blended = np.einsum("vb,nbvc->nvc", weights, moved)
    share = np.maximum(weights, 1e-3).T[None, :, :, None]
    return moved + (skin - blended)[:, None] / share * (share > 0.05)


def _turned(rest: np.ndarray, there: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The rotations [n, b, 3, 3] that bring points [n, v, 3] nearest to others [n, b or 1, v, 3] under weights [v, b],
    and the weighted middles [n, b, 3] of both."""
    w = weights / weights.sum(0)
    a = np.einsum("vb,nvc->nbc", w, rest)
    b = np.einsum("vb,nbvc->nbc", w, np.broadcast_to(there, (len(rest), w.shape[1], *there.shape[2:])))
    left = (there - b[:, :, None]) * w.T[None, :, :, None]
    u, _, vt = np.linalg.svd(left.swapaxes(-1, -2) @ (rest[:, None] - a[:, :, None]))
    u[..., -1] *= np.sign(np.linalg.det(u @ vt))[..., None]
    return u @ vt, a, b


def _local(turns: np.ndarray) -> np.ndarray:
    parents = list(MANO_PARENTS[1:])
    return np.concatenate([turns[:, :1], turns[:, parents].swapaxes(-1, -2) @ turns[:, 1:]], 1)


def _shape(model: HandModel, local: np.ndarray, points: np.ndarray,
           of: Callable[[PosedHand], np.ndarray]) -> np.ndarray:  # fmt: skip
    """[n, 10] the shape with which the turned hands' points `of` lie nearest to given ones [n, k, 3]."""
    each = np.concatenate([np.zeros((1, 10)), np.eye(10)])
    all_ = of(model.shaped(np.broadcast_to(each, (len(local), 11, 10))).posed(local[:, None]))  # [n, 11, k, 3]
    all_ = (all_ - all_.mean(-2, keepdims=True)).reshape(len(local), 11, -1)
    want = (points - points.mean(1, keepdims=True)).reshape(len(local), -1) - all_[:, 0]
    basis = (all_[:, 1:] - all_[:, :1]).swapaxes(1, 2)  # [n, 3 k, 10]
    ridge = points.shape[1] * SHAPE_METRES**2 * np.eye(10)
    back = basis.swapaxes(1, 2)
    return np.linalg.solve(back @ basis + ridge, back @ want[..., None])[..., 0]
