"""COCO-WholeBody style JSON: an image for every frame, an annotation for every hand, 21 keypoints each.

`lefthand_kpts` and `righthand_kpts` are as in COCO-WholeBody (x, y, v one after the other; v 2 seen, 0 not labelled),
with the hand's box as `lefthand_box` or `righthand_box` (x, y, width, height) and `lefthand_valid`, `righthand_valid`.
The same hand stands as `keypoints` of category 1 or 2 (left, right), which plain COCO readers understand. Pixels count
from a pixel's corner in COCO, from its centre in palmar: half a pixel is added.
"""

from __future__ import annotations

import json
import math
from pathlib import Path, PurePath
from typing import Any

from palmar.export.motion import frames_of, scores
from palmar.export.options import PLAIN, Options
from palmar.hand.joints import BONES, JOINTS
from palmar.media import whole_file
from palmar.types import Clip

SIDES = ("lefthand", "righthand")
CORNER = 0.5


def write(clip: Clip, path: Path, options: Options = PLAIN) -> None:
    """Raises PalmarError where the file cannot be written."""
    with whole_file(path) as part:
        part.write_text(json.dumps(labelled(clip), allow_nan=False), encoding="utf-8")


def labelled(clip: Clip) -> dict[str, Any]:
    """What the file holds. Keypoints without confidence are 0 0 0, as are a box and a score that are not numbers."""
    hands, names = clip.hands, clip.frames.names
    count = frames_of(clip)
    size = {} if clip.camera is None else {"width": clip.camera.width, "height": clip.camera.height}
    source = PurePath(clip.frames.source).name
    images = [
        {"id": i, "file_name": PurePath(names[i]).name if names and i < len(names) else f"{source}#{i:06d}", **size}
        for i in range(count)
    ]
    score = scores(hands)
    out: list[dict[str, Any]] = []
    for row in range(len(hands)):
        side = int(hands.side[row])
        x0, y0, x1, y1 = (hands.box[row].astype(float) + CORNER).tolist()
        box = [round(v, 3) if math.isfinite(v) else 0.0 for v in (x0, y0, x1 - x0, y1 - y0)]
        flat = [0.0] * 63
        if hands.keypoints is not None:
            for k, (x, y, confidence) in enumerate(hands.keypoints[row].tolist()):
                if confidence > 0 and math.isfinite(x + y):
                    flat[3 * k : 3 * k + 3] = [round(x + CORNER, 3), round(y + CORNER, 3), 2]
        found = sum(v > 0 for v in flat[2::3])
        mine, other = SIDES[side], SIDES[1 - side]
        out.append(
            {
                "id": row + 1,  # readers take a match with number 0 for none
                "image_id": int(hands.frame[row]),
                "category_id": side + 1,
                "track_id": int(hands.track[row]),
                "score": score[row],
                "iscrowd": 0,
                "segmentation": [],
                "bbox": box,
                "area": round(box[2] * box[3], 3),
                "num_keypoints": found,
                "keypoints": flat,
                f"{mine}_kpts": flat,
                f"{mine}_box": box,
                f"{mine}_valid": found > 0,
                f"{other}_kpts": [0.0] * 63,
                f"{other}_box": [0.0] * 4,
                f"{other}_valid": False,
            }
        )
    skeleton = [[a + 1, b + 1] for a, b in BONES]
    categories = [
        {"id": i + 1, "name": name, "supercategory": "hand", "keypoints": list(JOINTS), "skeleton": skeleton}
        for i, name in enumerate(("left_hand", "right_hand"))
    ]
    about = {"description": f"hands of {source}", "contributor": "palmar"}
    return {"info": about, "images": images, "annotations": out, "categories": categories}
