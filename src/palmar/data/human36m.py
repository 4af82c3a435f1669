"""Human3.6M as VideoPose3D packs it: `data_3d_h36m.npz` and `data_2d_h36m_gt.npz` or `..._cpn_ft_h36m_dbb.npz`.

Positions are world metres of 32 joints at 50 frames a second; 17 of them are kept, and the shoulders hang from the
thorax. The four cameras' place and turn are given here by name; the file of points in pictures holds their pixels. The
data is for research only; who holds it packs it with VideoPose3D's scripts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from palmar.errors import PalmarError
from palmar.media.pickles import read_object_npz

FPS = 50.0
LIMIT = 2 << 30
"""Bytes of a file, unpacked."""
KEPT = (0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27)
"""Of the 32 joints, those that move."""
SUBJECTS: Mapping[str, tuple[str, ...]] = {
    "train": ("S1", "S5", "S6", "S7", "S8"), "val": ("S9", "S11"), "test": ("S9", "S11"),
}  # fmt: skip
"""The usual split; val is test, as everyone has it."""
CAMERAS = "cameras.json"
"""Beside the files, of the user's own making from the official calibration: {subject: [{"orientation": [w, x, y, z],
"translation": [metres], "width", "height"}, ... four]}."""


@dataclass(frozen=True, eq=False)
class BodyClip:
    name: str
    pixels: Float[np.ndarray, "t 17 2"]
    poses: Float[np.ndarray, "t 17 3"]
    """Metres, camera frame."""
    width: int
    height: int


class Human36m:
    """The folder of the packed files. Raises PalmarError where one is missing or is something else."""

    def __init__(self, root: Path, points: str = "gt") -> None:
        """points: "gt", or the detections "cpn_ft_h36m_dbb"."""
        self.root = root
        self.points_file = root / f"data_2d_h36m_{points}.npz"
        self._positions = self._of(root / "data_3d_h36m.npz", "positions_3d")
        self._points = self._of(self.points_file, "positions_2d")
        self._cameras = _cameras(root / CAMERAS)

    @staticmethod
    def _of(file: Path, key: str) -> Mapping[str, Mapping[str, Any]]:
        found = read_object_npz(file, LIMIT, f"VideoPose3D's file with {key!r}").get(key)
        if not isinstance(found, dict) or not all(isinstance(actions, dict) for actions in found.values()):
            raise PalmarError(f"{file}: holds no {key!r} of subjects and actions.")
        return found

    def clips(self, part: str) -> list[BodyClip]:
        """Every action as each camera saw it, cut to the shorter of motion and video."""
        out = []
        for subject in SUBJECTS[part]:
            for action, positions in self._positions.get(subject, {}).items():
                views = self._points.get(subject, {}).get(action)
                cameras = self._cameras.get(subject)
                where = f"{self.points_file}: {subject} {action}"
                if views is None or cameras is None:
                    raise PalmarError(f"{where}: no points or no cameras for it.")
                world = np.asarray(positions, np.float64)
                if world.ndim != 3 or world.shape[1:] not in ((32, 3), (17, 3)):
                    raise PalmarError(f"{where}: expected positions [t, 32, 3], got {list(world.shape)}.")
                world = world[:, list(KEPT)] if world.shape[1] == 32 else world
                for view, (pixels, camera) in enumerate(zip(views, cameras, strict=False)):
                    seen = np.asarray(pixels, np.float64)[..., :2]
                    if seen.ndim != 3 or seen.shape[1:] != (17, 2):
                        raise PalmarError(f"{where}: expected points [t, 17, 2], got {list(seen.shape)}.")
                    count = min(len(seen), len(world))
                    poses = camera.poses(world[:count])
                    name = f"{subject} {action} {view}"
                    out.append(BodyClip(name, seen[:count], poses, camera.width, camera.height))
        if not out:
            raise PalmarError(f"{self.root}: none of {', '.join(SUBJECTS[part])}, the subjects of {part}.")
        return out


@dataclass(frozen=True, eq=False)
class View:
    """A camera of the studio."""

    orientation: Float[np.ndarray, " 4"]
    """w, x, y, z."""
    translation: Float[np.ndarray, " 3"]
    """Metres."""
    width: int
    height: int

    def poses(self, world: Float[np.ndarray, "t v 3"]) -> Float[np.ndarray, "t v 3"]:
        """World -> camera: R(conj q) (X - t)."""
        w, x, y, z = self.orientation
        turn = Rotation.from_quat([x, y, z, w]).as_matrix()
        return (world - self.translation) @ turn


def _cameras(file: Path) -> Mapping[str, list[View]]:
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
        return {
            subject: [
                View(np.array(c["orientation"], float), np.array(c["translation"], float), int(c["width"]),
                     int(c["height"]))
                for c in cameras
            ]
            for subject, cameras in raw.items()
        }  # fmt: skip
    except OSError as err:
        raise PalmarError(f"{file}: cannot be read ({err.strerror or err}); see palmar.data.human36m.") from err
    except (ValueError, KeyError, TypeError, AttributeError) as err:
        raise PalmarError(f"{file}: not the cameras of Human3.6M as palmar.data.human36m describes ({err}).") from err
