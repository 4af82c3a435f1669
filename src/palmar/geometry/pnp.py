"""Where an object of known shape stands before a camera: `solve_pnp` for its whole pose, `solve_translation` for the
translation alone, of many hands at once."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float

from palmar.errors import PalmarError
from palmar.geometry.camera import Camera

MIN_DEPTH = 1e-6
"""Metres. A solution with a point nearer than this, or behind the camera, is none."""


def solve_translation(points: Float[np.ndarray, "*n k 3"], pixels: Float[np.ndarray, "*n k 2"], camera: Camera,
                      weights: Float[np.ndarray, "*n k"] | None = None) -> Float[np.ndarray, "*n 3"]:
    """The translation t for which the projections of points + t lie nearest the pixels, of all hands at once.

    points: metres, along the camera's axes, relative to anything (the wrist). weights: inverse variances of the pixels;
    a point of weight 0, or whose pixel has no ray, is left out. See `translation_from_rays`, which it calls.
    """
    return translation_from_rays(points, camera.unproject(pixels), weights)


def translation_from_rays(points: Float[np.ndarray, "*n k 3"], rays: Float[np.ndarray, "*n k 3"],
                          weights: Float[np.ndarray, "*n k"] | None = None) -> Float[np.ndarray, "*n 3"]:
    """`solve_translation` from rays scaled to z = 1 instead of pixels. Squared errors are counted on the plane z = 1.

    A linear least-squares solution, then Gauss-Newton steps on the reprojection error: the linear one alone comes out
    too near when pixels are noisy. NaN, for that hand only, where the answer is not determined: fewer than two points
    in use, all rays the same, a point or weight that is not finite or below 0, an answer not in front of the camera.
    """
    points, rays = np.asarray(points, np.float64), np.asarray(rays, np.float64)
    w = np.ones(points.shape[:-1]) if weights is None else np.asarray(weights, np.float64)
    if points.shape != rays.shape or points.shape[:-1] != w.shape:
        raise PalmarError(f"points {points.shape}, rays {rays.shape} and weights {w.shape} do not go together; "
                          "expected [n, k, 3], [n, k, 3] and [n, k].")
    used = (w != 0) & np.isfinite(rays).all(-1)
    w, points = np.where(used, w, 0.0), np.where(used[..., None], points, 0.0)
    rays = np.where(used[..., None], rays, 1.0)

    def solve(p: np.ndarray, error: np.ndarray, w: np.ndarray) -> np.ndarray:
        """d that minimises the sum of w |d_xy - p d_z - error|^2, in closed form."""
        w = (w / w.sum(-1, keepdims=True))[..., None]
        p_mean, error_mean = (w * p).sum(-2), (w * error).sum(-2)
        p_off, error_off = p - p_mean[..., None, :], error - error_mean[..., None, :]
        spread = (w * p_off * p_off).sum((-1, -2))
        z = -(w * p_off * error_off).sum((-1, -2)) / np.where(spread > 1e-16, spread, np.nan)
        return np.concatenate([p_mean * z[..., None] + error_mean, z[..., None]], -1)

    xy, depth, seen = points[..., :2], points[..., 2:], rays[..., :2]
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        t = solve(seen, seen * depth - xy, w)
        for _ in range(4):
            z = depth + t[..., None, 2:]
            p = (xy + t[..., None, :2]) / z
            t = t + solve(p, z * (seen - p), w / z[..., 0] ** 2)
        nearest = np.where(used, depth[..., 0] + t[..., 2:], np.inf).min(-1, initial=np.inf)
    good = (used.sum(-1) >= 2) & (w >= 0).all(-1) & (nearest > MIN_DEPTH) & np.isfinite(t).all(-1)
    return np.where(good[..., None], t, np.nan)


def solve_pnp(points: Float[np.ndarray, "k 3"], pixels: Float[np.ndarray, "k 2"],
              camera: Camera) -> Float[np.ndarray, "4 4"]:
    """camera_from_object: the pose in which an object's points project nearest the pixels. OpenCV's SQPnP, refined.

    points: metres, object frame. Four points at least; they may lie in a plane. Points whose pixel has no ray through
    the lens are left out. Raises PalmarError with fewer, with points on one line, and where no pose has the object in
    front of the camera.
    """
    rays = camera.unproject(pixels)
    if np.shape(points) != rays.shape:
        raise PalmarError(f"points {np.shape(points)} and pixels {np.shape(pixels)} do not go together; "
                          "expected [k, 3] and [k, 2].")
    keep = np.isfinite(rays).all(-1) & np.isfinite(points).all(-1)
    points, rays = np.ascontiguousarray(np.asarray(points, np.float64)[keep]), np.ascontiguousarray(rays[keep])
    if len(points) < 4:
        raise PalmarError(f"a pose needs four points with finite coordinates and pixels, got {len(points)}.")
    extent = np.linalg.svd(points - points.mean(0), compute_uv=False)
    if extent[1] < 1e-6 * extent[0] or extent[0] == 0:
        raise PalmarError("a pose needs points that do not lie on one line.")
    flat = np.ascontiguousarray(rays[:, :2] * (camera.fx, camera.fy))
    matrix = np.diag([camera.fx, camera.fy, 1.0])
    try:
        found, rotvec, t = cv2.solvePnP(points, flat, matrix, None, flags=cv2.SOLVEPNP_SQPNP)
        if found:
            rotvec, t = cv2.solvePnPRefineLM(points, flat, matrix, None, rotvec, t)
    except cv2.error as err:
        raise PalmarError(f"no pose fits these points and pixels ({err.err}).") from err
    out = np.eye(4)
    out[:3, :3], out[:3, 3] = cv2.Rodrigues(rotvec)[0], t[:, 0]
    if not found or not np.isfinite(out).all() or (points @ out[2, :3] + out[2, 3]).min() < MIN_DEPTH:
        raise PalmarError("no pose with the object in front of the camera fits these points and pixels.")
    return out
