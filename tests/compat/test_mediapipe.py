"""Scripts written for MediaPipe, run with one import changed; names, shapes and conventions of what comes back."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest

import palmar.compat.mediapipe as mp
from palmar.errors import PalmarError
from palmar.media import read


@pytest.fixture(scope="module")
def frames():
    """Every tenth picture of the clip in the package: one right hand, as any camera sees it."""
    from importlib.resources import files

    clip = read(str(files("palmar") / "demo" / "demo.mp4"))
    return [frame.image for frame in clip.frames if frame.index % 10 == 0][:4]


OLD = """
    import cv2
    import mediapipe as mp

    mp_drawing = mp.solutions.drawing_utils
    mp_drawing_styles = mp.solutions.drawing_styles
    mp_hands = mp.solutions.hands

    cap = cv2.VideoCapture(VIDEO)
    drawn = 0
    with mp_hands.Hands(model_complexity=0, min_detection_confidence=0.5, min_tracking_confidence=0.5) as hands:
        while cap.isOpened() and drawn < 5:
            success, image = cap.read()
            if not success:
                break
            image.flags.writeable = False
            image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
            results = hands.process(image)
            image.flags.writeable = True
            image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
            if results.multi_hand_landmarks:
                for hand_landmarks in results.multi_hand_landmarks:
                    before = image.copy()
                    mp_drawing.draw_landmarks(
                        image, hand_landmarks, mp_hands.HAND_CONNECTIONS,
                        mp_drawing_styles.get_default_hand_landmarks_style(),
                        mp_drawing_styles.get_default_hand_connections_style())
                    drawn += bool((image != before).any())
    cap.release()
    print("drawn", drawn)
"""
PICTURES = """
    import cv2
    import mediapipe as mp

    mp_hands = mp.solutions.hands
    cap = cv2.VideoCapture(VIDEO)
    image = cap.read()[1]
    with mp_hands.Hands(static_image_mode=True, max_num_hands=2, min_detection_confidence=0.5) as hands:
        results = hands.process(cv2.cvtColor(cv2.flip(image, 1), cv2.COLOR_BGR2RGB))
        print("Handedness:", results.multi_handedness[0].classification[0].label)
        height, width, _ = image.shape
        tip = results.multi_hand_landmarks[0].landmark[mp_hands.HandLandmark.INDEX_FINGER_TIP]
        print("tip inside", 0 < tip.x * width < width and 0 < tip.y * height < height, tip.HasField("visibility"))
        for hand_world_landmarks in results.multi_hand_world_landmarks:
            print(len(hand_world_landmarks.landmark))
"""
TASKS = """
    import cv2
    import mediapipe as mp

    BaseOptions = mp.tasks.BaseOptions
    HandLandmarker = mp.tasks.vision.HandLandmarker
    HandLandmarkerOptions = mp.tasks.vision.HandLandmarkerOptions
    VisionRunningMode = mp.tasks.vision.RunningMode

    options = HandLandmarkerOptions(
        base_options=BaseOptions(model_asset_path="hand_landmarker.task"),
        running_mode=VisionRunningMode.VIDEO, num_hands=2)
    cap = cv2.VideoCapture(VIDEO)
    with HandLandmarker.create_from_options(options) as landmarker:
        for i in range(3):
            frame = cv2.cvtColor(cap.read()[1], cv2.COLOR_BGR2RGB)
            mp_image = mp.Image(image_format=mp.ImageFormat.SRGB, data=frame)
            result = landmarker.detect_for_video(mp_image, i * 33)
            side = result.handedness[0][0].category_name
            print(len(result.hand_landmarks), side, len(result.hand_world_landmarks[0]))
"""


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (OLD, ["drawn 5"]),
        (PICTURES, ["Handedness: Right", "tip inside True False", "21"]),
        (TASKS, ["1 Left 21"] * 3),                                         # not mirrored: MediaPipe calls it Left
    ],
)
def test_a_script_runs_with_one_import_changed(script, said):
    from importlib.resources import files

    text = textwrap.dedent(script).replace("import mediapipe as mp", "import palmar.compat.mediapipe as mp")
    text = text.replace("VIDEO)", f"{str(files('palmar') / 'demo' / 'demo.mp4')!r})")
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:-1] == said


def test_landmarks_are_shares_of_the_picture_and_depth_from_the_wrist(frames):
    with mp.solutions.hands.Hands(static_image_mode=True, max_num_hands=1) as hands:
        results = hands.process(frames[0])
    (points,) = results.multi_hand_landmarks
    flat = np.array([[p.x, p.y, p.z] for p in points.landmark])
    assert flat.shape == (21, 3)
    assert ((flat[:, :2] > 0) & (flat[:, :2] < 1)).all()
    assert flat[0, 2] == pytest.approx(0, abs=1e-6)
    world = np.array([[p.x, p.y, p.z] for p in results.multi_hand_world_landmarks[0].landmark])
    np.testing.assert_allclose(world.mean(0), 0, atol=1e-6)
    assert 0.06 < np.linalg.norm(world[9] - world[0]) < 0.14                # a palm, in metres


def test_sides_are_those_of_a_mirror_image(frames):
    with mp.solutions.hands.Hands(static_image_mode=True, max_num_hands=1) as hands:
        plain = hands.process(frames[0]).multi_handedness[0].classification[0]
        mirror = hands.process(np.ascontiguousarray(frames[0][:, ::-1])).multi_handedness[0].classification[0]
    assert (plain.label, plain.index) == ("Left", 0)
    assert (mirror.label, mirror.index) == ("Right", 1)


def test_nothing_in_the_picture_is_none_there_and_empty_here():
    dark = np.zeros((60, 80, 3), np.uint8)
    with mp.solutions.hands.Hands() as hands:
        assert hands.process(dark) == (None, None, None)
    with mp.tasks.vision.HandLandmarker.create_from_model_path("any.task") as landmarker:
        found = landmarker.detect(mp.Image(image_format=mp.ImageFormat.SRGB, data=dark))
    assert found.hand_landmarks == found.handedness == found.hand_world_landmarks == []


def test_a_stream_calls_back(frames):
    heard = []
    vision = mp.tasks.vision
    options = vision.HandLandmarkerOptions(
        running_mode=vision.RunningMode.LIVE_STREAM,
        result_callback=lambda found, image, time: heard.append((len(found.hand_landmarks), image.width, time)),
    )
    with vision.HandLandmarker.create_from_options(options) as landmarker:
        for i, frame in enumerate(frames[:2]):
            landmarker.detect_async(mp.Image(mp.ImageFormat.SRGB, frame), 100 * i)
        with pytest.raises(PalmarError, match="must rise"):
            landmarker.detect_async(mp.Image(mp.ImageFormat.SRGB, frames[0]), 100)
        with pytest.raises(PalmarError, match="LIVE_STREAM"):
            landmarker.detect(mp.Image(mp.ImageFormat.SRGB, frames[0]))
    assert heard == [(1, frames[0].shape[1], 0), (1, frames[0].shape[1], 100)]


def test_names_and_lines():
    names = mp.solutions.hands.HandLandmark
    assert [names.WRIST, names.THUMB_TIP, names.INDEX_FINGER_MCP, names.PINKY_TIP] == [0, 4, 5, 20]
    assert len(names) == 21
    lines = mp.solutions.hands.HAND_CONNECTIONS
    assert len(lines) == 21
    assert {(0, 1), (5, 9), (0, 17), (19, 20)} <= lines
    assert set(mp.solutions.drawing_styles.get_default_hand_connections_style()) == set(lines)


@pytest.mark.parametrize(
    "call",
    [
        lambda: mp.solutions.hands.Hands(model_complexity=7),
        lambda: mp.solutions.hands.Hands(min_detection_confidence=2),
        lambda: mp.solutions.hands.Hands().process(np.zeros((4, 4), np.uint8)),
        lambda: mp.Image(data=None),
        lambda: mp.tasks.vision.HandLandmarker(mp.tasks.vision.HandLandmarkerOptions(result_callback=print)),
        lambda: mp.solutions.drawing_utils.draw_landmarks(np.zeros((4, 4), np.uint8), None),
    ],
)
def test_mistakes_are_said(call):
    with pytest.raises(PalmarError):
        call()


def test_closed_is_closed():
    hands = mp.solutions.hands.Hands()
    hands.close()
    with pytest.raises(PalmarError, match="closed"):
        hands.process(np.zeros((4, 4, 3), np.uint8))
