"""A batch of hands posed on the device: joints, skin, arms, sleeves, and whether fingers run into each other.

The formulas are those of `palmar.hand.HandModel`, `palmar.synth.anatomy` and `palmar.synth.collision` (each tested
against them), with their constants resident on the device and the fingers posed three at a time along their chains.
Frames: the right hand's rest frame, metres; the wrist's rotation is the identity here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.hand import HandModel
from palmar.hand.joints import BONE_OF_JOINT, POSE_OF_FINGER
from palmar.synth import collision
from palmar.synth.anatomy import RING, stub_ring

TUBE_RINGS = 6
"""Rings of an arm, and of a sleeve or band."""


def smoothstep(x: Float[Tensor, "*n"], low: float, high: float) -> Float[Tensor, "*n"]:
    t = ((x - low) / (high - low)).clamp(0.0, 1.0)
    return t * t * (3 - 2 * t)


@dataclass(frozen=True, eq=False)
class Posed:
    """Hands in their own frame."""

    bones: Float[Tensor, "b 16 3 3"]
    """Rotation of every bone in the hand's frame."""
    rotations: Float[Tensor, "b 16 3 3"]
    """The same, each in its parent's frame; the wrist's is the identity."""
    origins: Float[Tensor, "b 16 3"]
    joints: Float[Tensor, "b 21 3"]


@dataclass(frozen=True, eq=False)
class HandTensors:
    """The constants of one hand model on one device, float32."""

    template: Float[Tensor, "v 3"]
    directions: Float[Tensor, "10 w"]
    """Of the vertices, w = 3 v."""
    weights: Float[Tensor, "v 16"]
    joints: Float[Tensor, "16 3"]
    joint_directions: Float[Tensor, "10 48"]
    landmarks: Float[Tensor, "21 3"]
    landmark_directions: Float[Tensor, "10 63"]
    axes: Float[Tensor, "3 5 3 3"]
    """Of flexion, abduction and twist."""
    fingers: Int[Tensor, "5 3"]
    bone_of_joint: Int[Tensor, " 21"]
    ring: Int[Tensor, " 20"]
    behind: Float[Tensor, " v"]
    capsules: Float[Tensor, "19 7"]
    capsule_directions: Float[Tensor, "10 133"]
    pairs: Int[Tensor, "p 2"]
    gives_way: Float[Tensor, " p"]
    knuckle: float
    """Metres from the origin to the middle MCP of the mean hand."""

    @staticmethod
    def of(model: HandModel, device: torch.device) -> HandTensors:
        def put(array: np.ndarray) -> Tensor:
            array = np.array(array)
            return torch.from_numpy(array.astype(np.float32) if array.dtype.kind == "f" else array).to(device)

        def linear(regressor: np.ndarray) -> tuple[Tensor, Tensor]:
            moved = np.einsum("jv,vck->kjc", regressor, model.shape_directions)
            return put(regressor @ model.template), put(moved.reshape(10, -1))

        joints, landmarks = linear(model.joint_regressor), linear(model.landmark_regressor)
        capsules, change = collision._fit(model)
        return HandTensors(
            template=put(model.template),
            directions=put(np.moveaxis(model.shape_directions, -1, 0).reshape(10, -1)),
            weights=put(model.weights),
            joints=joints[0],
            joint_directions=joints[1],
            landmarks=landmarks[0],
            landmark_directions=landmarks[1],
            axes=put(np.stack(model._angle_axes)),
            fingers=put(np.array(POSE_OF_FINGER)),
            bone_of_joint=put(np.array(BONE_OF_JOINT)),
            ring=put(stub_ring(model).astype(np.int64)),
            behind=put(model.behind),
            capsules=put(capsules),
            capsule_directions=put(np.moveaxis(change, -1, 0).reshape(10, -1)),
            pairs=put(collision._PAIRS),
            gives_way=put(collision._GIVES_WAY),
            knuckle=float(np.linalg.norm(model.shaped(np.zeros(1)).rest_joints[4])),
        )

    def rest(self, shape: Float[Tensor, "b 10"]) -> Float[Tensor, "b v 3"]:
        """Vertices at rest."""
        return self.template + times(shape, self.directions).reshape(len(shape), -1, 3)

    def rest_joints(self, shape: Float[Tensor, "b 10"]) -> Float[Tensor, "b 16 3"]:
        return self.joints + times(shape, self.joint_directions).reshape(-1, 16, 3)

    def local_rotations(self, angles: Float[Tensor, "*b 5 3 3"]) -> Float[Tensor, "*b 5 3 3 3"]:
        """By finger and joint, of angles (flexion, abduction, twist): abduction flexion twist."""
        flexion, abduction, twist = (rotmat_from_rotvec(a * angles[..., i, None]) for i, a in enumerate(self.axes))
        return chain(chain(abduction, flexion), twist)

    def pose(self, shape: Float[Tensor, "b 10"], angles: Float[Tensor, "b 5 3 3"]) -> Posed:
        local = self.local_rotations(angles)
        rest = self.rest_joints(shape)
        joints = rest[:, self.fingers]  # b 5 3 3
        turn, place = [local[:, :, 0]], [joints[:, :, 0]]
        for k in (1, 2):
            place.append(place[-1] + along(turn[-1], joints[:, :, k] - joints[:, :, k - 1]))
            turn.append(chain(turn[-1], local[:, :, k]))
        b = len(shape)
        eye = torch.eye(3, device=shape.device).expand(b, 16, 3, 3)
        rows = self.fingers.reshape(-1)
        bones = eye.clone().index_copy(1, rows, torch.stack(turn, 2).reshape(b, 15, 3, 3))
        rotations = eye.clone().index_copy(1, rows, local.reshape(b, 15, 3, 3))
        origins = rest.index_copy(1, rows, torch.stack(place, 2).reshape(b, 15, 3))
        landmarks = self.landmarks + times(shape, self.landmark_directions).reshape(-1, 21, 3)
        bone = self.bone_of_joint
        found = origins[:, bone] + along(bones[:, bone], landmarks - rest[:, bone])
        return Posed(bones, rotations, origins, found)

    def skin(self, shape: Float[Tensor, "b 10"], posed: Posed, bend: Float[Tensor, "b 3"]) -> Float[Tensor, "b v 3"]:
        """Vertices by linear blend skinning, what lies behind the wrist turned by `bend` (`anatomy.bend_wrist`)."""
        offset = posed.origins - along(posed.bones, self.rest_joints(shape))
        frames = torch.cat([posed.bones, offset[..., None]], -1).flatten(2)  # b 16 12
        blended = (self.weights @ frames).reshape(len(shape), -1, 3, 4)
        vertices = along(blended[..., :3], self.rest(shape)) + blended[..., 3]
        turned = rotmat_from_rotvec(bend[:, None] * smoothstep(self.behind, 0.0, 0.6)[:, None])
        return along(turned, vertices)

    def overlap(self, shape: Float[Tensor, "b 10"], angles: Float[Tensor, "b c 5 3 3"]) -> Float[Tensor, "b c"]:
        """Metres by which the worst pair of capsules overlaps beyond its slack, in each of c poses of every hand; 0 for
        a pose that can be."""
        capsules = (self.capsules + times(shape, self.capsule_directions).reshape(-1, 19, 7)).float()
        ends, radii = capsules[..., :6].reshape(-1, 19, 2, 3), capsules[..., 6]
        joints = self.rest_joints(shape)[:, None, self.fingers]  # b 1 5 3 3
        first, second = self.pairs.unbind(1)

        def depth(fingers: Tensor) -> Tensor:
            """[b, n, 15, 2, 3] -> [b, n, p]."""
            palm = ends[:, None, 15:].expand(-1, fingers.shape[1], -1, -1, -1)
            whole = torch.cat([fingers, palm], 2)
            apart = segment_distance(whole[:, :, first], whole[:, :, second])
            return (radii[:, first] + radii[:, second])[:, None] - apart

        local = self.local_rotations(angles)  # b c 5 3 3 3
        turn, here, placed = local[:, :, :, 0], joints[:, :, :, 0], []
        for k in range(3):
            if k:
                here = here + along(turn, joints[:, :, :, k] - joints[:, :, :, k - 1])
                turn = chain(turn, local[:, :, :, k])
            own = ends[:, None, k:15:3]  # b 1 5 2 3
            placed.append(here[..., None, :] + along(turn[:, :, :, None], own))
        posed = torch.stack(placed, 3).flatten(2, 3)
        rest = joints.reshape(-1, 1, 15, 1, 3) + ends[:, None, :15]
        size = torch.linalg.vector_norm(joints[:, :, 2, 0], dim=-1, keepdim=True) / self.knuckle
        slack = depth(rest).clamp(min=0.0) + size * self.gives_way
        return (depth(posed) - slack).amax(-1).clamp(min=0.0)

    def arm(
        self, ring: Float[Tensor, "b 20 3"], axis: Float[Tensor, "b 3"], length: Tensor, elbow: Tensor
    ) -> Float[Tensor, "b 120 3"]:
        """`anatomy.forearm` of a batch."""
        centre = ring.mean(1, keepdim=True)[:, None]
        s = torch.linspace(0.0, 1.0, TUBE_RINGS, device=ring.device)[:, None, None]
        grow = 1.0 + (column(elbow, 4) - 1.0) * (1.0 - (1.0 - s) ** 2)
        tube = centre + (ring[:, None] - centre) * grow + axis[:, None, None] * (s * column(length, 4))
        return tube.reshape(len(ring), TUBE_RINGS * RING, 3)


def sleeve(
    ring: Float[Tensor, "b 20 3"],
    axis: Float[Tensor, "b 3"],
    start: Float[Tensor, " b"],
    extent: Float[Tensor, " b"],
    elbow: Float[Tensor, " b"],
    arm_length: Float[Tensor, " b"],
    gap: Float[Tensor, "b 6 20"],
) -> Float[Tensor, "b 120 3"]:
    """`anatomy.sleeve` of a batch."""
    centre = ring.mean(1, keepdim=True)[:, None]
    share = torch.linspace(0.0, 1.0, TUBE_RINGS, device=ring.device)
    reach = start[:, None] + share * extent[:, None]  # b 6
    s = (reach / arm_length[:, None]).clamp(0.0, 1.0)[..., None, None]
    grow = 1.0 + (column(elbow, 4) - 1.0) * (1.0 - (1.0 - s) ** 2)
    radial = ring[:, None] - centre
    size = torch.linalg.vector_norm(radial, dim=-1, keepdim=True)
    tube = centre + radial * (grow + gap[..., None] / size) + axis[:, None, None] * reach[..., None, None]
    return tube.reshape(len(ring), TUBE_RINGS * RING, 3)


def column(values: Float[Tensor, " b"], dimensions: int) -> Tensor:
    """[b] as [b, 1, 1, ...] with so many dimensions."""
    return values.reshape(-1, *[1] * (dimensions - 1))


def times(rows: Float[Tensor, "b k"], matrix: Float[Tensor, "k n"]) -> Float[Tensor, "b n"]:
    """rows @ matrix, each row by itself: sums in the same order whatever the batch, unlike a product of matrices."""
    return (rows[:, :, None] * matrix).sum(1) if rows.device.type == "cpu" else rows @ matrix


def along(rotations: Float[Tensor, "*#b n n"], points: Float[Tensor, "*#b n"]) -> Float[Tensor, "*b n"]:
    """Matrices times vectors, term by term: quicker than a product of matrices this small."""
    return (rotations * points[..., None, :]).sum(-1)


def chain(first: Float[Tensor, "*#b 3 3"], second: Float[Tensor, "*#b 3 3"]) -> Float[Tensor, "*b 3 3"]:
    """first @ second of small matrices, term by term."""
    return (first[..., :, :, None] * second[..., None, :, :]).sum(-2)


def segment_distance(p: Float[Tensor, "*b 2 3"], q: Float[Tensor, "*b 2 3"]) -> Float[Tensor, "*b"]:
    """Between two segments. Ericson 2005, section 5.1.9."""
    u, v, w = p[..., 1, :] - p[..., 0, :], q[..., 1, :] - q[..., 0, :], p[..., 0, :] - q[..., 0, :]
    a, e, b = (u * u).sum(-1), (v * v).sum(-1), (u * v).sum(-1)
    c, f = (u * w).sum(-1), (v * w).sum(-1)
    denominator = a * e - b * b
    parallel = denominator <= 1e-7 * a * e
    s = torch.where(parallel, 0.0, ((b * f - c * e) / torch.where(parallel, 1.0, denominator)).clamp(0.0, 1.0))
    t = (b * s + f) / e
    s = torch.where(t < 0, (-c / a).clamp(0.0, 1.0), torch.where(t > 1, ((b - c) / a).clamp(0.0, 1.0), s))
    t = t.clamp(0.0, 1.0)
    gap = w + s[..., None] * u - t[..., None] * v
    return torch.linalg.vector_norm(gap, dim=-1)


def upright(roll: Tensor, tilt: Tensor, yaw: Tensor) -> Float[Tensor, "b 3 3"]:
    """Radians: turn by yaw about y, then tilt about x, then roll about z."""
    zero = torch.zeros_like(roll)
    about = lambda x, y, z: rotmat_from_rotvec(torch.stack([x, y, z], -1))  # noqa: E731
    return chain(chain(about(zero, zero, roll), about(tilt, zero, zero)), about(zero, yaw, zero))


def rotations_from_quaternions(q: Float[Tensor, "b 4"]) -> Float[Tensor, "b 3 3"]:
    """Of unnormalised quaternions x y z w."""
    x, y, z, w = (q / torch.linalg.vector_norm(q, dim=-1, keepdim=True)).unbind(-1)
    rows = [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)]
    rows += [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)]
    rows += [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)]
    return torch.stack(rows, -1).reshape(-1, 3, 3)
