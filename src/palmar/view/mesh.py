"""The shaded mesh of hands over a picture, without a rasteriser: triangles painted far to near by OpenCV.

Both hands' triangles are sorted together, so that the nearer hand covers the other. The layer is painted at twice the
size and averaged down: smooth edges.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from palmar.geometry.camera import Camera
from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.hand.mirror import mirror_points, mirror_rotvecs
from palmar.hand.model import HandModel
from palmar.types import Hands
from palmar.view.draw import SHIFT, Colour, canvas

FINE = 2
"""Times the picture's size at which the layer is painted, and the largest layer, pixels; above it, at the picture's
own.
"""
MAX_LAYER = 4_000_000
WRIST_CUT = 0.35
"""The forearm stub is drawn up to this share of its length: it is stiff with the hand, which an arm is not."""


@dataclass(frozen=True)
class MeshStyle:
    """How meshes are drawn. Colours are RGB."""

    left: Colour = (140, 165, 245)
    right: Colour = (130, 220, 165)
    alpha: float = 0.75
    """Share of the mesh in the mixture with the picture."""
    light: tuple[float, float, float] = (-0.35, -0.6, -0.72)
    """Direction towards the lamp, camera axes."""
    ambient: float = 0.35
    """Share of the brightness that every direction has."""


def vertices_in_camera(hands: Hands) -> list[Float[np.ndarray, "v 3"] | None]:
    """Each row's vertices in metres, camera axes; None for rows without a finite pose, shape and place."""
    if hands.pose is None or hands.shape is None or hands.translation is None:
        return [None] * len(hands)
    out: list[np.ndarray | None] = []
    for side, pose, shape, place in zip(hands.side, hands.pose, hands.shape, hands.translation, strict=True):
        if not (np.isfinite(pose).all() and np.isfinite(shape).all() and np.isfinite(place).all()):
            out.append(None)
            continue
        model = HandModel.default(int(side))
        rotations = rotmat_from_rotvec(pose.astype(np.float64))
        out.append(model.shaped(shape.astype(np.float64)).posed(rotations, place.astype(np.float64)).skin())
    return out


def draw_mesh(
    image: UInt8[np.ndarray, "h w 3"],
    hands: Hands,
    camera: Camera,
    style: MeshStyle = MeshStyle(),
    *,
    mirrored: bool = False,
) -> UInt8[np.ndarray, "h w 3"]:
    """A copy of `image` with the hands' meshes over it, Lambert shaded. RGB.

    camera: of the picture. mirrored: the picture is a mirror image, the hands are the real ones, as `track` gives them.
    Rows without pose, shape and translation are left out. Raises PalmarError for a picture that is not RGB uint8.
    """
    out = canvas(image)
    if mirrored and hands.pose is not None and hands.translation is not None:
        hands = hands.with_columns(
            side=1 - hands.side, pose=mirror_rotvecs(hands.pose), translation=mirror_points(hands.translation)
        )
    corners, depth, colours = [], [], []
    for side, vertices in zip(hands.side.tolist(), vertices_in_camera(hands), strict=True):
        if vertices is None:
            continue
        if mirrored:
            side = 1 - side  # the colour is that of the person's own side
        triangles = _triangles(
            vertices, HandModel.default(int(side) ^ mirrored), camera, style.right if side else style.left, style
        )
        for target, part in zip((corners, depth, colours), triangles, strict=True):
            target.append(part)
    if corners:
        _paint(out, np.concatenate(corners), np.concatenate(depth), np.concatenate(colours), style.alpha)
    return out


def _triangles(
    vertices: np.ndarray, model: HandModel, camera: Camera, colour: Colour, style: MeshStyle
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Corners [t, 3, 2] in pixels, depth [t] and colour [t, 3] of the triangles that face the camera."""
    faces = model.faces[(model.behind[model.faces] <= WRIST_CUT).all(1)]
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    normal = np.cross(b - a, c - a)  # length: twice the area
    centre = (a + b + c) / 3
    smooth = np.zeros_like(vertices)
    for i in range(3):
        np.add.at(smooth, faces[:, i], normal)
    smooth /= np.maximum(np.linalg.norm(smooth, axis=1, keepdims=True), 1e-12)
    pixels = camera.project(vertices)
    corners = pixels[faces]
    seen = ((normal * centre).sum(1) < 0) & np.isfinite(corners).all((1, 2))
    light = np.array(style.light) / np.linalg.norm(style.light)
    lit = np.clip(smooth @ light, 0.0, 1.0)[faces].mean(1)
    shade = style.ambient + (1 - style.ambient) * lit
    return corners[seen], centre[seen, 2], shade[seen, None] * np.array(colour, float)


def _paint(out: np.ndarray, corners: np.ndarray, depth: np.ndarray, colours: np.ndarray, alpha: float) -> None:
    """Blend triangles onto `out`, far ones first."""
    if not len(corners):
        return
    height, width = out.shape[:2]
    x0, y0 = np.maximum(np.floor(corners.min((0, 1))).astype(int) - 1, 0)
    x1, y1 = np.minimum(np.ceil(corners.max((0, 1))).astype(int) + 2, (width, height))
    if x0 >= x1 or y0 >= y1:
        return
    fine = FINE if (x1 - x0) * (y1 - y0) * FINE**2 <= MAX_LAYER else 1
    inside = ((corners.max(1) >= (x0, y0)) & (corners.min(1) <= (x1, y1))).all(1)
    order = np.argsort(-depth[inside], kind="stable")
    corners, colours = corners[inside][order], colours[inside][order]
    layer = np.zeros(((y1 - y0) * fine, (x1 - x0) * fine, 4), np.uint8)
    at = (corners - (x0, y0) + 0.5) * fine - 0.5
    points = np.round(np.clip(at, -(1 << 14), 1 << 14) * (1 << SHIFT)).astype(np.int32)
    tints = np.concatenate([np.round(colours), np.full((len(colours), 1), 255.0)], 1).tolist()
    for triangle, tint in zip(points, tints, strict=True):
        cv2.fillConvexPoly(layer, triangle, tint, cv2.LINE_8, SHIFT)
    if fine > 1:
        layer = cv2.resize(layer, (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA)
    part = out[y0:y1, x0:x1]
    cover = layer[..., 3:].astype(np.float32) * np.float32(alpha / 255)
    part[:] = np.round(part * (1 - cover) + layer[..., :3] * np.float32(alpha))
