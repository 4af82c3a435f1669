"""The interfaces of MediaPipe's hand tracking, on palmar's tracker: change one import and a script runs on.

    import palmar.compat.mediapipe as mp                 # import mediapipe as mp

    with mp.solutions.hands.Hands(max_num_hands=2) as hands:
        results = hands.process(rgb)

Names, arguments and the shape of results are MediaPipe's: `solutions.hands`, `solutions.drawing_utils`,
`solutions.drawing_styles`, and of the newer tasks `tasks.vision.HandLandmarker`. What differs stands in
docs/coming-from-mediapipe.md; above all: no model file is needed, and nothing is loaded from a network.
"""

from __future__ import annotations

from types import SimpleNamespace

from palmar.compat.mediapipe import drawing as _drawing
from palmar.compat.mediapipe import landmarker as _landmarker
from palmar.compat.mediapipe import legacy as _legacy
from palmar.compat.mediapipe.landmarker import Image, ImageFormat

solutions = SimpleNamespace(
    hands=SimpleNamespace(
        Hands=_legacy.Hands, HandLandmark=_legacy.HandLandmark, HAND_CONNECTIONS=_legacy.HAND_CONNECTIONS
    ),
    drawing_utils=SimpleNamespace(
        draw_landmarks=_drawing.draw_landmarks,
        DrawingSpec=_drawing.DrawingSpec,
        RED_COLOR=_drawing.RED_COLOR,
        GREEN_COLOR=_drawing.GREEN_COLOR,
        BLUE_COLOR=_drawing.BLUE_COLOR,
        WHITE_COLOR=_drawing.WHITE_COLOR,
    ),
    drawing_styles=SimpleNamespace(
        get_default_hand_landmarks_style=_drawing.get_default_hand_landmarks_style,
        get_default_hand_connections_style=_drawing.get_default_hand_connections_style,
    ),
)
"""As `mediapipe.solutions` had it."""
_vision = SimpleNamespace(
    HandLandmarker=_landmarker.HandLandmarker,
    HandLandmarkerOptions=_landmarker.HandLandmarkerOptions,
    HandLandmarkerResult=_landmarker.HandLandmarkerResult,
    HandLandmarksConnections=SimpleNamespace(HAND_CONNECTIONS=_legacy.CONNECTION_OBJECTS),
    RunningMode=_landmarker.RunningMode,
)
tasks = SimpleNamespace(
    BaseOptions=_landmarker.BaseOptions,
    vision=_vision,
    python=SimpleNamespace(BaseOptions=_landmarker.BaseOptions, vision=_vision),
)
"""As `mediapipe.tasks` has it."""

__all__ = ["Image", "ImageFormat", "solutions", "tasks"]
