"""A tiny first-person split: two clips of a wearer whose hands and object move, and pictures of their frames."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from palmar.geometry.camera import Camera
from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.types.firstperson import EgoClip, EgoFrame, Split, Vocabulary, box_points

SMALL = Camera(48, 32, 30.25, 31.5, 23.0, 16.5)


@pytest.fixture(scope="session")
def tiny() -> Callable[..., Split]:
    """tiny(vocabulary, seed): clips of 5 and 3 frames. The second has no left hand, and no object in its first."""

    def make(
        vocabulary: Vocabulary, *, seed: int = 0, camera: Camera = SMALL, fps: float = 30.0, left: bool = True
    ) -> Split:
        rng = np.random.default_rng(seed)
        clips, frames = [], []
        for number, count in enumerate((5, 3)):
            action = 1 + number
            thing = vocabulary.object_of[action] if vocabulary.object_of else 1 + number
            joints = rng.normal((0, 0, 0.4), 0.05, (count, 2, 21, 3)).astype(np.float32)
            objects = np.full(count, thing)
            pose = np.tile(np.eye(4), (count, 1, 1))
            pose[:, :3, :3] = rotmat_from_rotvec(rng.normal(0, 1, (count, 3)))
            pose[:, :3, 3] = rng.normal((0, 0, 0.4), 0.05, (count, 3))
            box = box_points(np.array([-0.02, -0.1, -0.11]), np.array([0.02, 0.1, 0.11]))
            points = (box @ pose[:, :3, :3].transpose(0, 2, 1) + pose[:, None, :3, 3]).astype(np.float32)
            if number:
                joints[:, 0], objects[0], points[0] = np.nan, 0, np.nan
            if not left:
                joints[:, 0] = np.nan
            names = tuple(f"clip{number}/{t}" for t in range(count))
            clips.append(
                EgoClip(f"clip{number}", camera, np.arange(count) / fps, joints, objects, points, action, names)
            )
            for t in range(count):
                frames.append(
                    EgoFrame(
                        names[t],
                        Camera.from_dict({**camera.to_dict(), "world_from_camera": pose[-1 - t].tolist()}),
                        cv2.resize(rng.integers(0, 256, (4, 6, 3), np.uint8), (camera.width, camera.height)),
                        joints[t],
                        int(objects[t]),
                        points[t],
                        pose[t].astype(np.float32) if objects[t] else None,
                        action=action,
                        verb=vocabulary.verb_of[action] if vocabulary.verb_of else 0,
                    )
                )
        return Split(vocabulary, tuple(frames), tuple(clips), fps)

    return make
