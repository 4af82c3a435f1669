"""The parametric hand: template, shape directions, forward kinematics and linear blend skinning.

    model = HandModel.default()                        # the right hand; .mirrored() is the left one
    shaped = model.shaped(shape)                       # HandModel -> ShapedHand: joints at rest, no pose yet
    posed = shaped.posed(rotations, translation)       # ShapedHand -> PosedHand: bone transforms
    posed.joints(), posed.skin()                       # 21 joints, vertices

Stages are types, so that a shaped hand is kept and posed many times, and nothing is skinned before it is posed.

Rest frame of the right hand: wrist joint at the origin, fingers towards -x, thumb side +z, palm towards -y (as MANO's).
Pose: 16 local rotations in MANO's tree order, the wrist's first; all identity is the flat hand. The wrist turns about
its own joint, translation is added afterwards: vertex = sum_b w_b (G_b A_b) [v; 1] + translation (Romero et al. 2017,
eq. 2-4; the default hand has no pose blend shapes, a MANO file's has: `HandModel.from_mano`). The same lines run on
NumPy arrays and on torch tensors, any leading batch axes, differentiable.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np

from palmar.errors import PalmarError
from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.hand.joints import BONE_OF_JOINT, MANO_PARENTS, ORDERS, POSE_OF_FINGER
from palmar.hand.mirror import SIGN_POINT, mirror_points, mirror_rotvecs

FOREARM = 16
"""Part label of the stub behind the wrist; 0 to 15 are the bones of MANO's tree."""

Array = Any
"""NumPy array or torch tensor; both kinds in, the same kind out."""


def _tensor(array: np.ndarray, like: Array) -> Array:
    """A constant of the model in the kind, dtype and device of `like`."""
    if isinstance(like, np.ndarray):
        return array.astype(like.dtype, copy=False)
    return like.new_tensor(array)


def _eye(like: Array, n: int) -> Array:
    return _tensor(np.eye(n), like)


@dataclass(frozen=True, eq=False)
class HandModel:
    """A hand of one side. V vertices, F faces, 10 shape directions, 16 bones and 4 optional palm bones."""

    template: np.ndarray
    """[V, 3] metres, rest frame, mean shape."""
    shape_directions: np.ndarray
    """[V, 3, 10] metres per standard deviation, ordered by variance."""
    faces: np.ndarray
    """[F, 3] int32, outward by the right-hand rule."""
    uv: np.ndarray
    """[T, 2] texture coordinates, 0 to 1."""
    face_uv: np.ndarray
    """[F, 3] int32 rows of `uv`."""
    weights: np.ndarray
    """[V, 16] skinning weights; the palm bones folded into the wrist."""
    palm_weights: np.ndarray
    """[V, 4] the part of the wrist's weight that the palm bones of index, middle, ring, little take when they are
    used."""
    joint_regressor: np.ndarray
    """[16, V] convex combinations of vertices that give the bones' heads."""
    palm_regressor: np.ndarray
    """[4, V] the same for the palm bones."""
    landmark_regressor: np.ndarray
    """[21, V] the same for the 21 joints in palmar's order; the tips lie at the finger ends."""
    hinge: np.ndarray
    """[16, 3] unit axis of flexion of each bone at rest."""
    along: np.ndarray
    """[16, 3] unit direction of each bone at rest."""
    behind: np.ndarray
    """[V] 0 on the hand, rising to 1 at the end of the forearm stub."""
    name: str = "palmar"
    side: int = 1
    """0 left, 1 right."""
    pose_directions: np.ndarray | None = None
    """[V, 3, 135] metres per entry of R - I of the 15 finger bones, row by row; None: no pose blend shapes."""
    mean_pose: np.ndarray | None = None
    """[15, 3] axis-angle that `rotations_from_pose` adds to the fingers; None: nothing, zero is the rest pose."""
    components: np.ndarray | None = None
    """[45, 45] principal directions of the fingers' axis-angles, one a row; None: the model has none."""
    tip_vertices: tuple[int, ...] = ()
    """Vertices that are the tips, thumb to little; empty: the tips ride rigidly on the last bones."""

    parents = MANO_PARENTS

    @staticmethod
    @functools.cache
    def default(side: int = 1) -> HandModel:
        """The hand in the package (CC0), baked by tools/bake_hand.py: right, or with side=0 its mirror image."""
        if side == 0:
            return HandModel.default(1).mirrored()
        folder = files("palmar.hand") / "assets"
        data = (folder / "hand.npz").read_bytes()
        card = json.loads((folder / "hand.json").read_text())
        if hashlib.sha256(data).hexdigest() != card["sha256"]:
            raise PalmarError(
                "palmar/hand/assets/hand.npz differs from its card: the installation is damaged, install palmar again."
            )
        with np.load(BytesIO(data), allow_pickle=False) as raw:
            a = {name: raw[name] for name in raw.files}
        v = len(a["template"])
        weights = np.zeros((v, 20))
        np.add.at(weights, (np.arange(v)[:, None], a["weight_bones"]), a["weights"].astype(np.float64))
        weights /= weights.sum(1, keepdims=True)
        regressor = np.zeros((41, v))
        regressor[a["regressor_rows"], a["regressor_columns"]] = a["regressor_values"]
        regressor /= regressor.sum(1, keepdims=True)
        folded = weights[:, :16].copy()
        folded[:, 0] += weights[:, 16:].sum(1)
        model = HandModel(
            template=a["template"].astype(np.float64),
            shape_directions=a["shape_directions"].astype(np.float64),
            faces=a["faces"],
            uv=a["uv"],
            face_uv=a["face_uv"],
            weights=folded,
            palm_weights=weights[:, 16:],
            joint_regressor=regressor[:16],
            palm_regressor=regressor[16:20],
            landmark_regressor=regressor[20:],
            hinge=a["hinge"].astype(np.float64),
            along=a["along"].astype(np.float64),
            behind=a["behind"].astype(np.float64),
        )
        return model.frozen()

    @staticmethod
    def from_mano(
        path: str | Path,
        *,
        side: int | None = None,
        rest: Literal["flat", "mean"] = "flat",
        tips: str = "smplx",
        left_shape: Literal["check", "keep", "flip"] = "check",
        right: str | Path | None = None,
    ) -> HandModel:
        """The hand of a MANO file (.pkl or .npz) that the caller holds a licence for: see `palmar.hand.mano`."""
        from palmar.hand.mano import from_mano

        return from_mano(path, side=side, rest=rest, tips=tips, left_shape=left_shape, right=right)

    def frozen(self) -> HandModel:
        """Itself, its arrays made read-only: models are shared."""
        for value in vars(self).values():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False
        return self

    def mirrored(self) -> HandModel:
        """The hand of the other side: x -> -x, faces turned so that they still look outwards."""
        pose_directions, components = self.pose_directions, self.components
        if pose_directions is not None:  # entry (a, b) of R - I changes sign as a point's components a and b do
            s = np.array(SIGN_POINT)
            entries = pose_directions.reshape(-1, 3, 15, 3, 3) * s[:, None, None, None] * s[:, None] * s
            pose_directions = entries.reshape(pose_directions.shape)
        if components is not None:
            components = mirror_rotvecs(components.reshape(-1, 15, 3)).reshape(components.shape)
        return replace(
            self,
            side=1 - self.side,
            pose_directions=pose_directions,
            mean_pose=None if self.mean_pose is None else mirror_rotvecs(self.mean_pose),
            components=components,
            template=mirror_points(self.template),
            shape_directions=self.shape_directions * np.array(SIGN_POINT)[:, None],
            faces=self.faces[:, ::-1].copy(),
            face_uv=self.face_uv[:, ::-1].copy(),
            hinge=-mirror_points(self.hinge),
            along=mirror_points(self.along),
        ).frozen()

    @functools.cached_property
    def parts(self) -> np.ndarray:
        """[V] uint8: the bone that moves each vertex most (MANO's tree), 16 for the forearm stub."""
        return np.where(self.behind > 0, FOREARM, self.weights.argmax(1)).astype(np.uint8)

    @functools.cached_property
    def _rest(self) -> tuple[np.ndarray, ...]:
        """Joints (16), palm bones (4), landmarks (21) of the template, and their shape directions [.., 3, 10]."""
        out: list[np.ndarray] = []
        for regressor in (self.joint_regressor, self.palm_regressor, self.landmark_regressor):
            out += [regressor @ self.template, np.einsum("jv,vck->jck", regressor, self.shape_directions)]
        return tuple(out)

    def shaped(self, shape: Array) -> ShapedHand:
        """The hand of one person or many: shape [..., k], k <= 10 standard deviations. Raises PalmarError for k >
        10."""
        k = shape.shape[-1]
        if k > 10:
            raise PalmarError(f"shape: at most 10 coefficients, got {k}.")
        rest = [_tensor(x, shape) for x in self._rest]
        joints, palm, landmarks = (
            base + (d[..., :k] @ shape[..., None, :, None])[..., 0]
            for base, d in zip(rest[::2], rest[1::2], strict=True)
        )
        return ShapedHand(self, shape, joints, palm, landmarks)

    def rotations_from_pose(self, pose: Array) -> Array:
        """Local rotations [..., 16, 3, 3] of axis-angles [..., 16, 3] or [..., 48], the mean pose added to the fingers.

        The wrist never gets a mean; nor do rotations given to `posed` as matrices.
        """
        if pose.shape[-1] == 48:
            pose = pose.reshape(*pose.shape[:-1], 16, 3)
        if pose.shape[-2:] != (16, 3):
            raise PalmarError(f"pose: expected shape (..., 16, 3) or (..., 48), got {tuple(pose.shape)}.")
        if self.mean_pose is not None:
            pose = pose + _tensor(np.concatenate([np.zeros((1, 3)), self.mean_pose]), pose)
        return rotmat_from_rotvec(pose)

    def rotations_from_components(self, wrist: Array, coefficients: Array) -> Array:
        """Local rotations [..., 16, 3, 3] of the wrist's axis-angle [..., 3] and n <= 45 coefficients [..., n] of the
        principal directions, the mean pose added. 45 coefficients are coefficients too, not axis-angles."""
        n = coefficients.shape[-1]
        if self.components is None:
            raise PalmarError(f"the hand model {self.name!r} has no principal directions of pose: give axis-angles.")
        if n > len(self.components):
            raise PalmarError(f"coefficients: at most {len(self.components)}, got {n}.")
        fingers = coefficients @ _tensor(self.components[:n], coefficients)
        cat = np.concatenate if isinstance(wrist, np.ndarray) else _torch_cat
        return self.rotations_from_pose(cat([wrist, fingers], -1))

    def rotations_from_angles(self, angles: Array) -> Array:
        """Local rotations [..., 16, 3, 3], the wrist's identity, of anatomical angles [..., 5, 3, 3] in radians.

        Fingers thumb to little, joints proximal to distal, then (flexion, abduction, twist). Flexion > 0 bends towards
        the palm; abduction > 0 leads away from the middle finger (the middle itself: to the thumb side), for the
        thumb's CMC away from the palm's plane; twist > 0 turns about the bone, the thumb's pulp towards the fingers. R
        = abduction flexion twist.
        """
        flex, spread, twist = (_tensor(axis, angles) for axis in self._angle_axes)
        each = (rotmat_from_rotvec(axis * angles[..., i, None]) for i, axis in ((1, spread), (0, flex), (2, twist)))
        a, f, t = each
        by_finger = (a @ f @ t).reshape(*angles.shape[:-3], 15, 3, 3)
        order = np.argsort([row for rows in POSE_OF_FINGER for row in rows])
        wrist = by_finger[..., :1, :, :] * 0 + _eye(angles, 3)
        pick = by_finger[..., order.tolist(), :, :]
        if isinstance(angles, np.ndarray):
            return np.concatenate([wrist, pick], -3)
        return _torch_cat([wrist, pick], -3)

    @functools.cached_property
    def _angle_axes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Axes [5, 3, 3] of flexion, abduction, twist."""
        rows = np.array(POSE_OF_FINGER)
        along, flex = self.along[rows], self.hinge[rows]
        flex = flex - np.sum(flex * along, -1, keepdims=True) * along
        flex = flex / np.linalg.norm(flex, axis=-1, keepdims=True)
        sign = 1.0 if self.side == 1 else -1.0
        dorsal = np.cross(flex, along) * -sign  # out of the back of each bone
        spread = dorsal * np.array([1.0, 1.0, 1.0, -1.0, -1.0])[:, None, None]
        palm = np.array([0.0, -1.0, 0.0])
        spread[0] = np.cross(along[0], palm)
        spread = spread / np.linalg.norm(spread, axis=-1, keepdims=True)
        twist = along.copy() * sign
        twist[0] *= -1.0
        return flex, spread, twist


def _torch_cat(parts, axis):
    import torch

    return torch.cat(parts, axis)


@dataclass(frozen=True, eq=False)
class ShapedHand:
    """A person's hand at rest. Joints [..., 16, 3], palm bones [..., 4, 3], landmarks [..., 21, 3], metres, rest
    frame."""

    model: HandModel
    shape: Array
    rest_joints: Array
    rest_palm: Array
    rest_landmarks: Array

    def vertices(self, rows: Sequence[int] | np.ndarray | None = None) -> Array:
        """[..., V, 3] at rest, or only those of `rows`."""
        k, pick = self.shape.shape[-1], slice(None) if rows is None else list(rows)
        directions = _tensor(self.model.shape_directions[pick, :, :k].reshape(-1, k), self.shape)
        moved = self.shape @ directions.T
        template = _tensor(self.model.template[pick], self.shape)
        return template + moved.reshape(*self.shape.shape[:-1], len(template), 3)

    def posed(self, rotations: Array, translation: Array | None = None, palm: Array | None = None) -> PosedHand:
        """Bones turned by local rotations [..., 16, 3, 3], wrist first; `palm` [..., 4, 3, 3] turns the palm bones
        too."""
        if palm is not None and not self.model.palm_regressor.any():
            raise PalmarError(f"the hand model {self.model.name!r} has no palm bones: leave `palm` out.")
        joints = self.rest_joints
        world_r: list[Array] = []
        world_t: list[Array] = []
        palm_of = {1: 0, 4: 1, 10: 2, 7: 3}  # first bone of index, middle, ring, little -> palm bone
        palm_r: list[Array] = []
        palm_t: list[Array] = []
        for j, parent in enumerate(MANO_PARENTS):
            if parent < 0:
                world_r.append(rotations[..., 0, :, :])
                world_t.append(joints[..., 0, :] + 0 * rotations[..., 0, :, 0])
                if palm is not None:
                    for b in range(4):
                        palm_r.append(world_r[0] @ palm[..., b, :, :])
                        palm_t.append(
                            world_t[0]
                            + (world_r[0] @ (self.rest_palm[..., b, :] - joints[..., 0, :])[..., None])[..., 0]
                        )
                continue
            up_r, up_t, up_rest = world_r[parent], world_t[parent], joints[..., parent, :]
            if palm is not None and j in palm_of:
                b = palm_of[j]
                up_r, up_t, up_rest = palm_r[b], palm_t[b], self.rest_palm[..., b, :]
            world_r.append(up_r @ rotations[..., j, :, :])
            world_t.append(up_t + (up_r @ (joints[..., j, :] - up_rest)[..., None])[..., 0])
        stack = np.stack if isinstance(world_r[0], np.ndarray) else _torch_stack
        turn, place = stack(world_r, -3), stack(world_t, -2)
        if translation is not None:
            place = place + translation[..., None, :]
            palm_t = [t + translation for t in palm_t]
        palm_frames = (stack(palm_r, -3), stack(palm_t, -2)) if palm is not None else None
        return PosedHand(self, turn, place, palm_frames, rotations)


def _torch_stack(parts, axis):
    import torch

    return torch.stack(parts, axis)


@dataclass(frozen=True, eq=False)
class PosedHand:
    """Bone frames of a hand: rotations [..., 16, 3, 3] and origins [..., 16, 3] (the FK joints) in the target frame."""

    shaped: ShapedHand
    bone_rotations: Array
    bone_origins: Array
    palm_frames: tuple[Array, Array] | None = None
    rotations: Array | None = None
    """[..., 16, 3, 3] the local rotations it was posed by; what pose blend shapes depend on."""

    def joints(self, source: Literal["bones", "surface"] = "bones") -> Array:
        """The 21 joints [..., 21, 3] in palmar's order.

        "bones": bone heads by forward kinematics; tips and landmarks ride on their bones, or the tips are vertices
        where the model says so. "surface": the regressors applied to the posed vertices. A bent hand's differ.
        """
        model = self.shaped.model
        if source == "surface":
            vertices = self.skin()
            return _tensor(model.landmark_regressor, vertices) @ vertices
        if model.tip_vertices:
            cat = np.concatenate if isinstance(self.bone_origins, np.ndarray) else _torch_cat
            both = cat([self.bone_origins, self.skin(model.tip_vertices)], -2)
            return both[..., list(ORDERS["mano"].to_palmar), :]
        bone = list(BONE_OF_JOINT)
        offset = self.shaped.rest_landmarks - self.shaped.rest_joints[..., bone, :]
        return self.bone_origins[..., bone, :] + (self.bone_rotations[..., bone, :, :] @ offset[..., None])[..., 0]

    def skin(self, rows: Sequence[int] | np.ndarray | None = None) -> Array:
        """Vertices [..., V, 3] by linear blend skinning, or only those of `rows`."""
        shaped, model = self.shaped, self.shaped.model
        pick = slice(None) if rows is None else list(rows)
        weights = model.weights[pick]
        turn, place = (
            self.bone_rotations,
            self.bone_origins - (self.bone_rotations @ shaped.rest_joints[..., None])[..., 0],
        )
        if self.palm_frames is not None:
            palm_r, palm_o = self.palm_frames
            palm_w = model.palm_weights[pick]
            weights = np.concatenate([weights, palm_w], 1)
            weights[:, 0] -= palm_w.sum(1)
            palm_t = palm_o - (palm_r @ shaped.rest_palm[..., None])[..., 0]
            cat = np.concatenate if isinstance(turn, np.ndarray) else _torch_cat
            turn, place = cat([turn, palm_r], -3), cat([place, palm_t], -2)
        w = _tensor(weights, turn)
        lead, bones = turn.shape[:-3], turn.shape[-3]
        rest = shaped.vertices(rows)
        if model.pose_directions is not None and self.rotations is not None:
            bent = (self.rotations[..., 1:, :, :] - _eye(turn, 3)).reshape(*self.rotations.shape[:-3], 135)
            directions = _tensor(model.pose_directions[pick].reshape(-1, 135), turn)
            rest = rest + (bent @ directions.T).reshape(*bent.shape[:-1], len(w), 3)
        blended_r = (w @ turn.reshape(*lead, bones, 9)).reshape(*lead, len(w), 3, 3)
        return (blended_r @ rest[..., None])[..., 0] + w @ place
