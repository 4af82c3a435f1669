"""A hand of one model as the hand of another: palmar's as MANO's, MANO's as palmar's, in one call.

    fitted = fit(HandModel.default().shaped(shape).posed(rotations, translation), mano)
    fitted.posed.skin(), fitted.shape, fitted.pose(), fitted.error        # error [...] metres, mean over the skin

The models agree on the tree and on the axes at rest, but not on where a joint lies in the flesh (a wrist can be 15 mm
elsewhere), nor on how the fingers lead at rest, nor on shape. What both mean by a hand is its skin. So the two are laid
over each other once, mean shapes at rest: by the bones' heads, then skin onto skin (closest points, again and again;
vertices slide on planes); from then on every vertex of the one knows its point on the other. A fit brings vertices to
their points by least squares (Levenberg and Marquardt), with bones turned as the other's bones where the skin leaves
it open, and a shape near the mean.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from palmar.errors import PalmarError
from palmar.geometry.align import procrustes
from palmar.geometry.rotations import rotmat_between, rotmat_from_rotvec, rotvec_from_rotmat
from palmar.geometry.sampling import farthest_points
from palmar.hand.joints import MANO_PARENTS, POSE_OF_FINGER, TIPS
from palmar.hand.model import HandModel, PosedHand

TURN_METRES = 0.001
"""What a radian between a bone and its counterpart weighs, in metres of root mean square distance of the skin."""
SHAPE_METRES = 0.00005
"""What a standard deviation of shape weighs."""
REACH = 0.008
"""Metres from the other skin at which a vertex has no counterpart: the rim of a wrist, a forearm."""
POINTS = 240
"""Vertices that a fit looks at, spread evenly."""

_TURN_BY_HEADS = 0.005  # heads leave twist open
_TURN_BY_PLANES = 0.001  # and so does the skin of a finger that may slide on itself
_STEP = 1e-5
_PALM = [0, 1, 4, 7, 10]  # heads of the wrist and of the fingers' first bones
_AT_ONCE = 8  # hands whose derivatives are held at one time

Residuals = Callable[[PosedHand, np.ndarray, Callable[[np.ndarray], np.ndarray]], np.ndarray]
"""Of hands and their shapes, and of a function that brings the hands' data to their axes: [..., r]."""


@dataclass(frozen=True, eq=False)
class Fit:
    """A hand of the wanted model, and how far its skin lies from the given hand's."""

    posed: PosedHand
    rotations: np.ndarray
    """[..., 16, 3, 3] local rotations that `posed` was made with."""
    translation: np.ndarray
    """[..., 3] metres."""
    shape: np.ndarray
    """[..., 10] standard deviations."""
    error: np.ndarray
    """[...] metres, mean distance of the vertices from their points on the given hand's skin."""

    def pose(self) -> np.ndarray:
        """[..., 48] axis-angles as the model's files hold them: its mean pose, if it has one, taken off."""
        vectors = rotvec_from_rotmat(self.rotations)
        mean = self.posed.shaped.model.mean_pose
        if mean is not None:
            vectors = vectors - np.concatenate([np.zeros((1, 3)), mean])
        return vectors.reshape(*vectors.shape[:-2], 48)


def fit(hand: PosedHand, model: HandModel, *, shape: np.ndarray | None = None, rounds: int = 25) -> Fit:
    """The hand of `model` that does what `hand` does, for any leading batch axes (NumPy).

    shape: [..., k] if the person's shape in that model is known, then it stays; None: it is sought for each hand by
    itself. rounds: steps at most. Raises PalmarError for hands of the other side and for tensors.
    """
    source = hand.shaped.model
    if source.side != model.side:
        raise PalmarError(f"the hand is a {_side(source)} one, the model a {_side(model)} one: take model.mirrored().")
    if not isinstance(hand.bone_rotations, np.ndarray):
        raise PalmarError("fit works on NumPy arrays: give a hand that was posed with them.")
    link = _overlay(source, model)
    skin = hand.skin()
    lead = np.broadcast_shapes(skin.shape[:-2], () if shape is None else shape.shape[:-1])
    n = int(np.prod(lead))
    points = np.broadcast_to(link.points(skin), (*lead, len(link.rows), 3)).reshape(n, len(link.rows), 3)
    turns = np.broadcast_to(hand.bone_rotations @ link.turns, (*lead, 16, 3, 3)).reshape(n, 16, 3, 3)
    known = None if shape is None else np.broadcast_to(shape, (*lead, shape.shape[-1])).reshape(n, shape.shape[-1])
    few = link.few

    def residuals(posed: PosedHand, shape: np.ndarray, of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        miss = (posed.skin(link.rows[few]) - of(points)[..., few, :]) / np.sqrt(len(few))
        return _with_priors(miss, posed, shape, of(turns), TURN_METRES, SHAPE_METRES)

    local = _local(turns)
    shapes = np.zeros((n, 10)) if known is None else known.astype(np.float64)
    start = (model.shaped(shapes).posed(local).skin(link.rows) - points).mean(-2)
    local, place, shapes = _solve(model, residuals, local, -start, shapes, known is None, rounds)
    local, place = local.reshape(*lead, 16, 3, 3), place.reshape(*lead, 3)
    shapes = shapes.reshape(*lead, shapes.shape[-1])
    posed = model.shaped(shapes).posed(local, place)
    off = posed.skin(link.rows) - points.reshape(*lead, len(link.rows), 3)
    return Fit(posed, local, place, shapes, np.asarray(np.linalg.norm(off, axis=-1).mean(-1)))


def _side(model: HandModel) -> str:
    return "right" if model.side == 1 else "left"


# Two models laid over each other --------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Link:
    """Vertices of one model and their points on the skin of another."""

    rows: np.ndarray  # [m] vertices of the wanted model that have a counterpart
    few: np.ndarray  # [POINTS] of them, evenly spread
    corners: np.ndarray  # [m, 3] vertices of the given model
    weights: np.ndarray  # [m, 3] of the corners
    facing: np.ndarray  # [m, 3] normals of the given skin at rest
    turns: np.ndarray  # [16, 3, 3] D: a bone of the wanted model turned by G D lies as the given one turned by G

    def points(self, skin: np.ndarray) -> np.ndarray:
        """[..., V, 3] vertices of the given model to [..., m, 3]."""
        return (skin[..., self.corners, :] * self.weights[..., None]).sum(-2)


@functools.lru_cache(maxsize=8)
def _overlay(source: HandModel, model: HandModel) -> _Link:
    """The wanted model on the given one, mean shapes, the given one at rest."""
    theirs = source.shaped(np.zeros(10)).posed(np.tile(np.eye(3), (1, 16, 1, 1)))
    skin, heads = theirs.skin()[0], _heads(theirs)
    local, shape, place = np.tile(np.eye(3), (1, 16, 1, 1)), np.zeros((1, 10)), np.zeros((1, 3))
    turns = _rest_turns(_heads(model.shaped(shape).posed(local))[0], heads[0])[None]

    def by_heads(posed: PosedHand, shape: np.ndarray, of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        miss = (_heads(posed) - of(heads)) / np.sqrt(21)
        return _with_priors(miss, posed, shape, of(turns), _TURN_BY_HEADS, 10 * SHAPE_METRES)

    local = _local(turns)
    place = (heads - _heads(model.shaped(shape).posed(local))).mean(1)
    local, place, shape = _solve(model, by_heads, local, place, shape, True, 20)
    hand = model.shaped(shape).posed(local, place)
    link = _closest(source, skin, model, hand, turns[0])
    before = np.inf
    for _ in range(10):
        local, place, shape = _solve(model, _by_planes(link, skin, turns), local, place, shape, True, 4)
        hand = model.shaped(shape).posed(local, place)
        link = _closest(source, skin, model, hand, hand.bone_rotations[0])
        apart = np.linalg.norm(link.points(skin) - hand.skin(link.rows)[0], axis=-1).mean()
        if apart > 0.95 * before:
            break
        before = apart
    return link


def _by_planes(link: _Link, skin: np.ndarray, turns: np.ndarray) -> Residuals:
    """Vertices to the planes of their points, so that they may slide on the skin, with a tenth of the way to the point
    itself."""
    rows, points, facing = link.rows[link.few], link.points(skin)[None, link.few], link.facing[None, link.few]

    def residuals(posed: PosedHand, shape: np.ndarray, of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        miss = posed.skin(rows) - of(points)
        off = np.concatenate([(miss * of(facing)).sum(-1, keepdims=True), 0.1 * miss], -1) / np.sqrt(len(rows))
        return _with_priors(off, posed, shape, of(turns), _TURN_BY_PLANES, SHAPE_METRES)

    return residuals


def _heads(posed: PosedHand) -> np.ndarray:
    """[..., 21, 3] the heads of the bones, in the tree's order, and the tips: nearer to the same in all models than the
    21 joints, which some models take from the skin."""
    return np.concatenate([posed.bone_origins, posed.joints()[..., list(TIPS), :]], -2)


def _closest(source: HandModel, skin: np.ndarray, model: HandModel, hand: PosedHand, turns: np.ndarray) -> _Link:
    """Each vertex's closest point on the other skin, among the triangles about the nearest vertices that face its
    way."""
    from scipy.spatial import KDTree  # half a second that nobody else shall wait for

    vertices = hand.skin()[0]
    faces = source.faces[(source.behind[source.faces] == 0).all(1)]
    a, b, c = (skin[faces[:, k]] for k in range(3))
    across = np.cross(b - a, c - a)
    across /= np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 1e-12)
    facing = _normals(vertices, model.faces)
    # the centres of the nearest triangles, a bit apart where they face another way: fingers lie side by side
    far = 0.01
    tree = KDTree(np.concatenate([(a + b + c) / 3, far * across], 1))
    near = np.asarray(tree.query(np.concatenate([vertices, far * facing], 1), k=min(12, len(faces)))[1])
    point, weight = _on_triangles(vertices[:, None], a[near], b[near], c[near])
    distance = np.linalg.norm(point - vertices[:, None], axis=-1)
    best = distance.argmin(1)
    each = np.arange(len(vertices))
    good = (distance[each, best] < REACH) & (model.behind == 0)
    good &= (facing * across[near[each, best]]).sum(-1) > 0.3
    rows = np.flatnonzero(good)
    if len(rows) < 21:
        raise PalmarError(f"the hand models {source.name!r} and {model.name!r} do not lie on each other.")
    few = farthest_points(vertices[rows], POINTS)
    found = near[rows, best[rows]]
    return _Link(rows, few, faces[found], weight[rows, best[rows]], across[found], turns)


def _normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    out, across = np.zeros_like(vertices), np.cross(b - a, c - a)
    for k in range(3):
        np.add.at(out, faces[:, k], across)
    return out / np.maximum(np.linalg.norm(out, axis=-1, keepdims=True), 1e-12)


def _on_triangles(p: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Closest points [..., 3] of triangles and their barycentric weights [..., 3]: the best of the inside and the three
    edges."""
    ab, ac, ap = b - a, c - a, p - a
    aa, ac_, cc = (ab * ab).sum(-1), (ab * ac).sum(-1), (ac * ac).sum(-1)
    d, e = (ab * ap).sum(-1), (ac * ap).sum(-1)
    det = np.maximum(aa * cc - ac_ * ac_, 1e-30)
    v, w = (cc * d - ac_ * e) / det, (aa * e - ac_ * d) / det
    tries = [np.stack([1 - v - w, v, w], -1)]
    for i, j, one, two in ((0, 1, a, b), (1, 2, b, c), (2, 0, c, a)):
        t = np.clip(((p - one) * (two - one)).sum(-1) / np.maximum(((two - one) ** 2).sum(-1), 1e-30), 0, 1)
        edge = np.zeros((*t.shape, 3))
        edge[..., i], edge[..., j] = 1 - t, t
        tries.append(edge)
    weights = np.stack(tries)
    corners = np.stack([a, b, c], -2)
    points = (weights[..., None] * corners).sum(-2)
    distance = np.linalg.norm(points - p, axis=-1)
    distance[0] = np.where((weights[0] >= 0).all(-1), distance[0], np.inf)
    best = distance.argmin(0)[None, ..., None]
    return np.take_along_axis(points, best, 0)[0], np.take_along_axis(weights, best, 0)[0]


def _rest_turns(mine: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """[16, 3, 3] D so that my bone turned by G D points where the other's bone points when turned by G: from the heads
    of both at rest."""

    def directions(heads: np.ndarray) -> np.ndarray:
        out = np.empty((15, 3))
        for finger, rows in enumerate(POSE_OF_FINGER):
            out[np.array(rows) - 1] = np.diff(heads[[*rows, 16 + finger]], axis=0)
        return out / np.linalg.norm(out, axis=-1, keepdims=True)

    palm = procrustes(mine[_PALM], theirs[_PALM]).rotation
    return np.concatenate([palm[None], rotmat_between(directions(mine), directions(theirs))])


# Least squares --------------------------------------------------------------------------------------------------------


def _local(turns: np.ndarray) -> np.ndarray:
    """Rotations of bones [n, 16, 3, 3] in the world to those from parent to bone."""
    parents = list(MANO_PARENTS[1:])
    return np.concatenate([turns[:, :1], np.swapaxes(turns[:, parents], -1, -2) @ turns[:, 1:]], 1)


def _with_priors(miss: np.ndarray, posed: PosedHand, shape: np.ndarray, turns: np.ndarray, turn: float,
                 spread: float) -> np.ndarray:  # fmt: skip
    """Residuals [..., r] of points, then of the bones' turns (2 sin of half the angle, root mean square of 16) and of
    shape."""
    off = (posed.bone_rotations - turns) / np.sqrt(2 * 16)
    lead = miss.shape[:-2]
    parts = miss.reshape(*lead, miss.shape[-2] * miss.shape[-1]), turn * off.reshape(*lead, 144), spread * shape
    return np.concatenate(parts, -1)


def _solve(model: HandModel, residuals: Residuals, local: np.ndarray, place: np.ndarray, shape: np.ndarray,
           free_shape: bool, rounds: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Rotations [n, 16, 3, 3], translation [n, 3] and shape [n, k] that make the residuals small, from a start."""
    local, place, shape = local.copy(), place.copy(), shape.copy()
    n, free = len(local), 51 + (shape.shape[-1] if free_shape else 0)
    steps = np.concatenate([np.eye(free), -np.eye(free)]) * _STEP

    def moved(local, place, shape, by):
        turn = rotmat_from_rotvec(by[..., :48].reshape(*by.shape[:-1], 16, 3))
        other = shape + by[..., 51:] if free_shape else shape + 0 * by[..., :1]
        return local @ turn, place + by[..., 48:51], other

    def at(state, of):
        return residuals(model.shaped(state[2]).posed(state[0], state[1]), state[2], of)

    for first in range(0, n, _AT_ONCE):
        going = np.arange(first, min(first + _AT_ONCE, n))
        now = at((local[going], place[going], shape[going]), lambda data, rows=going: data[rows])
        damping = np.full(len(going), 1e-3)
        for _ in range(rounds):
            state = local[going], place[going], shape[going]
            around = at(moved(*(x[:, None] for x in state), steps), lambda data, rows=going: data[rows, None])
            slope = (around[:, :free] - around[:, free:]) / (2 * _STEP)  # hands, free, residuals
            square = slope @ np.swapaxes(slope, -1, -2)
            diagonal = np.einsum("nii->ni", square)
            loaded = square + damping[:, None, None] * np.eye(free) * (diagonal[:, None] + 1e-15)
            by = -np.linalg.solve(loaded, slope @ now[..., None])[..., 0]
            tried = moved(*state, by)
            then = at(tried, lambda data, rows=going: data[rows])
            before, after = (now**2).sum(-1), (then**2).sum(-1)
            better = after < before
            for whole, part in zip((local, place, shape), tried, strict=True):
                whole[going[better]] = part[better]
            now[better] = then[better]
            damping = damping * np.where(better, 0.2, 10.0)
            on = ~(better & (before - after < 1e-5 * before)) & (before > 1e-20) & (damping < 1e4)
            going, now, damping = going[on], now[on], np.maximum(damping[on], 1e-9)
            if not len(going):
                break
    return local, place, shape
