"""A hand that can feel: its skin ready for fast posing, and named patches of it that can touch.

    feel = Feel.of(shaped)
    feel.skin(angles)                              # [v, 3] hand frame, metres
    feel.patch["index 2 pad"]                      # vertices

A patch is named by finger, bone (0 proximal to 2 distal) and side: pad (palmar), radial (towards the thumb), ulnar,
tip. The palm has "heads" (under the knuckles), "palm", "thenar" (ball of the thumb), "hypothenar". The first row of a
patch is its middle.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64

from palmar.hand import HandModel, ShapedHand
from palmar.hand.joints import FINGERS, POSE_OF_FINGER
from palmar.render import vertex_normals
from palmar.synth.collision import Body
from palmar.synth.grasp.fit import pose_skin

_BONES = np.array(POSE_OF_FINGER)
LENGTH = 0.0949
"""Metres from wrist to the knuckle of the middle finger in the mean hand: the unit of a hand's scale."""


@functools.cache
def _layout(model: HandModel) -> tuple[np.ndarray, np.ndarray, Mapping[str, np.ndarray]]:
    """Bones of every vertex [v, 4] (3 x finger + joint, 15 the palm), their weights, and patches."""
    bone_of = np.full(16, 15)
    bone_of[_BONES.reshape(-1)] = np.arange(15)
    heaviest = np.argsort(-model.weights, axis=1)[:, :4]
    weights = np.take_along_axis(model.weights, heaviest, 1)
    weights = weights / weights.sum(1, keepdims=True)
    return np.ascontiguousarray(bone_of[heaviest]), np.ascontiguousarray(weights), _patches(model)


def _patches(model: HandModel) -> dict[str, np.ndarray]:
    rest = model.shaped(np.zeros(10))
    points, joints = rest.vertices(), rest.rest_joints
    normals = vertex_normals(points.astype(np.float32), model.faces).astype(np.float64)
    out = {}
    for f, finger in enumerate(FINGERS):
        for k in range(3):
            bone = _BONES[f, k]
            own = np.flatnonzero((model.parts == bone) & (model.behind <= 0))
            along = model.along[bone]
            hinge = model.hinge[bone] - (model.hinge[bone] @ along) * along
            hinge = hinge / np.linalg.norm(hinge)
            pad = np.cross(hinge, along)
            reach = (points[own] - joints[bone]) @ along
            full = reach.max()
            share = reach / full
            middle = 0.55 if k < 2 else 0.6
            sides = {"pad": pad, "radial": hinge, "ulnar": -hinge}
            if k == 2:
                sides["tip"] = (0.75 * along + 0.66 * pad) / np.linalg.norm(0.75 * along + 0.66 * pad)
            for side, way in sides.items():
                facing = normals[own] @ way
                near = (np.abs(share - middle) < 0.3) if side != "tip" else share > 0.7
                found = own[near & (facing > 0.65)]
                centre = joints[bone] + (middle if side != "tip" else 0.97) * full * along
                off = np.linalg.norm(np.cross(points[found] - centre, way), axis=1)
                out[f"{finger} {k} {side}"] = found[np.argsort(off)]
    knuckle, thumb = joints[4], joints[13]
    palm = np.flatnonzero((model.parts == 0) & (model.behind <= 0) & (normals[:, 1] < -0.55))
    at = points[palm]
    level = at[:, 0] / knuckle[0]
    spots = {"heads": (0.93, 0.0), "palm": (0.62, 0.0), "hypothenar": (0.45, -0.024)}
    for name, (x, z) in spots.items():
        off = np.hypot((level - x) * knuckle[0], at[:, 2] - z)
        out[name] = palm[np.argsort(off)][: np.count_nonzero(off < 0.016)]
    ball = np.flatnonzero(
        np.isin(model.parts, (0, _BONES[0, 0])) & (model.behind <= 0) & (normals @ np.array([-0.3, -0.9, 0.0]) > 0.6)
    )
    off = np.linalg.norm(points[ball] - (thumb + np.array([-0.006, -0.02, 0.004])), axis=1)
    out["thenar"] = ball[np.argsort(off)][:20]
    return out


@dataclass(frozen=True, eq=False)
class Feel:
    """One person's right hand, ready to be posed fast."""

    shaped: ShapedHand
    rest: Float[np.ndarray, "v 3"]
    bones: Int64[np.ndarray, "v 4"]
    """3 x finger + joint, thumb to little; 15 the palm."""
    weights: Float[np.ndarray, "v 4"]
    patch: Mapping[str, Int64[np.ndarray, " m"]]
    body: Body
    scale: float
    """Of this hand over the mean one."""

    @staticmethod
    def of(shaped: ShapedHand) -> Feel:
        bones, weights, patch = _layout(shaped.model)
        rest = np.ascontiguousarray(shaped.vertices(), np.float64)
        scale = float(np.linalg.norm(shaped.rest_joints[4] - shaped.rest_joints[0])) / LENGTH
        return Feel(shaped, rest, bones, weights, patch, Body.of(shaped), scale)

    def skin(self, angles: Float[np.ndarray, "5 3 3"]) -> Float[np.ndarray, "v 3"]:
        """Where the skin is at these angles, metres, hand frame."""
        angles = np.ascontiguousarray(angles, np.float64)
        return pose_skin(angles, self.body.joints, self.body.axes, self.rest, self.bones, self.weights)
