"""The body behind the hands: a mesh of many builds, bent at sixteen joints, whose arms reach for given wrists.

    body = BodyModel.default().shaped(coefficients)       # one person's body at rest
    arm = body.reach(side, shoulder, wrist, world_from_hand, ...)
    vertices = body.posed(pose, cuffs)                     # world frame

Body frame: metres, origin between the hips, x to the person's left, y down, z to the back; so a body with the identity
for a pose stands in the world looking at a camera at the world's origin side (towards -z).

Hands are seen here as in `palmar.synth.scene`: right ones. A left hand's own points are reflected first: `local` is the
right hand's rest frame, and `world_from_local` of a left hand is a reflection (determinant -1).
"""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import dataclass
from importlib.resources import files
from io import BytesIO

import numpy as np
from jaxtyping import Float, Float32, Int32

from palmar.errors import PalmarError
from palmar.geometry.rotations import rotmat_between, rotmat_from_rotvec

BONES = (
    "pelvis", "waist", "chest", "upper chest", "neck", "head", "clavicle left", "clavicle right", "upper arm left",
    "upper arm right", "forearm left", "forearm right", "thigh left", "thigh right", "shin left", "shin right",
)  # fmt: skip
BONE = {name: k for k, name in enumerate(BONES)}
PARENTS = (-1, 0, 1, 2, 3, 4, 3, 3, 6, 7, 8, 9, 0, 0, 12, 13)
MASKS = ("lips", "eyelids", "ears", "eye_front", "eye_cavity", "head", "aureolae")
CLAVICLE, UPPER_ARM, FOREARM, THIGH, SHIN = (6, 7), (8, 9), (10, 11), (12, 13), (14, 15)
"""Bones of the left and of the right side."""
RING = 20
"""Vertices of the hand stub's end, and of each cuff."""
LONGEST = 0.985
"""Share of the stretched arm's length beyond which a wrist counts as out of reach."""
SHARPEST = np.radians(35.0)
"""Angle between upper arm and forearm of the fully bent elbow."""


@dataclass(frozen=True, eq=False)
class BodyModel:
    """The body of many persons: V vertices, the last 40 of them the cuffs that the hands' stubs fill, left first."""

    points: Float[np.ndarray, "p 3"]
    """Mean of vertices, 16 joints, and ends: wrists, ankles, eyes, left before right."""
    directions: Float[np.ndarray, "8 p 3"]
    """Metres per standard deviation."""
    faces: Int32[np.ndarray, "f 3"]
    weights: Float[np.ndarray, "v 16"]
    masks: dict[str, Float32[np.ndarray, " v"]]
    """By the names in `MASKS`, 0 to 1."""
    thumb_side: Float[np.ndarray, "2 3"]
    """Direction from wrist to thumb at rest, of the left and the right hand."""

    @staticmethod
    @functools.cache
    def default() -> BodyModel:
        """The body in the package (CC0), baked by tools/bake_body.py. Raises PalmarError where the file is damaged."""
        folder = files("palmar.synth.people") / "assets"
        data = (folder / "body.npz").read_bytes()
        card = json.loads((folder / "body.json").read_text())
        if hashlib.sha256(data).hexdigest() != card["sha256"]:
            raise PalmarError(
                "palmar/synth/people/assets/body.npz differs from its card: the installation is damaged, "
                "install palmar again."
            )
        with np.load(BytesIO(data), allow_pickle=False) as raw:
            a = {name: raw[name] for name in raw.files}
        v = a["weights"].shape[0]
        weights = np.zeros((v, len(BONES)))
        np.add.at(weights, (np.arange(v)[:, None], a["weight_bones"]), a["weights"].astype(np.float64))
        weights /= weights.sum(1, keepdims=True)
        return BodyModel(
            points=a["points"].astype(np.float64),
            directions=a["steps"].astype(np.float64) * a["step"].astype(np.float64)[:, None, None],
            faces=a["faces"].astype(np.int32),
            weights=weights,
            masks={
                name: (row / np.float32(255)).astype(np.float32) for name, row in zip(MASKS, a["masks"], strict=True)
            },
            thumb_side=a["thumb_side"].astype(np.float64),
        )

    def shaped(self, coefficients: Float[np.ndarray, " k"], scale: float = 1.0) -> ShapedBody:
        """One person's body: standard deviations of up to 8 directions, then all of it times `scale`.

        Raises PalmarError for more than 8.
        """
        k = len(coefficients)
        if k > len(self.directions):
            raise PalmarError(f"BodyModel.shaped: at most {len(self.directions)} coefficients, got {k}.")
        points = scale * (self.points + np.tensordot(coefficients, self.directions[:k], 1))
        v = len(self.weights)
        return ShapedBody(self, points[:v], points[v : v + 16], points[v + 16 :])


@dataclass(frozen=True, eq=False)
class Arm:
    """How one arm lies so that its wrist is where it should be. World frame."""

    shoulder: Float[np.ndarray, " 3"]
    elbow: Float[np.ndarray, " 3"]
    wrist: Float[np.ndarray, " 3"]
    hinge: Float[np.ndarray, " 3"]
    """Unit axis of the elbow."""
    bend: Float[np.ndarray, " 3"]
    """Rotation vector of the forearm against the hand, right hand's rest frame; its x is 0."""
    pronation: float
    """Radians from the thumb-up position, > 0 for the palm down; persons reach about 1.5 either way."""
    strain: float
    """What `reach` minimised: below 1 is comfortable, above 4 hardly possible."""


@dataclass(frozen=True, eq=False)
class BodyPose:
    """The body's posture. Rotation vectors in the body frame unless said otherwise."""

    world_from_body: Float[np.ndarray, "3 3"]
    place: Float[np.ndarray, " 3"]
    """World position of the point between the hips."""
    spine: Float[np.ndarray, " 3"]
    """Of the shoulders against the pelvis, shared by three joints."""
    head: Float[np.ndarray, " 3"]
    """Of the head against the shoulders, shared by neck and head."""
    thigh: float = 0.0
    """Radians of hip flexion: 0 stands, about 1.5 sits."""


@dataclass(frozen=True, eq=False)
class ShapedBody:
    """One person's body at rest, body frame."""

    model: BodyModel
    vertices: Float[np.ndarray, "v 3"]
    joints: Float[np.ndarray, "16 3"]
    ends: Float[np.ndarray, "6 3"]
    """Wrists, ankles, eyes; left before right."""

    @functools.cached_property
    def lengths(self) -> Float[np.ndarray, "2 2"]:
        """Of upper arm and forearm, per side."""
        s, e, w = self.joints[list(UPPER_ARM)], self.joints[list(FOREARM)], self.ends[:2]
        return np.stack([np.linalg.norm(e - s, axis=1), np.linalg.norm(w - e, axis=1)], 1)

    def body_from_local(self, side: int) -> Float[np.ndarray, "3 3"]:
        """Axes of the right hand's rest frame at the end of this forearm at rest: x to the elbow, z to the thumb's
        side, y out of the back of the hand."""
        x = _unit(self.joints[FOREARM[side]] - self.ends[side])
        thumb = self.model.thumb_side[side]
        z = _unit(thumb - thumb @ x * x)
        y = np.cross(z, x) if side == 1 else np.cross(x, z)
        return np.stack([x, y, z], 1)

    @functools.cached_property
    def along(self) -> Float[np.ndarray, "2 2 v"]:
        """Share of the way along upper arm and forearm of each side (first axis) that each vertex has."""
        out = np.zeros((2, 2, len(self.vertices)))
        for side in range(2):
            s, e, w = self.joints[UPPER_ARM[side]], self.joints[FOREARM[side]], self.ends[side]
            for k, (a, b) in enumerate(((s, e), (e, w))):
                out[side, k] = np.clip((self.vertices - a) @ (b - a) / np.sum((b - a) ** 2), 0.0, 1.0)
        return out

    def trunk(self, pose: BodyPose) -> tuple[Float[np.ndarray, "16 3 3"], Float[np.ndarray, "16 3"]]:
        """World rotation and place of every bone before the arms are moved: they hang as at rest."""
        third, half = rotmat_from_rotvec(pose.spine / 3), rotmat_from_rotvec(pose.head / 2)
        local = {1: third, 2: third, 3: third, 4: half, 5: half}
        if pose.thigh:
            hip = rotmat_from_rotvec(np.array([-pose.thigh, 0.0, 0.0]))
            local |= {12: hip, 13: hip, 14: hip.T, 15: hip.T}
        turn, place = np.zeros((16, 3, 3)), np.zeros((16, 3))
        for b, parent in enumerate(PARENTS):
            if parent < 0:
                turn[b], place[b] = pose.world_from_body, pose.place + pose.world_from_body @ self.joints[b]
                continue
            turn[b] = turn[parent] @ local.get(b, np.eye(3))
            place[b] = place[parent] + turn[parent] @ (self.joints[b] - self.joints[parent])
        return turn, place

    def shins(self, pose: BodyPose) -> tuple[Float[np.ndarray, "2 3 3"], Float[np.ndarray, "2 3"]]:
        """World rotations of both shins, and where the ankles are."""
        turn, place = self.trunk(pose)
        rows = list(SHIN)
        ankles = self.ends[2:4] - self.joints[rows]
        return turn[rows], place[rows] + np.einsum("sij,sj->si", turn[rows], ankles)

    def shrug(self, side: int, chest: Float[np.ndarray, "3 3"], root: Float[np.ndarray, " 3"], wrist: np.ndarray):
        """World rotation of the clavicle whose root stands at `root` as the hand goes to `wrist`: it follows a raised
        or a far hand by up to 20 degrees. Returns it and the shoulder's place."""
        bone = self.joints[UPPER_ARM[side]] - self.joints[CLAVICLE[side]]
        out, to = _unit(chest @ bone), wrist - root
        far = np.linalg.norm(to) / (self.lengths[side].sum() + np.linalg.norm(bone))
        axis = np.cross(out, _unit(to))
        share = 0.28 * np.clip((far - 0.35) / 0.5, 0.0, 1.0)
        turn = rotmat_from_rotvec(_shorter(share * axis, 0.35)) @ chest
        return turn, root + turn @ bone

    def reach(
        self,
        side: int,
        chest: Float[np.ndarray, "3 3"],
        shoulder: Float[np.ndarray, " 3"],
        wrist: Float[np.ndarray, " 3"],
        world_from_local: Float[np.ndarray, "3 3"],
    ) -> Arm:
        """The arm from `shoulder` whose wrist stands at `wrist` with its hand turned as given.

        chest: world_from_chest, of the trunk the arm hangs on. A wrist that is too far or too near is met as nearly as
        the elbow allows: check `Arm.wrist`. Of the elbow's circle of possible places (Korein 1985) that with the
        least strain is taken: of wrist, forearm rotation, elbow height, and elbow in the trunk.
        """
        upper, fore = self.lengths[side]
        to = wrist - shoulder
        distance = float(np.linalg.norm(to))
        axis = to / max(distance, 1e-9)
        least = np.sqrt(upper**2 + fore**2 - 2 * upper * fore * np.cos(SHARPEST))
        met = float(np.clip(distance, least, (upper + fore) * (1 - 1e-4)))
        if met != distance:
            wrist = shoulder + axis * met
        cosine = np.clip((upper**2 + met**2 - fore**2) / (2 * upper * met), -1.0, 1.0)
        radius = upper * np.sqrt(1 - cosine**2)
        middle = shoulder + axis * upper * cosine
        down = chest @ np.array([0.0, 1.0, 0.0])
        first = down - down @ axis * axis
        if np.linalg.norm(first) < 1e-3:
            first = chest @ np.array([0.0, 0.0, 1.0])
            first = first - first @ axis * axis
        first = _unit(first)
        second = np.cross(axis, first)

        angle = np.arange(_SWIVELS) * (2 * np.pi / _SWIVELS)
        strain = self._strain(
            side, chest, shoulder, wrist, world_from_local, axis, middle, radius, first, second, angle
        )
        best = int(strain[0].argmin())
        a, b, c = strain[0][best - 1], strain[0][best], strain[0][(best + 1) % _SWIVELS]
        curve = a - 2 * b + c
        shift = 0.5 * (a - c) / curve if curve > 1e-9 else 0.0  # vertex of the parabola: no jumps as a hand moves
        exact = angle[best : best + 1] + np.clip(shift, -0.5, 0.5) * (2 * np.pi / _SWIVELS)
        cost, bend, pronation, elbow, hinge = self._strain(
            side, chest, shoulder, wrist, world_from_local, axis, middle, radius, first, second, exact
        )
        return Arm(shoulder, elbow[0], wrist, hinge[0], bend[0], float(pronation[0]), float(cost[0]))

    def _strain(self, side, chest, shoulder, wrist, world_from_local, axis, middle, radius, first, second, angle):
        """Strain, bend, pronation, elbow and hinge for each angle of the swivel."""
        out = np.cos(angle)[:, None] * first + np.sin(angle)[:, None] * second
        elbow = middle + radius * out
        hinge = np.cross(out, axis)  # of the plane shoulder, elbow, wrist; never vanishes
        forearm = _unit(elbow - wrist)
        d = forearm @ world_from_local  # wrist to elbow as the hand sees it; at rest it is +x
        sine = np.hypot(d[:, 1], d[:, 2])
        theta = np.arctan2(sine, d[:, 0])
        ratio = np.where(sine > 1e-6, theta / np.maximum(sine, 1e-6), 1.0)
        bend = np.stack([np.zeros_like(sine), -d[:, 2] * ratio, d[:, 1] * ratio], 1)
        thumb = rotmat_from_rotvec(bend)[:, :, 2] @ world_from_local.T
        up = _unit(shoulder - elbow)
        up = _unit(up - np.sum(up * forearm, 1, keepdims=True) * forearm)  # thumb-up: in the elbow's plane
        side_of = np.cross(forearm, up) * (1.0 if side == 1 else -1.0)
        pronation = np.arctan2(np.sum(thumb * side_of, 1), np.sum(thumb * up, 1))
        local = (elbow - shoulder) @ chest
        outward = local[:, 0] * (1.0 if side == 0 else -1.0)
        scale = self.lengths[side, 0]
        strain = (
            (bend[:, 2] / 1.1) ** 2
            + (bend[:, 1] / 0.5) ** 2
            + (np.maximum(np.abs(pronation) - 0.9, 0.0) / 0.35) ** 2
            + 0.05 * pronation**2
            + 0.6 * (1.0 - local[:, 1] / scale) ** 2
            + (np.maximum(-0.15 - outward / scale, 0.0) / 0.25) ** 2
            + (np.maximum(local[:, 2] / scale - 0.45, 0.0) / 0.25) ** 2
        )
        return strain, bend, pronation, elbow, hinge

    def posed(
        self,
        pose: BodyPose,
        clavicles: Float[np.ndarray, "2 3 3"],
        arms: tuple[Arm, Arm],
        world_from_local: Float[np.ndarray, "2 3 3"],
        cuffs: Float[np.ndarray, "2 20 3"] | None = None,
    ) -> Float[np.ndarray, "v 3"]:
        """Vertices in the world. clavicles: world rotations. cuffs: world places of the hands' last rings; what is
        behind them follows. Both arms must start where the clavicles put the shoulders."""
        turn, place = self.trunk(pose)
        v = len(self.vertices)
        moved = np.zeros((v, 3))
        weights = self.model.weights
        limbs = {*UPPER_ARM, *FOREARM}
        for side in range(2):
            turn[CLAVICLE[side]] = clavicles[side]
        for b in range(16):
            if b in limbs:
                continue
            rows = np.flatnonzero(weights[:, b])
            moved[rows] += weights[rows, b, None] * ((self.vertices[rows] - self.joints[b]) @ turn[b].T + place[b])
        for side, arm in enumerate(arms):
            s, e, w = self.joints[UPPER_ARM[side]], self.joints[FOREARM[side]], self.ends[side]
            u0, a0 = _unit(e - s), _unit(w - e)
            n0 = _unit(np.cross(u0, a0))
            u, a = _unit(arm.elbow - arm.shoulder), _unit(arm.wrist - arm.elbow)
            # upper arm: the least swing from the trunk, and the rest as a twist that grows to the elbow
            trunk = turn[CLAVICLE[side]]
            swing = rotmat_between(trunk @ u0, u) @ trunk
            full = _frame(u, arm.hinge) @ _frame(u0, n0).T
            self._limb(
                moved, UPPER_ARM[side], swing, _twist(swing.T @ full, u0), s, u0, self.along[side, 0], arm.shoulder
            )
            # forearm: turned with the elbow at its start, with the hand at its end
            start = _frame(a, arm.hinge) @ _frame(a0, n0).T
            hand = world_from_local[side] @ rotmat_from_rotvec(arm.bend) @ self.body_from_local(side).T
            self._limb(moved, FOREARM[side], start, _twist(start.T @ hand, a0), e, a0, self.along[side, 1], arm.elbow)
        if cuffs is not None:
            moved[v - 2 * RING :] = cuffs.reshape(-1, 3)
        return moved

    def _limb(self, moved, bone, swing, twist, joint, axis, along, place) -> None:
        rows = np.flatnonzero(self.model.weights[:, bone])
        p = self.vertices[rows] - joint
        angle = (along[rows] * twist)[:, None]
        p = p * np.cos(angle) + np.cross(axis, p) * np.sin(angle) + axis * (p @ axis)[:, None] * (1 - np.cos(angle))
        moved[rows] += self.model.weights[rows, bone, None] * (p @ swing.T + place)


_SWIVELS = 48


def _unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def _shorter(x: np.ndarray, most: float) -> np.ndarray:
    return x * min(1.0, most / max(float(np.linalg.norm(x)), 1e-9))


def _frame(along: np.ndarray, hinge: np.ndarray) -> Float[np.ndarray, "3 3"]:
    """Columns: along a bone, the elbow's axis made square to it, and their product."""
    n = _unit(hinge - hinge @ along * along)
    return np.stack([along, n, np.cross(along, n)], 1)


def _twist(rotation: Float[np.ndarray, "3 3"], axis: Float[np.ndarray, " 3"]) -> float:
    """Radians by which a rotation that leaves `axis` where it is turns about it."""
    helper = np.eye(3)[np.abs(axis).argmin()]
    first = _unit(helper - helper @ axis * axis)
    turned = rotation @ first
    return float(np.arctan2(turned @ np.cross(axis, first), turned @ first))
