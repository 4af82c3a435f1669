"""`track`: the stage Clip -> Clip that finds the hands of a whole recording."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import onnxruntime

import palmar
from palmar.errors import PalmarError
from palmar.geometry.camera import Camera
from palmar.media.source import Source, read
from palmar.tracking.networks import Networks, OnnxNetworks
from palmar.tracking.settle import one_side_each
from palmar.tracking.tracker import ASSUMED_FOV, Tracker, hands_of
from palmar.types import Clip, Frame, Hands


def track(
    source: Clip | Source,
    *,
    max_hands: int = 2,
    camera: Camera | None = None,
    fov: float | None = None,
    device: str = "cpu",
    mirrored: bool | None = None,
    stills: bool | None = None,
    smooth: bool = True,
    detect_every: int = 5,
    threads: int | None = None,
    weights: str | Path | None = None,
    networks: Networks | None = None,
    progress: Callable[[int, int | None], None] | None = None,
    observe: Callable[[Frame, Hands], None] | None = None,
) -> Clip:
    """The clip with its hands: boxes, keypoints, and joints, pose and shape in the camera's frame.

    source: a clip, or what `palmar.read` takes. camera, fov (degrees from left to right edge), mirrored, stills: as
    there; None: what the clip says of itself. Where neither says anything of the camera one is assumed, and
    info["assumptions"] and `camera_note` say so.
    max_hands: followed at once. smooth: False gives the networks' answers as they are.
    weights: a folder with other networks than the package's. networks: already opened ones; then device, threads and
    weights say nothing and must be left alone.
    progress: called after each frame with the number done and, where known, the number of all. observe: called with
    each frame and its hands as they are found; sides may still be put right afterwards, in what is returned. A webcam
    is followed until it stops or is interrupted from the keyboard, which ends the clip and is no error.
    Raises PalmarError for bad input. Frames that cannot be decoded are named in a PalmarWarning, and in
    info["warnings"].
    """
    if not isinstance(source, Clip):
        source = read(source, stills=bool(stills), camera=camera, fov=fov, mirrored=bool(mirrored))
        camera = fov = None
    clip = source
    if networks is not None and (device != "cpu" or threads is not None or weights is not None):
        raise PalmarError("networks that are open already have their device, threads and weights; leave these out.")
    stills = bool(clip.info.get("stills")) if stills is None else stills
    mirrored = bool(clip.info.get("mirrored")) if mirrored is None else mirrored
    known, note = _known_camera(clip, camera, fov)
    networks = networks or OnnxNetworks(weights, device=device, threads=threads)
    tracker = Tracker(
        networks,
        max_hands=max_hands,
        camera=known,
        mirrored=mirrored,
        stills=stills,
        smooth=smooth,
        detect_every=detect_every,
    )

    rows: list[dict[str, np.ndarray]] = []
    opinions: list[np.ndarray] = []
    turns: list[np.ndarray] = []
    times: list[float | None] = []
    cameras: list[Camera] = []
    try:
        for frame in clip.frames:
            columns = tracker.columns(frame)
            if columns:
                rows.append(columns)
                opinions.append(tracker.opinion.log_odds_right)
                turns.append(tracker.opinion.camera_from_crop)
            times.append(frame.time)
            if tracker.camera is not None and (not cameras or tracker.camera is not cameras[-1]):
                cameras.append(tracker.camera)
            if observe is not None:
                observe(frame, hands_of([columns]))
            if progress is not None:
                progress(len(times), clip.frames.count)
    except KeyboardInterrupt:
        if not clip.frames.source.startswith("webcam:") or not times:
            raise

    hands = hands_of(rows)
    one = cameras[0] if len(set(cameras)) == 1 else None
    if len(hands) and not stills and one is not None:
        hands = one_side_each(hands, np.concatenate(opinions), np.concatenate(turns), one, mirrored=mirrored)
    assumptions = _assumptions(mirrored)
    if known is None:
        assumptions["field_of_view"] = (
            f"{math.degrees(ASSUMED_FOV):.0f} degrees across the longer side of the picture, a pinhole: {note}. "
            "Distances from the camera are in error by the factor that the focal length is"
        )
        note = f"assumed, {assumptions['field_of_view']}"
    if one is None and cameras:
        note += "; frames differ in size, so there is no one camera"
    info: dict[str, Any] = {
        **clip.info,
        "versions": _versions(),
        "weights": dict(networks.hashes),
        "assumptions": assumptions,
        "mirrored": mirrored,
        "stills": stills,
        "smooth": tracker.smooth,
        "max_hands": tracker.max_hands,
        "detect_every": tracker.detect_every,
        "frames": len(times),
        "times": None if stills or None in times else [round(t, 6) for t in times if t is not None],
    }
    if fov is not None:
        info["fov_deg"] = float(fov)
    notes = list(getattr(clip.frames, "notes", ()))
    if notes:
        info["warnings"] = notes
    return clip.replace(camera=one, camera_note=note, hands=hands, info=info)


def _known_camera(
    clip: Clip, camera: Camera | None, fov: float | None
) -> tuple[Camera | Callable[[int, int], Camera] | None, str]:
    """The camera, or how to make it for a picture's size, or None; and why."""
    if camera is not None and fov is not None:
        raise PalmarError("give a camera or a field of view, not both.")
    if camera is not None:
        return camera, "given"
    if fov is None and clip.camera is not None:
        return clip.camera, clip.camera_note
    if fov is None:
        fov = clip.info.get("fov_deg")
    if fov is None:
        return None, clip.camera_note
    if not 0 < fov < 180:
        raise PalmarError(f"the field of view must lie between 0 and 180 degrees, got {fov!r}.")
    radians = math.radians(fov)
    note = f"from the field of view given, {fov:g} degrees left to right"
    return (lambda width, height: Camera.from_fov(width, height, radians)), note


def _versions() -> dict[str, str]:
    """Of what the numbers depend on."""
    return {
        "palmar": palmar.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "onnxruntime": onnxruntime.__version__,
        "av": av.__version__,
    }


_MIRRORED = (
    "the recording was said to be mirrored: sides are swapped; joints, pose and translation are those of the real "
    "hand, their x changes sign against the pixels"
)
_NOT_MIRRORED = "the recording was taken not to be mirrored; in a selfie view, left and right are the other way round"


def _assumptions(mirrored: bool) -> dict[str, str]:
    """What the three-dimensional columns rest on besides the pictures."""
    return {
        "hand_size": "the hand's size is the networks' estimate from its looks, near that of a mean adult; no picture "
        "shows it for certain, and distances and joints are in error by the same factor as it is",
        "mirrored": _MIRRORED if mirrored else _NOT_MIRRORED,
    }
