"""Hands that touch each other or a face: brought to contact and out of each other, measured on the meshes themselves.

    touched = settle(hands, grips, pulls)                 # grips that touch where `pulls` say and go nowhere too deep

`settle` linearises the distances of `palmar.synth.people.surface` in the joints' angles and the wrists' poses and takes
damped steps towards: contact where asked, no vertex deeper than `GIVES`, fingers of one hand out of each other, angles
inside their limits, and everything else as near to the given grips as can be. (Gauss-Newton; as in physics engines'
position-based contact, with joints in place of particles.)
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int32
from scipy.spatial import cKDTree

from palmar.errors import PalmarError
from palmar.geometry.rotations import rotmat_from_rotvec, rotvec_from_rotmat
from palmar.hand import HandModel, limits
from palmar.hand.joints import MANO_PARENTS, POSE_OF_FINGER
from palmar.render import vertex_normals
from palmar.synth.anatomy import surface_masks
from palmar.synth.people.hands import Grip, OwnHand
from palmar.synth.people.surface import Surface

GIVES = 0.0006
"""Metres that skin gives where it is pressed: vertices may be as deep without being pushed back."""
TOUCHING = 0.003
"""Metres from the other surface at which a vertex counts as in contact: the meshes' spacing."""


# ------------------------------------------------------------------------------------------------------- patches


@functools.cache
def patches() -> dict[str, Int32[np.ndarray, " n"]]:
    """Vertices of the right hand's named places: "palm", "back", "hollow" (the palm's middle), and for each finger
    "index tip", "index pad", "index finger" (its palmar side), "index back", "index side" and "index base"."""
    model = HandModel.default()
    masks = surface_masks(model)
    rest = model.shaped(np.zeros(10))
    v, joints = rest.vertices(), rest.rest_joints
    main = model.weights.argmax(1)
    on_hand = model.behind == 0
    out: dict[str, np.ndarray] = {}
    palm = (main == 0) & (masks["palm"] > 0.6) & on_hand
    out["palm"] = palm
    out["back"] = (main == 0) & (masks["back"] > 0.8) & on_hand & (v[:, 0] < 0.35 * joints[4, 0])
    middle = joints[[1, 4, 7, 10]].mean(0) * 0.62
    out["hollow"] = palm & (np.linalg.norm((v - middle)[:, [0, 2]], axis=1) < 0.018)
    normals = vertex_normals(v.astype(np.float32), model.faces)
    for finger, name in enumerate(("thumb", "index", "middle", "ring", "little")):
        rows = POSE_OF_FINGER[finger]
        last = rows[2]
        own = model.weights[:, last] > 0.6
        along = (v - joints[last]) @ model.along[last]
        longest = along[own].max()
        out[f"{name} tip"] = own & (along > 0.80 * longest)
        out[f"{name} pad"] = own & (along > 0.35 * longest) & (along < 0.95 * longest) & (masks["back"] < 0.3)
        whole = np.isin(main, rows)
        out[f"{name} finger"] = whole & (masks["back"] < 0.25)
        out[f"{name} back"] = whole & (masks["back"] > 0.85)
        out[f"{name} base"] = (main == rows[0]) & (masks["back"] < 0.25)
        out[f"{name} side"] = whole & (np.abs(normals[:, 2]) > 0.75)
        out[f"{name} knuckle"] = (main == rows[1]) & (masks["back"] > 0.7)
    return {name: np.flatnonzero(mask).astype(np.int32) for name, mask in out.items()}


@dataclass(frozen=True, eq=False)
class Pull:
    """That a place of one hand touches a place of another surface."""

    hand: int
    """Index into the hands that `settle` gets."""
    here: str
    """A name of `patches`."""
    there: Int32[np.ndarray, " n"] | None = None
    """Vertices of the other surface of which the nearest is meant; None for any."""
    other: int = -1
    """Index of the other hand, or -1 for the fixed surface."""
    count: int = 4
    """How many vertices of the place touch: the nearest ones."""
    weight: float = 1.0


@dataclass(frozen=True, eq=False)
class Touched:
    """What `settle` found."""

    grips: tuple[Grip, ...]
    """With `contact`."""
    deepest: float
    """Metres by which any vertex of one lies in another."""
    farthest: float
    """Metres that the farthest pull is away from touching."""
    overlap: float
    """Metres by which fingers of one hand lie in each other beyond what they may (see `palmar.synth.collision`)."""


_DOF = tuple(
    [(0, 0, 0), (0, 0, 1), (0, 0, 2), (0, 1, 0), (0, 2, 0)]
    + [(f, j, m) for f in range(1, 5) for j, m in ((0, 0), (0, 1), (1, 0), (2, 0))]
)
"""Angles that move: finger, joint, motion."""
_SD = np.array(
    [np.radians({(0, 0): 14.0, (0, 1): 6.0, (0, 2): 4.0, (1, 0): 16.0, (2, 0): 14.0}[(j, m)]) for _, j, m in _DOF]
    + [0.20] * 3
    + [0.02] * 3
)
"""How far each may go from where it was, one standard deviation: radians, then metres of the wrist."""


_FINGER, _JOINT, _MOTION = (np.array(column) for column in zip(*_DOF, strict=True))
_BONE = np.array([POSE_OF_FINGER[f][j] for f, j, _ in _DOF])
_ABOVE = np.array([MANO_PARENTS[b] for b in _BONE])


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[..., [1, 2, 0]] * b[..., [2, 0, 1]] - a[..., [2, 0, 1]] * b[..., [1, 2, 0]]


@functools.cache
def _subtrees() -> Float[np.ndarray, "16 16"]:
    """Whether bone b hangs on joint j (rows)."""
    out = np.eye(16)
    for b in range(16):
        up = MANO_PARENTS[b]
        while up >= 0:
            out[up, b] = 1.0
            up = MANO_PARENTS[up]
    return out


class _State:
    """One hand on the way: its surface, and how every vertex moves with every degree of freedom."""

    def __init__(self, hand: OwnHand, grip: Grip, moves: bool) -> None:
        self.hand, self.grip, self.moves = hand, grip, moves
        self.start = grip
        model = hand.shaped.model
        self.faces = model.faces if hand.side == 1 else np.ascontiguousarray(model.faces[:, ::-1])
        self.drift = np.zeros(len(_DOF) + 6)
        self.refresh()

    def refresh(self) -> None:
        self.__dict__.pop("_axes", None)
        self.local = self.hand.local(self.grip.angles)
        self.skin = self.hand.to_world(self.grip, self.local.vertices)
        self.surface = Surface.of(self.skin, self.faces)

    def jacobian(self, rows: np.ndarray, weights: np.ndarray) -> Float[np.ndarray, "n d 3"]:
        """Of points that are combinations [n, k] of vertices `rows` [n, k], by the degrees of freedom; world frame."""
        model = self.hand.shaped.model
        shares = np.einsum("nk,nkb->nb", weights, model.weights[rows]) @ _subtrees().T  # of each joint's subtree
        local = np.einsum("nk,nki->ni", weights, self.local.vertices[rows])
        arms = local[:, None] - self.local.origins[_BONE]
        out = np.zeros((len(rows), len(_DOF) + 6, 3))
        world = self.hand.world_from_local(self.grip)
        out[:, : len(_DOF)] = (shares[:, _BONE, None] * _cross(self._axes, arms)) @ world.T
        points = self.hand.to_world(self.grip, local) - self.grip.wrist
        out[:, len(_DOF) : len(_DOF) + 3] = _cross(np.eye(3), points[:, None])
        out[:, len(_DOF) + 3 :] = np.eye(3)
        return out

    @functools.cached_property
    def _axes(self) -> Float[np.ndarray, "d 3"]:
        """Axis of each angle in the posed hand's rest frame."""
        flex, spread, twist = _angle_axes(self.hand.shaped.model)
        angles = self.grip.angles
        a = rotmat_from_rotvec(spread * angles[..., 1:2])
        f = rotmat_from_rotvec(flex * angles[..., 0:1])
        # rotation = abduction flexion twist: what stands left of an angle's factor turns its axis
        turned = np.stack([(a @ flex[..., None])[..., 0], spread, (a @ f @ twist[..., None])[..., 0]], 2)
        above = self.local.bones[_ABOVE]
        return (above @ turned[_FINGER, _JOINT, _MOTION][..., None])[..., 0]

    def moved(self, step: Float[np.ndarray, " d"]) -> Grip:
        angles = self.grip.angles.copy()
        for d, where in enumerate(_DOF):
            angles[where] += step[d]
        turn = rotmat_from_rotvec(step[len(_DOF) : len(_DOF) + 3])
        return Grip(
            limits.clip(angles, lax=True), turn @ self.grip.world_from_hand, self.grip.wrist + step[len(_DOF) + 3 :]
        )

    def off_start(self) -> Float[np.ndarray, " d"]:
        """How far the grip is from the one it began with."""
        angles = [self.grip.angles[w] - self.start.angles[w] for w in _DOF]
        turn = rotvec_from_rotmat(self.grip.world_from_hand @ self.start.world_from_hand.T)
        return np.concatenate([angles, turn, self.grip.wrist - self.start.wrist])

    def squeezed(self) -> tuple[np.ndarray, np.ndarray]:
        """Overlaps of the hand's own capsules beyond their slack [p], the worst ones, and their slopes [p, d]."""
        body = self.hand.body
        base = _own_overlaps(body, self.grip.angles)
        rows = np.flatnonzero(base > -0.0005)
        slopes = np.zeros((len(rows), len(_DOF) + 6))
        if len(rows):
            for d, where in enumerate(_DOF):
                angles = self.grip.angles.copy()
                angles[where] += 1e-4
                slopes[:, d] = (_own_overlaps(body, angles)[rows] - base[rows]) / 1e-4
        return base[rows], slopes


def _own_overlaps(body, angles: np.ndarray) -> np.ndarray:
    return body.overlaps(angles)


@functools.cache
def _angle_axes(model: HandModel) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Axes [5, 3, 3] of flexion, abduction and twist, read off the model's rotations by a quarter turn each."""
    found = np.zeros((3, 5, 3, 3))
    for finger in range(5):
        for joint in range(3):
            for motion in range(3):
                angles = np.zeros((5, 3, 3))
                angles[finger, joint, motion] = np.pi / 2
                found[motion, finger, joint] = rotvec_from_rotmat(
                    model.rotations_from_angles(angles)[POSE_OF_FINGER[finger][joint]]
                ) / (np.pi / 2)
    return found[0], found[1], found[2]


def settle(
    hands: Sequence[OwnHand],
    grips: Sequence[Grip],
    pulls: Sequence[Pull],
    *,
    fixed: Surface | None = None,
    moving: Bool[np.ndarray, " h"] | None = None,
    rounds: int = 28,
    stiff: float = 1.0,
) -> Touched:
    """The grips brought to touch. One or two hands, and a surface that does not move (a head) or none.

    moving: which hands may be changed; all where not given. stiff: how much the given grips are kept, over the usual.
    The result need not touch everywhere: look at `deepest` and `farthest`. Raises PalmarError for a pull between things
    that are not there.
    """
    for pull in pulls:
        if not 0 <= pull.hand < len(hands) or pull.other >= len(hands) or (pull.other < 0 and fixed is None):
            raise PalmarError(f"settle: a pull of hand {pull.hand} to {pull.other} among {len(hands)} hands.")
    free = np.ones(len(hands), bool) if moving is None else moving
    states = [_State(h, g, bool(m)) for h, g, m in zip(hands, grips, free, strict=True)]
    width = len(_DOF) + 6
    best: tuple[float, list[Grip]] | None = None
    for turn in range(rounds):
        late = turn / max(rounds - 1, 1)
        rows_j, rows_r = [], []
        deepest = farthest = 0.0
        for a, b in _pairs_of(states, fixed):
            deepest = max(deepest, _push(states, a, b, fixed, rows_j, rows_r, 3.0 + 5.0 * late))
        for pull in pulls:
            farthest = max(farthest, _pull(states, pull, fixed, rows_j, rows_r, 1.0 - 0.8 * late))
        squeeze = 0.0
        for k, state in enumerate(states):
            if not state.moves:
                continue
            over, slopes = state.squeezed()
            squeeze = max(squeeze, float(over.max(initial=0.0)))
            block = np.zeros((len(over), width * len(states)))
            block[:, k * width : (k + 1) * width] = slopes
            active = over > -0.0002
            rows_j.append(-block[active] / 0.0005)
            rows_r.append((over[active] + 0.0002) / 0.0005)
        score = max(deepest - 0.0012, 0.0) * 4 + max(farthest - 0.0008, 0.0) + 2 * max(squeeze - 0.0003, 0.0)
        if best is None or score < best[0]:
            best = (score, [s.grip for s in states])
        if turn == rounds - 1 or (score == 0.0 and turn > 3):
            break
        soft = stiff * (0.02 + 0.15 * (1 - late))
        off = np.concatenate([s.off_start() for s in states])
        keep = soft / np.tile(_SD, len(states))
        jacobian = np.concatenate([*rows_j, np.diag(keep), np.diag(0.25 / np.tile(_SD, len(states)))])
        target = np.concatenate([*rows_r, -keep * off, np.zeros(len(off))])
        fixed_columns = np.repeat([not s.moves for s in states], width)
        jacobian = jacobian[:, ~fixed_columns]
        step = np.zeros(len(off))
        normal = jacobian.T @ jacobian
        step[~fixed_columns] = np.linalg.solve(normal, jacobian.T @ target)
        most = np.abs(step / np.tile(_SD, len(states))).max()
        step *= min(1.0, 0.6 / max(most, 1e-9))
        for k, state in enumerate(states):
            if state.moves:
                state.grip = state.moved(step[k * width : (k + 1) * width])
                state.refresh()
    assert best is not None
    for state, grip in zip(states, best[1], strict=True):
        state.grip = grip
        state.refresh()
    return _verdict(states, pulls, fixed)


def _pairs_of(states: list[_State], fixed: Surface | None) -> list[tuple[int, int]]:
    pairs = [(0, 1), (1, 0)] if len(states) == 2 else []
    if fixed is not None:
        pairs += [(k, -1) for k in range(len(states))]
    return pairs


def _surface(states: list[_State], k: int, fixed: Surface | None) -> Surface:
    if k < 0:
        assert fixed is not None
        return fixed
    return states[k].surface


def _rows(states, a, rows, b, faces, bary, normals) -> np.ndarray:
    """Slope [n, d] of the distance of a's vertices to their closest points on b, along b's normals."""
    width = len(_DOF) + 6
    out = np.zeros((len(rows), width * len(states)))
    mine = states[a].jacobian(rows[:, None], np.ones((len(rows), 1)))
    out[:, a * width : (a + 1) * width] = np.einsum("ndi,ni->nd", mine, normals)
    if b >= 0:
        theirs = states[b].jacobian(states[b].faces[faces], bary)
        out[:, b * width : (b + 1) * width] = -np.einsum("ndi,ni->nd", theirs, normals)
    return out


def _push(states, a, b, fixed, rows_j, rows_r, weight) -> float:
    """Rows that push a's vertices out of b; returns how deep the deepest is."""
    surface = _surface(states, b, fixed)
    distance, face, bary = surface.distance(states[a].skin)
    inside = np.flatnonzero(distance < -GIVES)
    if not len(inside):
        return float(max(-distance.min(initial=0.0), 0.0))
    if len(inside) > 80:  # the deepest say enough
        inside = inside[np.argsort(distance[inside], kind="stable")[:80]]
    normals = np.einsum("nk,nki->ni", bary[inside], surface.normals[surface.faces[face[inside]]])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    rows_j.append(_rows(states, a, inside, b, face[inside], bary[inside], normals) * (weight / 0.002))
    rows_r.append((-GIVES * 0.5 - distance[inside]) * (weight / 0.002))
    return float(-distance.min())


def _pull(states, pull: Pull, fixed, rows_j, rows_r, strength=1.0) -> float:
    """Rows that bring a place to a surface; returns how far off it is."""
    here = patches()[pull.here]
    surface = _surface(states, pull.other, fixed)
    points = states[pull.hand].skin[here]
    if pull.there is None:
        away, nearest = surface.tree.query(points)
        target = nearest
    else:
        away, nearest = cKDTree(surface.vertices[pull.there]).query(points)
        target = pull.there[nearest]
    order = np.argsort(away, kind="stable")[: pull.count]
    rows, target = here[order], target[order]
    # plane of the target where near, the point itself where far
    normals = surface.normals[target]
    gap = states[pull.hand].skin[rows] - surface.vertices[target]
    along = np.sum(gap * normals, 1)
    width = len(_DOF) + 6
    mine = states[pull.hand].jacobian(rows[:, None], np.ones((len(rows), 1)))
    jacobian = np.zeros((len(rows), 3, width * len(states)))
    jacobian[:, :, pull.hand * width : (pull.hand + 1) * width] = mine.transpose(0, 2, 1)
    if pull.other >= 0:
        theirs = states[pull.other].jacobian(target[:, None], np.ones((len(target), 1)))
        jacobian[:, :, pull.other * width : (pull.other + 1) * width] -= theirs.transpose(0, 2, 1)
    flat = gap - along[:, None] * normals
    loose = np.maximum(1.0 - 0.003 / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-9), 0.0)
    wanted = -(along + GIVES * 0.5)[:, None] * normals - flat * loose
    scale = pull.weight * strength / 0.003
    rows_j.append(jacobian.reshape(-1, jacobian.shape[-1]) * scale)
    rows_r.append(wanted.reshape(-1) * scale)
    exact, _, _ = surface.distance(points)
    found = exact[np.isfinite(exact)] if pull.there is None else away - TOUCHING
    return float(max(found.min(), 0.0)) if len(found) else float(away.min())


def _verdict(states: list[_State], pulls: Sequence[Pull], fixed: Surface | None) -> Touched:
    deepest = 0.0
    contact = [np.zeros(len(s.skin)) for s in states]
    for a, b in _pairs_of(states, fixed):
        distance, _, _ = _surface(states, b, fixed).distance(states[a].skin)
        deepest = max(deepest, float(-distance.min(initial=0.0)))
        contact[a][distance < TOUCHING] = 1.0
    farthest = max((_pull(states, p, fixed, [], []) for p in pulls), default=0.0)
    overlap = max(float(max(_own_overlaps(s.hand.body, s.grip.angles).max(), 0.0)) for s in states)
    grips = tuple(replace(s.grip, contact=c) for s, c in zip(states, contact, strict=True))
    return Touched(grips, deepest, farthest, overlap)


def contacts(skins: Sequence[np.ndarray], hands: Sequence[OwnHand], fixed: Surface | None = None) -> list[np.ndarray]:
    """Per hand and vertex, 1 within `TOUCHING` of another hand or of `fixed`. skins: world vertices."""
    surfaces = []
    for skin, hand in zip(skins, hands, strict=True):
        faces = hand.shaped.model.faces
        surfaces.append(Surface.of(skin, faces if hand.side == 1 else np.ascontiguousarray(faces[:, ::-1])))
    out = []
    for a, skin in enumerate(skins):
        touched = np.zeros(len(skin))
        for b in [*(s for k, s in enumerate(surfaces) if k != a), *([fixed] if fixed is not None else [])]:
            distance, _, _ = b.distance(skin)
            touched[distance < TOUCHING] = 1.0
        out.append(touched)
    return out


def deepest_of(hands: Sequence[OwnHand], grips: Sequence[Grip]) -> float:
    """Metres by which any vertex of two hands lies in the other."""
    states = [_State(hand, grip, False) for hand, grip in zip(hands, grips, strict=True)]
    found = [states[b].surface.distance(states[a].skin)[0].min() for a, b in ((0, 1), (1, 0))]
    return max(-float(min(found)), 0.0)
