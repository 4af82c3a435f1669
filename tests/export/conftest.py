"""A short recording of two hands with known poses: the left one comes late and is missing for two frames."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from palmar.geometry.camera import Camera
from palmar.geometry.rotations import rotmat_from_rotvec, rotvec_from_rotmat
from palmar.hand import HandModel
from palmar.media import ArrayFrames
from palmar.types import Clip, Hands

FPS, FRAMES = 25.0, 10
LEFT_SEEN = (2, 3, 4, 7, 8)


@dataclass(frozen=True, eq=False)
class Truth:
    """Rows of the clip's hands: vertices [n, V, 3], bone origins [n, 16, 3], landmarks [n, 21, 3], camera axes."""

    vertices: np.ndarray
    origins: np.ndarray
    joints: np.ndarray


def made(times: list[float] | None = None, **info: object) -> tuple[Clip, Truth]:
    rng = np.random.default_rng(6)
    camera = Camera(160, 120, 140.0, 142.0, 78.0, 61.0)
    shapes = rng.normal(0, 0.7, (2, 10)).astype(np.float32)
    bend = rng.uniform(0.1, 0.9, (2, 5, 3))
    rows: list[dict] = []
    vertices, origins = [], []
    for frame in range(FRAMES):
        for track, side in ((0, 1), (5, 0)):
            if side == 0 and frame not in LEFT_SEEN:
                continue
            model = HandModel.default(side)
            angles = np.zeros((5, 3, 3))
            angles[:, :, 0] = bend[int(track > 0)] * (0.5 + 0.5 * np.sin(0.7 * frame + np.arange(5)[:, None]))
            rotations = model.rotations_from_angles(angles)
            up = rotmat_from_rotvec(np.array([0.3 * frame - 1.2, 0.2 * frame, (1.4 - 2.8 * (side == 0)) + 0.1 * frame]))
            rotations = np.concatenate([up[None], rotations[1:]])
            pose = rotvec_from_rotmat(rotations).astype(np.float32)
            place = np.float32([0.12 - 0.22 * (side == 0) + 0.004 * frame, 0.05, 0.5 + 0.01 * frame])
            shape = shapes[int(track > 0)]
            posed = model.shaped(shape.astype(np.float64)).posed(
                rotmat_from_rotvec(pose.astype(np.float64)), place.astype(np.float64)
            )
            joints = posed.joints()
            pixels = camera.project(joints)
            vertices.append(posed.skin())
            origins.append(posed.bone_origins)
            rows.append(
                {
                    "frame": frame,
                    "track": track,
                    "view": 0,
                    "side": side,
                    "score": 0.9 - 0.01 * frame,
                    "box": [*pixels.min(0), *pixels.max(0)],
                    "keypoints": np.concatenate([pixels, rng.uniform(0.3, 1, (21, 1))], 1),
                    "joints": joints,
                    "pose": pose,
                    "shape": shape,
                    "translation": place,
                }
            )
    hands = Hands(**{name: np.array([row[name] for row in rows]) for name in rows[0]})
    truth = Truth(np.array(vertices), np.array(origins), hands.joints)
    pictures = np.zeros((FRAMES, 120, 160, 3), np.uint8)
    pictures[:] = np.linspace(0, 255, 160, dtype=np.uint8)[None, None, :, None]
    pictures[:, :, :, 1] = (np.arange(FRAMES) * 20)[:, None, None]
    frames = ArrayFrames(pictures, fps=FPS)
    stamps = [round(i / FPS, 6) for i in range(FRAMES)] if times is None else times
    known = {"frames": FRAMES, "times": stamps, "stills": False, "mirrored": False, **info}
    return Clip(frames, camera, "given", hands, known), truth


@pytest.fixture(scope="session")
def npm(tmp_path_factory):
    """Installs an npm package; answers with the folder of its node_modules. Skips the test where that cannot be."""

    @cache
    def installed(package: str) -> Path | None:
        tool = shutil.which("npm")
        folder = tmp_path_factory.mktemp("npm")
        if tool is None or shutil.which("node") is None:
            return None
        words = [tool, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), package]
        try:
            subprocess.run(words, check=True, capture_output=True, timeout=90, cwd=folder)
        except (subprocess.SubprocessError, OSError):
            return None
        return folder

    def get(package: str) -> Path:
        folder = installed(package)
        if folder is None:
            pytest.skip(f"{package} is of the npm registry, and npm is not here or could not install it")
        return folder

    return get


@pytest.fixture(scope="session")
def recording() -> tuple[Clip, Truth]:
    return made()


@pytest.fixture(scope="session")
def clip(recording) -> Clip:
    return recording[0]


@pytest.fixture(scope="session")
def truth(recording) -> Truth:
    return recording[1]
