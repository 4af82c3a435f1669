"""Measure where another tracker puts the 21 points on palmar's hand: how LANDMARK_OFFSETS in tools/bake_hand.py came
about.

    python tools/measure_landmarks.py render FOLDER        pictures of the hand and truth.npz (palmar's environment)
    python tools/measure_landmarks.py mediapipe FOLDER     opinion.npz (one with mediapipe 0.10.21, Apache-2.0)
    python tools/measure_landmarks.py fit FOLDER           the offsets, and the disagreement before and after

An offset is a vector in the rest frame of the joint's bone, over the distance wrist to middle MCP; each joint's is a
robust (iteratively reweighted) least-squares fit of the differences in the pictures. The offsets are relative to the
landmarks of the asset in the package: run on an asset baked with all offsets zero, they are those of the bake; on
today's, close to zero.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

PICTURES = 700
SIZE = 384


def render(folder: Path) -> None:
    import cv2
    from scipy.spatial.transform import Rotation

    from palmar.hand import HandModel
    from palmar.hand.joints import BONE_OF_JOINT
    from palmar.render import Mesh
    from palmar.render import render as draw
    from palmar.synth.anatomy import forearm, stub_ring, surface_masks, tube_faces
    from palmar.synth.light import sample_light
    from palmar.synth.sensor import develop

    folder.mkdir(parents=True, exist_ok=True)
    model = HandModel.default()
    masks = surface_masks(model)
    fingers_up = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]], float)  # palm to the camera
    f = SIZE * 1.28
    matrix = np.array([[f, 0, SIZE / 2], [0, f, SIZE * 0.55], [0, 0, 1]])
    truth: dict[str, list] = {"keypoints": [], "rotations": [], "pixels_per_metre": [], "palm": []}
    for index in range(PICTURES):
        rng = np.random.default_rng((7, index))
        shape = rng.normal(0, 0.8, 10).clip(-2, 2)
        shape[0] = rng.normal(0, 0.3)
        angles = np.zeros((5, 3, 3))
        open_hand = rng.random() < 0.5
        angles[1:, 0, 0] = rng.uniform(0, 0.3 if open_hand else 1.2, 4)
        angles[1:, 1, 0] = rng.uniform(0, 0.4 if open_hand else 1.3, 4)
        angles[1:, 2, 0] = 0.6 * angles[1:, 1, 0]
        angles[1:, 0, 1] = rng.normal(0, 0.07, 4)
        angles[0] = rng.normal(0.1, 0.2, (3, 3))
        angles[0, 1:, 1:] = 0
        turn = Rotation.from_rotvec(rng.normal(0, [0.35, 0.35, 0.25])).as_matrix() @ fingers_up
        if rng.random() < 0.4:
            turn = np.diag([-1, 1, -1]) @ turn  # the back of the hand
        shaped = model.shaped(shape)
        posed = shaped.posed(model.rotations_from_angles(angles))
        joints, vertices = posed.joints(), posed.skin()
        arm = forearm(vertices[stub_ring(model)], np.array([1.0, 0, 0]), 0.2, 1.4)
        skin = np.array([0.45, 0.29, 0.20])
        nail = masks["nail"][:, None]
        albedo = np.concatenate([skin * (1 - nail) + nail * np.array([0.6, 0.4, 0.33]), np.tile(skin, (len(arm), 1))])
        place = lambda p: (p - joints[9]) @ turn.T + [0, 0, 0.55]  # noqa: B023, E731
        mesh = Mesh(
            place(np.concatenate([vertices, arm])).astype(np.float32),
            np.concatenate([model.faces, tube_faces(6, 20) + len(vertices)]).astype(np.int32),
            albedo.astype(np.float32),
        )
        out = draw(mesh, matrix, SIZE, SIZE, sample_light(rng))
        ground = 2 * cv2.GaussianBlur(rng.uniform(0.02, 0.6, (SIZE, SIZE, 3)), (0, 0), 60).astype(np.float32)
        picture = develop(out.rgb + ground * (1 - out.alpha[..., None]))
        cv2.imwrite(str(folder / f"{index:04d}.png"), picture.astype(np.uint8)[:, :, ::-1])
        p = place(joints) @ matrix.T
        truth["keypoints"].append(p[:, :2] / p[:, 2:])
        truth["rotations"].append((turn @ posed.bone_rotations)[list(BONE_OF_JOINT)])
        truth["pixels_per_metre"].append(f / p[:, 2])
        truth["palm"].append(np.linalg.norm(shaped.rest_joints[4] - shaped.rest_joints[0]))
    np.savez(folder / "truth.npz", **{name: np.array(rows) for name, rows in truth.items()})


def mediapipe(folder: Path) -> None:
    import cv2
    import mediapipe as mp  # pyright: ignore[reportMissingImports]

    tracker = mp.solutions.hands.Hands(
        static_image_mode=True, max_num_hands=1, model_complexity=1, min_detection_confidence=0.3
    )
    keypoints = np.full((PICTURES, 21, 2), np.nan)
    for index in range(PICTURES):
        picture = np.ascontiguousarray(cv2.imread(str(folder / f"{index:04d}.png"))[:, :, ::-1])
        found = tracker.process(picture).multi_hand_landmarks
        if found:
            keypoints[index] = [[p.x * SIZE - 0.5, p.y * SIZE - 0.5] for p in found[0].landmark]
    np.savez(folder / "opinion.npz", keypoints=keypoints)


def fit(folder: Path) -> None:
    truth, opinion = np.load(folder / "truth.npz"), np.load(folder / "opinion.npz")["keypoints"]
    ours = truth["keypoints"]
    size = np.ptp(ours, axis=1).max(1)
    error = np.linalg.norm(opinion - ours, axis=-1) / size[:, None]
    good = np.isfinite(error).all(1) & (np.median(error, 1) < 0.08)  # the rest did not see this hand
    print(f"found {np.isfinite(error).all(1).mean():.3f}, used {good.mean():.3f}")
    after = np.zeros(21)
    for j in range(21):
        scale = (truth["pixels_per_metre"][good, j] * truth["palm"][good] / size[good])[:, None, None]
        a = (truth["rotations"][good, j, :2] * scale).reshape(-1, 3)
        b = ((opinion - ours)[good, j] / size[good, None]).reshape(-1)
        weight = np.ones(len(b))
        for _ in range(20):
            offset = np.linalg.solve(a.T @ (a * weight[:, None]) + 1e-6 * len(b) * np.eye(3), a.T @ (weight * b))
            miss = np.linalg.norm((b - a @ offset).reshape(-1, 2), axis=1)
            weight = np.repeat(1 / np.maximum(miss, 0.02), 2)
        after[j] = miss.mean()
        print(f"{j:2d} ({', '.join(f'{x:.3f}' for x in offset)})   {error[good, j].mean():.4f} -> {after[j]:.4f}")
    print(f"mean disagreement over the hand's longer side {error[good].mean():.4f} -> {after.mean():.4f}")


if __name__ == "__main__":
    {"render": render, "mediapipe": mediapipe, "fit": fit}[sys.argv[1]](Path(sys.argv[2]))
