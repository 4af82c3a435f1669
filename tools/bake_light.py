"""Bake the surroundings that light the synthetic world from two collections of CC0 panoramas.

    python tools/bake_light.py PMNDRS BLENDER            writes src/palmar/synth/assets/environments.npz and .json
    python tools/bake_light.py PMNDRS BLENDER --check    bakes again and compares

PMNDRS: the unpacked npm package @pmndrs/assets 1.7.0 (CC0-1.0). BLENDER: datafiles/studiolights/world of Debian's
blender-data 3.4.1 (panoramas by Greg Zaal, CC0-1.0 by the folder's own licence file). Needs `pip install OpenEXR`
beside palmar. Each panorama is brought to a mean radiance of 1 and split into a lamp, nine spherical harmonics of the
rest, and a picture as a camera would show it: a JPEG of 512 x 256 pixels in which a radiance of 1 has the linear value
PICTURE_UNIT.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from asset import npz_bytes

from palmar.render import lamp_from_environment, sh_from_environment
from palmar.synth.environment import ASSETS, PICTURE_UNIT

WIDTH, HEIGHT = 512, 256
LEFT_OUT = ("pmndrs/sunrise", "pmndrs/studio")
"""The same places as Blender's."""


def panorama(exr: bytes) -> np.ndarray:
    """Linear RGB [HEIGHT, WIDTH, 3] of an OpenEXR file.

    Some were resized with a filter that left dark rings around lamps, below zero; those pixels take the brightest value
    beside them.
    """
    import OpenEXR

    with tempfile.NamedTemporaryFile(suffix=".exr") as file:
        file.write(exr)
        file.flush()
        with OpenEXR.File(file.name) as image:
            channels = image.channels()
            if "RGB" in channels or "RGBA" in channels:
                pixels = channels["RGB" if "RGB" in channels else "RGBA"].pixels[..., :3]
            else:
                pixels = np.stack([channels[c].pixels for c in "RGB"], -1)
    pixels = np.minimum(np.asarray(pixels, np.float32), 3.0e4)
    ring = pixels.min(-1) < -1e-2
    pixels[ring] = cv2.dilate(pixels, np.ones((5, 5), np.uint8))[ring]
    pixels = np.maximum(pixels, 0.0)
    return cv2.resize(pixels, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)


def collections(pmndrs: Path, blender: Path) -> dict[str, np.ndarray]:
    found = {}
    for file in sorted((pmndrs / "hdri").glob("*.exr.js")):
        text = file.read_text(encoding="ascii")
        found[f"pmndrs/{file.name.split('.')[0]}"] = base64.b64decode(text.split("base64,")[1].split("'")[0])
    for file in sorted(blender.glob("*.exr")):
        found[f"blender/{file.stem}"] = file.read_bytes()
    return {name: panorama(data) for name, data in found.items() if name not in LEFT_OUT}


def bake(pmndrs: Path, blender: Path) -> tuple[bytes, dict]:
    names, sh, directions, colours, pictures = [], [], [], [], []
    elevation = (0.5 - (np.arange(HEIGHT) + 0.5) / HEIGHT) * np.pi
    weight = np.cos(elevation)[:, None, None] / (np.cos(elevation).mean())
    for name, light in collections(pmndrs, blender).items():
        light = light / max(float((light * weight).mean()), 1e-9)
        direction, colour, rest = lamp_from_environment(light)
        shown = np.clip(light * PICTURE_UNIT, 0.0, 1.0)
        coded = np.where(shown <= 0.0031308, 12.92 * shown, 1.055 * np.maximum(shown, 1e-9) ** (1 / 2.4) - 0.055)
        jpeg = cv2.imencode(".jpg", (coded[..., ::-1] * 255 + 0.5).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
        names.append(name)
        sh.append(np.round(sh_from_environment(rest), 6))
        directions.append(np.round(direction, 6))
        colours.append(np.round(colour, 6))
        pictures.append(jpeg.ravel())
    arrays = {
        "names": np.array(names),
        "sh": np.stack(sh).astype(np.float32),
        "lamp_direction": np.stack(directions).astype(np.float32),
        "lamp_colour": np.stack(colours).astype(np.float32),
        "pictures": np.concatenate(pictures),
        "picture_ends": np.cumsum([len(p) for p in pictures]).astype(np.int64),
    }
    data = npz_bytes(arrays)
    card = {
        "asset": "environments.npz",
        "sha256": hashlib.sha256(data).hexdigest(),
        "licence": "CC0-1.0",
        "source": "panoramas of Poly Haven and Greg Zaal, as carried by @pmndrs/assets 1.7.0 and blender-data 3.4.1",
        "script": "tools/bake_light.py",
        "environments": names,
    }
    return data, card


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pmndrs", type=Path)
    parser.add_argument("blender", type=Path)
    parser.add_argument("--check", action="store_true", help="compare with the asset instead of writing it")
    args = parser.parse_args()
    data, card = bake(args.pmndrs, args.blender)
    if args.check:
        same = (ASSETS / "environments.npz").read_bytes() == data
        print("the same, byte for byte" if same else "DIFFERENT", file=sys.stderr)
        return 0 if same else 1
    ASSETS.mkdir(parents=True, exist_ok=True)
    (ASSETS / "environments.npz").write_bytes(data)
    (ASSETS / "environments.json").write_text(json.dumps(card, indent=2) + "\n")
    print(f"{len(card['environments'])} environments, {len(data) / 1e6:.2f} MB", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
