"""A result as a Rerun recording: pictures, hands in them and in space, the camera, curves, all on one clock.

Entities: world/camera (a pinhole with the pictures and what is drawn on them), world/hands (joints, bones, skin),
curves (scores and joint angles), actions, about (assumptions, versions). Metres; the camera's frame is x right, y down,
z forward, as everywhere in palmar. Timelines: `time` in seconds, where the recording has any, and `frame`.
Needs the extra `view`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from palmar.errors import PalmarError, need
from palmar.geometry.camera import Camera
from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.hand.angles import JOINT_NAMES, angles_from_rotations
from palmar.hand.joints import BONES, JOINTS
from palmar.hand.model import HandModel
from palmar.media import whole_file
from palmar.types import Clip, Frame, Hands
from palmar.view.mesh import vertices_in_camera

APPLICATION = "palmar"
PICTURE = "world/camera"
SIDES = ("left", "right")
COLOURS = ((110, 150, 255), (90, 220, 150))
SKIN = ((205, 160, 135), (215, 170, 145))
QUALITY = 80
"""Of the JPEG pictures."""
CORNER = 0.5
"""Rerun counts pixels from the corner of the first one, palmar from its centre."""


@dataclass(frozen=True)
class Action:
    """What was done from start to end, seconds."""

    name: str
    start: float
    end: float
    confidence: float


def read_actions(folder: Path) -> list[Action]:
    """Of a result that `palmar act` wrote; none where there is no such file. Raises PalmarError for a damaged one."""
    file = folder / "actions.json"
    if not file.is_file():
        return []
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))["actions"]
        return [Action(str(r["action"]), float(r["start"]), float(r["end"]), float(r["confidence"])) for r in rows]
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise PalmarError(f"{file}: damaged or not of palmar ({type(err).__name__}: {err}).") from err


def save(
    clip: Clip,
    path: Path,
    *,
    actions: Sequence[Action] = (),
    pictures: bool = True,
    progress: Callable[[int, int | None], None] | None = None,
) -> None:
    """Writes a .rrd file, whole or not at all. pictures: with the recording's own, decoded once more.

    Raises PalmarError where it cannot be written, and without the extra.
    """
    need("rerun", extra="view")
    import rerun as rr

    with whole_file(path) as part:
        stream = rr.RecordingStream(APPLICATION, recording_id=_identity(clip))
        stream.save(part)
        write(stream, clip, actions=actions, pictures=pictures, progress=progress)
        stream.flush()
        stream.disconnect()


def open_viewer(path: Path, *, web: bool = False) -> int:
    """Shows a recording in Rerun's viewer until that is closed; answers with its exit code. web: as a page in the
    browser, served to this machine alone. Raises PalmarError without the extra."""
    need("rerun", extra="view")
    words = [sys.executable, "-m", "rerun", str(path)]
    return subprocess.call([*words, "--web-viewer", "--bind", "127.0.0.1"] if web else words)


def write(
    stream: Any,
    clip: Clip,
    *,
    actions: Sequence[Action] = (),
    pictures: bool = True,
    progress: Callable[[int, int | None], None] | None = None,
) -> None:
    """Logs a clip to a Rerun stream: what stands still, then frame by frame."""
    import rerun as rr

    hands = clip.hands
    tracks = _tracks(hands)
    stream.log("world", rr.ViewCoordinates.RDF, static=True)
    stream.log("about", rr.TextDocument(about(clip), media_type="text/markdown"), static=True)
    bones = rr.AnnotationContext(
        [
            rr.ClassDescription(
                info=rr.AnnotationInfo(id=side, label=name, color=COLOURS[side]),
                keypoint_annotations=[rr.AnnotationInfo(id=k, label=joint) for k, joint in enumerate(JOINTS)],
                keypoint_connections=list(BONES),
            )
            for side, name in enumerate(SIDES)
        ]
    )
    stream.log("world", bones, static=True)
    if clip.camera is not None:
        _camera(stream, clip.camera)
    for name, label in _curves(tracks).items():
        stream.log(name, rr.SeriesLines(names=label), static=True)
    vertices = vertices_in_camera(hands)
    angles = _angles(hands)
    rows_of: dict[int, list[int]] = {}
    for row, frame in enumerate(hands.frame.tolist()):
        rows_of.setdefault(frame, []).append(row)
    before: set[str] = set()
    begun: set[int] = set()
    for frame, time, image in _frames(clip, pictures):
        stream.set_time("frame", sequence=frame)
        if time is not None:
            stream.set_time("time", duration=time)
        if image is not None:
            _picture(stream, image)
        seen = {_entity(hands, row): row for row in rows_of.get(frame, ())}
        for gone in before - set(seen):
            stream.log(f"world/hands/{gone}", rr.Clear(recursive=True))
            stream.log(f"{PICTURE}/picture/{gone}", rr.Clear(recursive=True))
        for name, row in seen.items():
            _hand(stream, name, hands, row, vertices[row])
            _point(stream, name, hands, row, angles)
        if hands.world_from_camera is not None and seen:
            _place(stream, hands.world_from_camera[next(iter(seen.values()))])
        for k, action in enumerate(actions):
            if time is not None and k not in begun and time >= action.start:
                begun.add(k)
                said = f"{action.name} until {action.end:.2f} s, confidence {action.confidence:.2f}"
                stream.log("actions", rr.TextLog(said, level=rr.TextLogLevel.INFO))
        before = set(seen)
        if progress is not None:
            progress(frame + 1, clip.info.get("frames"))
    stream.send_blueprint(_blueprint(bool(actions)))


def about(clip: Clip) -> str:
    """The recording, what was assumed, and by which weights, as Markdown."""
    info = clip.info
    rows = [f"# {Path(clip.frames.source).name}", ""]
    rows.append(f"Camera: {clip.camera_note}." if clip.camera_note else "Camera: given.")
    if clip.camera is not None:
        c = clip.camera
        rows.append(
            f"{c.width} x {c.height} pixels, focal length {c.fx:.1f}, {c.fy:.1f}, centre {c.cx:.1f}, {c.cy:.1f}."
        )
        if c.distortion is not None:
            rows.append("The lens distorts: points in the picture are where they were seen, the pinhole has no lens.")
    rows += ["", "Metres, camera frame: x right, y down, z forward.", ""]
    rows += [
        f"- {name}: {value}" for name, value in info.items() if name != "times" and not isinstance(value, list | dict)
    ]
    return "\n".join(rows)


def _identity(clip: Clip) -> str:
    """Of the recording: the same result is the same recording."""
    import hashlib

    text = json.dumps([clip.frames.source, len(clip.hands), {k: str(v) for k, v in clip.info.items()}], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _camera(stream: Any, camera: Camera) -> None:
    import rerun as rr

    matrix = camera.matrix.copy()
    matrix[:2, 2] += CORNER
    pinhole = rr.Pinhole(
        image_from_camera=matrix,
        resolution=[camera.width, camera.height],
        camera_xyz=rr.ViewCoordinates.RDF,
        image_plane_distance=0.25,
    )
    stream.log(PICTURE, pinhole, static=True)


def _place(stream: Any, world_from_camera: Float[np.ndarray, "4 4"]) -> None:
    import rerun as rr

    if np.isfinite(world_from_camera).all():
        turn, place = world_from_camera[:3, :3], world_from_camera[:3, 3]
        stream.log(PICTURE, rr.Transform3D(mat3x3=turn, translation=place))
        stream.log("world/hands", rr.Transform3D(mat3x3=turn, translation=place))


def _picture(stream: Any, image: UInt8[np.ndarray, "h w 3"]) -> None:
    """As JPEG."""
    import rerun as rr

    height, width = image.shape[:2]
    ok, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not ok:
        raise PalmarError(f"a picture of {width} x {height} cannot be encoded.")
    stream.log(f"{PICTURE}/picture", rr.EncodedImage(contents=data.tobytes(), media_type="image/jpeg"))


def _hand(stream: Any, name: str, hands: Hands, row: int, vertices: np.ndarray | None) -> None:
    """Of one frame: box and keypoints in the picture, joints and skin in space."""
    import rerun as rr

    side = int(hands.side[row])
    flat = f"{PICTURE}/picture/{name}"
    x0, y0, x1, y1 = (hands.box[row].astype(float) + CORNER).tolist()
    label = f"{SIDES[side]} {hands.track[row]}  {hands.score[row]:.2f}"
    if hands.action is not None and hands.action[row]:
        label += f"  {hands.action[row]}"
    box = rr.Boxes2D(array=[x0, y0, x1, y1], array_format=rr.Box2DFormat.XYXY, labels=[label], colors=[COLOURS[side]])
    stream.log(f"{flat}/box", box)
    if hands.keypoints is not None and np.isfinite(hands.keypoints[row, :, :2]).all():
        points = hands.keypoints[row, :, :2] + CORNER
        radii = 1.5 + 3.0 * np.clip(hands.keypoints[row, :, 2], 0, 1)
        stream.log(
            f"{flat}/keypoints",
            rr.Points2D(points, class_ids=side, keypoint_ids=range(21), radii=radii, show_labels=False),
        )
    solid = f"world/hands/{name}"
    if hands.joints is not None and np.isfinite(hands.joints[row]).all():
        joints = rr.Points3D(hands.joints[row], class_ids=side, keypoint_ids=range(21), radii=0.004, show_labels=False)
        stream.log(f"{solid}/joints", joints)
    if vertices is not None:
        faces = HandModel.default(side).faces
        mesh = rr.Mesh3D(
            vertex_positions=vertices.astype(np.float32),
            triangle_indices=faces,
            vertex_normals=_normals(vertices, faces).astype(np.float32),
            albedo_factor=[*SKIN[side], 255],
        )
        stream.log(f"{solid}/skin", mesh)


def _normals(vertices: Float[np.ndarray, "v 3"], faces: np.ndarray) -> Float[np.ndarray, "v 3"]:
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    face = np.cross(b - a, c - a)
    out = np.zeros_like(vertices)
    for i in range(3):
        np.add.at(out, faces[:, i], face)
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)


def _angles(hands: Hands) -> Float[np.ndarray, "n 5 3"] | None:
    """Flexion in degrees, NaN where there is no pose."""
    if hands.pose is None or not len(hands):
        return None
    good = np.isfinite(hands.pose).all((1, 2))
    rotations = rotmat_from_rotvec(np.nan_to_num(hands.pose.astype(np.float64)))
    out = np.full((len(hands), 5, 3), np.nan)
    for side in range(2):
        rows = good & (hands.side == side)
        if rows.any():
            out[rows] = np.degrees(angles_from_rotations(rotations[rows], HandModel.default(side))[..., 0])
    return out


def _point(stream: Any, name: str, hands: Hands, row: int, angles: Float[np.ndarray, "n 5 3"] | None) -> None:
    """Of the curves at this frame."""
    import rerun as rr

    stream.log(f"curves/score/{name}", rr.Scalars(float(hands.score[row])))
    if angles is not None:
        for f, finger in enumerate(JOINT_NAMES):
            values = angles[row, f]
            if np.isfinite(values).all():
                stream.log(f"curves/flexion/{name}/{finger}", rr.Scalars(float(values.sum())))


def _curves(tracks: Mapping[str, int]) -> dict[str, str]:
    """Entities of the curves, and what they are called."""
    out = {f"curves/score/{name}": f"{name} score" for name in tracks}
    return out | {
        f"curves/flexion/{name}/{finger}": f"{name} {finger}, all joints (°)"
        for name in tracks
        for finger in JOINT_NAMES
    }


def _entity(hands: Hands, row: int) -> str:
    """right-0; of unrelated pictures right."""
    side, track, view = SIDES[int(hands.side[row])], int(hands.track[row]), int(hands.view[row])
    return "-".join([side, *([str(track)] if track >= 0 else []), *([f"view{view}"] if view else [])])


def _tracks(hands: Hands) -> dict[str, int]:
    return {_entity(hands, row): row for row in range(len(hands))}


def _frames(clip: Clip, pictures: bool) -> Iterator[tuple[int, float | None, np.ndarray | None]]:
    """Number, seconds and picture of every frame; without pictures, or where they are gone, of all that have hands."""
    times = clip.info.get("times")
    fps = clip.frames.fps

    def time_of(frame: int, said: float | None = None) -> float | None:
        if times is not None and frame < len(times):
            return float(times[frame])
        return said if said is not None else frame / fps if fps else None

    if pictures:
        frame: Frame
        for frame in clip.frames:
            yield frame.index, time_of(frame.index, frame.time), frame.image
        return
    count = int(clip.info.get("frames") or (clip.hands.frame.max() + 1 if len(clip.hands) else 0))
    for number in range(count):
        yield number, time_of(number), None


def _blueprint(actions: bool) -> Any:
    """What is seen first: the picture and the space beside each other, the curves below."""
    import rerun.blueprint as rrb

    below: list[Any] = [
        rrb.TimeSeriesView(origin="curves/flexion", name="bending, sum of a finger's joints (°)"),
        rrb.TimeSeriesView(origin="curves/score", name="score"),
    ]
    below.append(
        rrb.TextLogView(origin="actions", name="actions")
        if actions
        else rrb.TextDocumentView(origin="about", name="about")
    )
    return rrb.Blueprint(
        rrb.Vertical(
            rrb.Horizontal(
                rrb.Spatial2DView(origin=f"{PICTURE}/picture", name="picture", contents=["$origin/**"]),
                rrb.Spatial3DView(origin="world", name="space", contents=["+ world/**", f"- {PICTURE}/picture/**"]),
            ),
            rrb.Horizontal(*below),
            row_shares=[3, 2],
        ),
        collapse_panels=True,
    )
