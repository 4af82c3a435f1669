"""Make the clip that `palmar demo` tracks, and its exact truth for the tests.

    python tools/make_demo.py

Writes src/palmar/demo/demo.mp4 (640 x 480, 24 frames a second, one right hand of the synthetic world through eight
gestures) and tests/tracking/demo_truth.npz (frame by frame: keypoints in pixels, joints in metres of the camera frame,
the camera). A pure function of the seed below.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from palmar.geometry.camera import Camera
from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.media import VideoWriter
from palmar.render import Light, render, sh_from_lobes
from palmar.synth import gestures
from palmar.synth.background import Backgrounds
from palmar.synth.scene import place_hand
from palmar.synth.sensor import develop
from palmar.synth.skin import sample_skin

ROOT = Path(__file__).parent.parent
SEED = 33
FPS, WIDTH, HEIGHT = 24, 640, 480
HOLD_S, MOVE_S = 0.35, 0.30
GESTURES = ("flat", "open wide", "peace", "count 3", "point", "fist", "thumb up", "ok", "flat")
FINGERS_UP = np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])
"""camera_from_hand of a raised right hand with its palm to the camera."""


def minimum_jerk(t: float) -> float:
    """0 to 1 with no speed and no acceleration at both ends. Flash and Hogan 1985."""
    t = min(max(t, 0.0), 1.0)
    return t**3 * (10 - 15 * t + 6 * t * t)


def angles_at(time: float) -> np.ndarray:
    step = HOLD_S + MOVE_S
    k = min(int(time / step), len(GESTURES) - 2)
    share = minimum_jerk((time - k * step - HOLD_S) / MOVE_S)
    a, b = (gestures.shape(name) for name in GESTURES[k : k + 2])
    return a + share * (b - a)


def main() -> None:
    camera = Camera.from_fov(WIDTH, HEIGHT, np.deg2rad(60.0))
    window = np.array([[-0.5, -0.6, -0.62]]) / np.linalg.norm([-0.5, -0.6, -0.62])
    light = Light(
        sh=sh_from_lobes(window, np.array([[0.9, 0.95, 1.0]]), np.array([2.0]), ambient=np.array([0.32, 0.30, 0.28])),
        directions=window.astype(np.float32),
        colours=np.array([[0.55, 0.52, 0.48]], np.float32),
        shadows=np.array([True]),
        wrap=np.array([0.1, 0.02, 0.015], np.float32),
        shadow_size=256,
    )
    skin = sample_skin(np.random.default_rng((SEED, 2)), tone=5, gloves=0.0, painted=0.0)
    background = Backgrounds().sample(np.random.default_rng((21, 3)), HEIGHT, WIDTH)
    noise = np.random.default_rng((SEED, 4))
    count = round((len(GESTURES) - 1) * (HOLD_S + MOVE_S) * FPS)
    keypoints, joints = [], []
    (ROOT / "src/palmar/demo").mkdir(exist_ok=True)
    with VideoWriter(ROOT / "src/palmar/demo/demo.mp4", FPS, crf=26, preset="slow") as video:
        for frame in range(count):
            time = frame / FPS
            sway = np.array([0.20 * np.sin(0.9 * time), 0.25 * np.sin(0.7 * time + 1.0), 0.12 * np.sin(1.1 * time)])
            place = np.array(
                [0.07 * np.sin(0.8 * time), -0.02 + 0.02 * np.sin(1.3 * time), 0.45 + 0.05 * np.sin(0.5 * time)]
            )
            hand = place_hand(
                np.random.default_rng((SEED, 5)),
                place,
                skin=skin,
                arm=(0.5, 0.6),
                posed_as=(angles_at(time), rotmat_from_rotvec(sway) @ FINGERS_UP),
            )
            drawn = render(hand.mesh, camera.matrix, HEIGHT, WIDTH, light, supersample=2)
            linear = 0.8 * drawn.rgb + background * (1 - drawn.alpha[..., None])
            linear += noise.normal(0, 0.004, linear.shape).astype(np.float32)
            video.add(develop(linear).astype(np.uint8), time)
            keypoints.append(camera.project(hand.joints.astype(float)))
            joints.append(hand.joints)
            print(f"\r{frame + 1}/{count}", end="", file=sys.stderr, flush=True)
    np.savez_compressed(
        ROOT / "tests/tracking/demo_truth.npz",
        keypoints=np.array(keypoints, np.float32),
        joints=np.array(joints, np.float32),
        hfov=np.deg2rad(60.0),
        note="made by tools/make_demo.py; kind: exact truth of a synthetic clip",
    )


if __name__ == "__main__":
    main()
