"""`mp.solutions.drawing_utils` and `drawing_styles`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from palmar.compat.mediapipe.results import LandmarkList
from palmar.errors import PalmarError

Colour = tuple[int, int, int]
WHITE_COLOR: Colour = (224, 224, 224)
BLACK_COLOR: Colour = (0, 0, 0)
RED_COLOR: Colour = (0, 0, 255)
GREEN_COLOR: Colour = (0, 128, 0)
BLUE_COLOR: Colour = (255, 0, 0)
FINGERS: tuple[Colour, ...] = ((60, 130, 240), (90, 210, 120), (240, 170, 60), (200, 110, 200), (70, 200, 230))
"""BGR, thumb to little."""


@dataclass
class DrawingSpec:
    """How a point or a line looks: BGR colour, thickness and radius in pixels."""

    color: Colour = WHITE_COLOR
    thickness: int = 2
    circle_radius: int = 2


POINTS, LINES = DrawingSpec(color=RED_COLOR), DrawingSpec()


def draw_landmarks(
    image: np.ndarray,
    landmark_list: LandmarkList,
    connections: Collection[tuple[int, int]] | None = None,
    landmark_drawing_spec: DrawingSpec | Mapping[int, DrawingSpec] | None = POINTS,
    connection_drawing_spec: DrawingSpec | Mapping[tuple[int, int], DrawingSpec] = LINES,
) -> None:
    """Draws on `image` itself, a BGR picture. landmark_drawing_spec: None draws lines alone. Raises PalmarError for a
    picture without three channels and for a line between points that are not there."""
    if image.ndim != 3 or image.shape[2] != 3:
        raise PalmarError("draw_landmarks: expected a picture of three channels.")
    if not landmark_list:
        return
    height, width = image.shape[:2]
    points = landmark_list.landmark
    at = [(int(p.x * width), int(p.y * height)) for p in points]
    inside = [0 <= p.x <= 1 and 0 <= p.y <= 1 for p in points]
    for pair in connections or ():
        start, end = int(pair[0]), int(pair[1])
        if not (0 <= start < len(points) and 0 <= end < len(points)):
            raise PalmarError(f"draw_landmarks: no line from {start} to {end} among {len(points)} points.")
        if inside[start] and inside[end]:
            spec = connection_drawing_spec
            spec = spec[(start, end)] if isinstance(spec, Mapping) else spec
            cv2.line(image, at[start], at[end], spec.color, spec.thickness)
    if landmark_drawing_spec is None:
        return
    for k, place in enumerate(at):
        if inside[k]:
            spec = landmark_drawing_spec
            spec = spec[k] if isinstance(spec, Mapping) else spec
            cv2.circle(
                image, place, max(spec.circle_radius + 1, int(spec.circle_radius * 1.2)), WHITE_COLOR, spec.thickness
            )
            cv2.circle(image, place, spec.circle_radius, spec.color, spec.thickness)


def get_default_hand_landmarks_style() -> dict[int, DrawingSpec]:
    """A colour for each finger."""
    return {k: DrawingSpec(WHITE_COLOR if k == 0 else FINGERS[(k - 1) // 4], -1, 5) for k in range(21)}


def get_default_hand_connections_style() -> dict[tuple[int, int], DrawingSpec]:
    """The same for lines; those of the palm are grey."""
    from palmar.compat.mediapipe.legacy import HAND_CONNECTIONS

    palm = {(0, 1), (0, 5), (5, 9), (9, 13), (13, 17), (0, 17)}
    return {
        pair: DrawingSpec((128, 128, 128) if pair in palm else FINGERS[(pair[0] - 1) // 4], 3 if pair in palm else 2)
        for pair in HAND_CONNECTIONS
    }
