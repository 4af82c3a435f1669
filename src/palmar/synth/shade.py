"""The shade that surfaces near a hand cast on each other: between fingers, under a thumb, on what is held."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float, Float32

from palmar.render import Mesh, ambient_occlusion

REACH = 0.03
"""Metres around the joints of a hand within which surfaces shade each other."""
BIAS = 0.002
"""Metres that what casts shade stands off."""


def open_share(mesh: Mesh, joints: Float[np.ndarray, "k 3"]) -> Float32[np.ndarray, " v"]:
    """Share of the surroundings that reaches each vertex past what is near the hand; 1 for what lies farther off.

    joints: of the hand, in the mesh's frame.
    """
    low, high = joints.min(0) - REACH, joints.max(0) + REACH
    near = ((mesh.vertices > low) & (mesh.vertices < high)).all(1, keepdims=True)
    vertices = np.where(near, mesh.vertices, np.float32(np.nan))
    return ambient_occlusion(vertices, mesh.faces, closed=mesh.closed, bias=BIAS)


def occluded(mesh: Mesh, *hands: Float[np.ndarray, "k 3"]) -> Mesh:
    """The mesh with the shade around each of the hands, given by their joints."""
    share = np.ones(len(mesh.vertices), np.float32) if mesh.occlusion is None else mesh.occlusion
    for joints in hands:
        share = share * open_share(mesh, joints)
    return replace(mesh, occlusion=share)
