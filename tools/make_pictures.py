"""Make the pictures of the documentation.

    python tools/make_pictures.py

docs/hand.png: the hand in the poses that go wrong first, right hand from three sides and the left hand (see `poses`).
docs/hero.png: the clip of `palmar demo`, tracked, every sixth of a second.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

import palmar
from palmar.hand import HandModel
from palmar.media import write_image
from palmar.render import Light, Mesh, render
from palmar.synth import gestures
from palmar.view.mesh import draw_mesh
from palmar.view.sheet import sheet

ROOT = Path(__file__).parent.parent
TILE = 200
VIEWS = {
    "palm": np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]]),
    "back": np.array([[0.0, 0, -1], [1, 0, 0], [0, -1, 0]]),
    "side": np.array([[0.0, 1, 0], [1, 0, 0], [0, 0, -1]]),
}
"""camera_from_hand of the right hand, fingers up."""


def poses() -> dict[str, np.ndarray]:
    """Name -> anatomical angles [5, 3, 3]."""
    named = {name: gestures.shape(name) for name in ("flat", "fist", "open wide", "pinch", "ok", "thumb up")}
    opposed = np.zeros((5, 3, 3))
    opposed[0] = np.deg2rad([[35, 25, 30], [25, 0, 0], [30, 0, 0]])
    opposed[4, :, 0] = np.deg2rad([60, 50, 30])
    named["opposition"] = opposed
    for finger, name in enumerate(("thumb", "index", "middle", "ring", "little")):
        bent = np.zeros((5, 3, 3))
        bent[finger, :, 0] = np.deg2rad([60, 70, 45] if finger else [30, 40, 50])
        named[f"{name} bent"] = bent
    return named


def hand_sheet(tile: int = TILE) -> np.ndarray:
    """The contact sheet of the hand [rows x tile, poses x tile, 3], RGB: palm, back, side of the right hand, then the
    left palm."""
    light = Light(
        sh=np.concatenate([np.full((1, 3), 1.2), np.zeros((8, 3))]).astype(np.float32),
        directions=np.array([[-0.4, -0.6, -0.69]], np.float32) / np.float32(np.linalg.norm([-0.4, -0.6, -0.69])),
        colours=np.full((1, 3), 0.9, np.float32), shadows=np.array([True]), shadow_size=256,
    )
    f = tile * 0.62 / 0.26
    matrix = np.array([[f, 0, tile / 2 - 0.5], [0, f, tile * 0.70], [0, 0, 1]])
    tiles = []
    for side, view in ((1, "palm"), (1, "back"), (1, "side"), (0, "palm")):
        model = HandModel.default(side)
        turn = VIEWS[view] if side else np.diag([-1.0, 1, 1]) @ VIEWS[view] @ np.diag([-1.0, 1, 1])
        for angles in poses().values():
            posed = model.shaped(np.zeros(10)).posed(model.rotations_from_angles(angles))
            vertices = (posed.skin() @ turn.T + [0, 0, 0.62]).astype(np.float32)
            albedo = np.tile(np.array([0.50, 0.33, 0.25], np.float32), (len(vertices), 1))
            out = render(Mesh(vertices, model.faces, albedo), matrix, tile, tile, light, supersample=3)
            linear = out.rgb + 0.85 * (1 - out.alpha[..., None])
            tiles.append((255 * np.clip(linear, 0, 1) ** (1 / 2.2)).astype(np.uint8))
    return sheet(tiles, columns=len(poses()))


def hero() -> np.ndarray:
    """Frames of the demo clip as they came (above) and with the tracked skeleton and mesh (below), RGB."""
    clip = palmar.track(ROOT / "src/palmar/demo/demo.mp4")
    above, below = [], []
    for frame in clip.frames:
        if frame.index % 21 != 8 or len(above) == 6:
            continue
        hands = clip.hands.filter(frame=frame.index)
        drawn = palmar.draw(draw_mesh(frame.image, hands, clip.camera), hands)
        crop = slice(20, 420), slice(120, 520)
        above.append(cv2.resize(frame.image[crop], (220, 220), interpolation=cv2.INTER_AREA))
        below.append(cv2.resize(drawn[crop], (220, 220), interpolation=cv2.INTER_AREA))
    return sheet(above + below, columns=len(above))


if __name__ == "__main__":
    write_image(ROOT / "docs" / "hand.png", hand_sheet())
    write_image(ROOT / "docs" / "hero.png", hero())
