"""Run by the Python of another environment, one that has MediaPipe 0.10.21: nothing of palmar is imported here.

Reads one JSON object a line from standard input, {"static": bool, "fresh": bool, "complexity": 0 for the lite model or
1 for the full one, "most": hands looked for, "frames": [paths of .npy, each uint8 RGB [t, h, w, 3]], "out": path of an
.npz}, and answers one line for each, {"done": path}, once the file is written. The .npz holds one row per hand: frame
(counted over all the files), keypoints px, joints m, side (0 left, 1 right: the person's own), score; and ms for every
frame. "fresh" forgets the frames before; otherwise a video goes on from the last request of its kind.
"""

import json
import sys
import time

import numpy as np


def main() -> None:
    import mediapipe  # pyright: ignore[reportMissingImports]

    answer = sys.stdout
    sys.stdout = sys.stderr  # whatever the library prints stays out of the answers
    opened = {}
    answer.write(json.dumps({"version": str(getattr(mediapipe, "__version__", "unknown"))}) + "\n")
    answer.flush()
    for line in sys.stdin:
        request = json.loads(line)
        kind = request["static"], request["complexity"], request["most"]
        if request["fresh"] and kind in opened:
            opened.pop(kind).close()
        if kind not in opened:
            opened[kind] = mediapipe.solutions.hands.Hands(
                static_image_mode=kind[0], model_complexity=kind[1], max_num_hands=kind[2]
            )
        hands = opened[kind]
        rows = {"frame": [], "keypoints": [], "joints": [], "side": [], "score": []}
        ms = []
        for path in request["frames"]:
            for image in np.load(path):
                image = np.ascontiguousarray(image)
                begin = time.perf_counter()
                found = hands.process(image)
                ms.append(1e3 * (time.perf_counter() - begin))
                if not found.multi_hand_landmarks:
                    continue
                size = np.array([image.shape[1], image.shape[0]])
                for points, world, which in zip(  # noqa: B905
                    found.multi_hand_landmarks, found.multi_hand_world_landmarks, found.multi_handedness
                ):
                    rows["frame"].append(len(ms) - 1)
                    rows["keypoints"].append(np.array([(p.x, p.y) for p in points.landmark]) * size)
                    rows["joints"].append([(p.x, p.y, p.z) for p in world.landmark])
                    rows["side"].append(which.classification[0].label == "Left")  # it names the side in a mirror
                    rows["score"].append(which.classification[0].score)
        n = len(rows["frame"])
        np.savez(
            request["out"],
            ms=np.array(ms),
            frame=np.array(rows["frame"], int).reshape(n),
            keypoints=np.array(rows["keypoints"], float).reshape(n, 21, 2),
            joints=np.array(rows["joints"], float).reshape(n, 21, 3),
            side=np.array(rows["side"], int).reshape(n),
            score=np.array(rows["score"], float).reshape(n),
        )
        answer.write(json.dumps({"done": request["out"]}) + "\n")
        answer.flush()


if __name__ == "__main__":
    main()
