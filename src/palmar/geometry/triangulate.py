"""Where rays of several cameras meet, by the direct linear transform (Hartley and Zisserman, 2nd ed., section 12.2)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from palmar.errors import PalmarError
from palmar.geometry.camera import Camera
from palmar.geometry.transforms import inverse


def triangulate(pixels_from_world: Float[np.ndarray, "v 3 4"], pixels: Float[np.ndarray, "v ... 2"],
                weights: Float[np.ndarray, "v ..."] | None = None) -> Float[np.ndarray, "... 3"]:
    """The world points whose projections lie nearest the given pixels, in the algebraic sense.

    pixels_from_world: `K @ camera_from_world[:3]` of each view. weights: inverse standard deviations of the pixels; a
    view of weight 0 or whose pixel is not finite is left out for that point. NaN where fewer than two views are left or
    they determine no point: parallel rays, one camera twice. Raises PalmarError with fewer than two cameras.
    """
    matrices, pixels = np.asarray(pixels_from_world, np.float64), np.asarray(pixels, np.float64)
    w = np.ones(pixels.shape[:-1]) if weights is None else np.asarray(weights, np.float64)
    views = len(matrices)
    if views < 2 or len(pixels) != views or w.shape != pixels.shape[:-1]:
        raise PalmarError("triangulation needs two or more views, and pixels [v, n, 2] and weights [v, n] of each; "
                          f"got {views} cameras, pixels {pixels.shape}, weights {w.shape}.")
    shape = pixels.shape[1:-1]
    pixels, w = pixels.reshape(views, -1, 2), w.reshape(views, -1)
    used = (w > 0) & np.isfinite(pixels).all(-1) & np.isfinite(w)
    uv, w = np.where(used[..., None], pixels, 0.0), np.where(used, w, 0.0)
    # Rows u p3 - p1 and v p3 - p2 of each view, with p3's rotation of length 1: residuals in pixels times depth.
    matrices = matrices / np.linalg.norm(matrices[:, 2:, :3], axis=-1, keepdims=True)
    rows = (uv[..., None] * matrices[:, None, None, 2] - matrices[:, None, :2]) * w[..., None, None]
    _, S, Vt = np.linalg.svd(np.moveaxis(rows, 1, 0).reshape(-1, 2 * views, 4), full_matrices=False)
    X = Vt[:, 3]
    met = (used.sum(0) >= 2) & (S[:, 2] > 1e-9 * S[:, 0]) & (np.abs(X[:, 3]) > 1e-9 * np.linalg.norm(X, axis=-1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(met[:, None], X[:, :3] / X[:, 3:], np.nan).reshape(*shape, 3)


def triangulate_views(cameras: Sequence[Camera], pixels: Float[np.ndarray, "v ... 2"],
                      weights: Float[np.ndarray, "v ..."] | None = None) -> Float[np.ndarray, "... 3"]:
    """`triangulate` with cameras: their lenses undone, their poses from `world_from_camera`.

    Raises PalmarError when a camera has no pose.
    """
    poses = [camera.world_from_camera for camera in cameras]
    for number, pose in enumerate(poses):
        if pose is None:
            raise PalmarError(f"camera {number} has no world_from_camera: triangulation needs to know where it stands.")
    if len(cameras) != len(pixels):
        raise PalmarError(f"{len(cameras)} cameras but pixels of {len(pixels)} views.")
    matrices = [camera.matrix @ inverse(pose)[:3]
                for camera, pose in zip(cameras, poses, strict=True) if pose is not None]
    straight = [camera.unproject(view)[..., :2] * (camera.fx, camera.fy) + (camera.cx, camera.cy)
                for camera, view in zip(cameras, pixels, strict=True)]
    return triangulate(np.stack(matrices), np.stack(straight), weights)
