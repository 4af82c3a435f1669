"""Tracks of 2D points with their 3D truth, for networks that lift: hands in motion before a camera, or Human3.6M.

    tracks = open_tracks("drawn:200", "train")                      # 200 clips of 4 s, hands of 21 joints
    tracks = open_tracks("human36m:/data/h36m", "train")            # bodies of 17 joints, VideoPose3D's files
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from palmar.data.human36m import FPS as HUMAN_FPS
from palmar.data.human36m import Human36m
from palmar.errors import PalmarError, one_of
from palmar.geometry.camera import Camera
from palmar.hand import HandModel
from palmar.synth.pose import minimum_jerk, sample_motion
from palmar.tasks.lifting import ROOT, screen, windows

SEEDS = {"train": 71, "val": 72, "test": 73}
"""Of the drawn motions, for each part."""
SECONDS, FPS = 4.0, 30.0
WIDTH, HEIGHT = 640, 480
KINDS = ("drawn", "human36m")


@dataclass(frozen=True, eq=False)
class Track:
    points: Float[np.ndarray, "t v 2"]
    """Screen coordinates, without noise."""
    poses: Float[np.ndarray, "t v 3"]
    """Metres, axes of the camera, from its centre."""
    pixel: float
    """Screen units of a pixel: 2 / width."""
    name: str = ""


@dataclass(frozen=True, eq=False)
class Tracks:
    """All tracks of a part, of one skeleton."""

    tracks: Sequence[Track]
    skeleton: str
    """"hand" or "body"."""
    fps: float


def drawn_track(part: str, index: int) -> Track:
    """A right hand at work, 0.3 to 0.8 m before a pinhole, at another place after each reach. A pure function of its
    number."""
    rng = np.random.default_rng((SEEDS[part], index))
    motion = sample_motion(rng, SECONDS, FPS)
    model = HandModel.default()
    rotations = model.rotations_from_angles(motion.angles)
    rotations[:, 0] = motion.camera_from_hand
    shape = rng.normal(0, 1, 10)
    focal = WIDTH / 2 / np.tan(np.radians(rng.uniform(45, 75)) / 2)
    camera = Camera(WIDTH, HEIGHT, focal, focal, (WIDTH - 1) / 2, (HEIGHT - 1) / 2)
    stops = [_place(rng, camera) for _ in range(4)]
    at = np.linspace(0, 3, len(motion.times))
    leg = np.minimum(at.astype(int), 2)
    done = minimum_jerk(np.clip((at - leg) * rng.uniform(1.0, 2.0), 0, 1))[:, None]
    places = np.array(stops)[leg] * (1 - done) + np.array(stops)[leg + 1] * done
    joints = model.shaped(np.tile(shape, (len(at), 1))).posed(rotations, places).joints()
    points = screen(camera.project(joints), WIDTH, HEIGHT)
    return Track(points.astype(np.float32), joints.astype(np.float32), 2 / WIDTH, f"{part} {index}")


def _place(rng: np.random.Generator, camera: Camera) -> Float[np.ndarray, " 3"]:
    """Of the wrist, seen in the picture's middle half."""
    depth = rng.uniform(0.3, 0.8)
    pixel = np.array([rng.uniform(0.25, 0.75) * WIDTH, rng.uniform(0.3, 0.75) * HEIGHT])
    ray = camera.unproject(pixel)
    return ray / ray[2] * depth


def open_tracks(data: str, part: str) -> Tracks:
    """Tracks by one line of text, of a part "train", "val" or "test": "drawn:COUNT" or "human36m:/path".

    Raises PalmarError for what is neither.
    """
    kind, _, rest = data.partition(":")
    one_of("kind of tracks", kind, KINDS)
    one_of("part", part, SEEDS)
    if kind == "drawn":
        if not (rest.isascii() and rest.isdigit() and 0 < int(rest) < 10**7):
            raise PalmarError(f"{data}: what follows drawn: is how many clips, a whole number from 1.")
        return Tracks([drawn_track(part, i) for i in range(int(rest))], "hand", FPS)
    if not rest or not Path(rest).is_dir():
        raise PalmarError(f"{data}: no such folder; expected human36m:/path, the folder of its .npz files.")
    files = Human36m(Path(rest))
    clips = files.clips(part)
    tracks = [
        Track(screen(c.pixels, c.width, c.height).astype(np.float32), c.poses.astype(np.float32), 2 / c.width, c.name)
        for c in clips
    ]
    return Tracks(tracks, "body", HUMAN_FPS)


class Batches:
    """Number of a batch -> "image" [b, t, v, 2], windows with noise; "pose" [b, v, 3] of the middles and "poses" of all
    frames [b, t, v, 3], metres about the root."""

    def __init__(self, tracks: Tracks, frames: int, *, size: int, seed: int, noise: float = 0.0) -> None:
        """noise: pixels, standard deviation on every point of every frame."""
        self.tracks, self.frames, self.size, self.seed, self.noise = tracks.tracks, frames, size, seed, noise
        self.rows = [windows(len(track.points), frames) for track in self.tracks]

    def __call__(self, number: int) -> dict[str, np.ndarray]:
        rng = np.random.default_rng((self.seed, number))
        which = rng.integers(len(self.tracks), size=self.size)
        points, poses = [], []
        for i in which:
            rows = self.rows[i][rng.integers(len(self.rows[i]))]
            track = self.tracks[i]
            points.append(noisy(track.points[rows], track.pixel * self.noise, rng))
            true = track.poses[rows]
            poses.append(true - true[:, ROOT : ROOT + 1])
        all_ = np.stack(poses).astype(np.float32)
        return {"image": np.stack(points), "poses": all_, "pose": all_[:, self.frames // 2]}


def noisy(points: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """With errors of a standard deviation in screen units."""
    return (points + sigma * rng.standard_normal(points.shape)).astype(np.float32) if sigma else points
