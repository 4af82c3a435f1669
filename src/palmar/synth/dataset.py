"""What a sample of a data set holds: crops and frames for the two networks, and scenes as any sensors see them.

A `Recipe` names the data: whoever has it and a sample's number makes the same sample again. Crops and frames are those
of `palmar.synth.sample`, sequences those of `palmar.synth.sequences`. A sample of scenes is one scene of
`palmar.synth.scenes.SCENES`, from all its views, at one time or at many, with an array for every sensor of
`palmar.synth.sense.SENSORS` that was asked for, and the truth.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float

from palmar.data.shards import Coding, Column, Layer, Npy, Npz, Packed, Packer, Png, Sample, Steps
from palmar.errors import PalmarError, one_of
from palmar.geometry.rotations import rotvec_from_rotmat
from palmar.hand import HandModel
from palmar.synth.sample import crop_sample, frame_sample
from palmar.synth.scenes import SCENES
from palmar.synth.scenes.acting import CLASSES, PLAYS
from palmar.synth.sense import EVENT_PIXELS, SENSORS, STEP, Reading, Sense, emg, events, masks, rgb
from palmar.synth.sensor import Sensor
from palmar.synth.sequences import sequence
from palmar.synth.world import HandTruth, Scene, Segment, Shot, ThingTruth, View, shoot

Kind = Literal["crops", "frames", "scenes", "sequences"]
DEFAULT_SENSORS = ("rgb", "depth", "masks")
STREAM = 71
"""Of the generators that sensors draw from: (seed, index, STREAM, view, frame, sensor)."""

FLOW = Steps(1 / 64, -512.0, nothing="nan", channels=2)
CODINGS: Mapping[str, Coding] = {
    "depth": Steps(1e-4, nothing="inf"),
    "normals": Steps(1 / 32767, -32768 / 32767, nothing="0", channels=3),
    "flow_forward": FLOW,
    "flow_backward": FLOW,
    "structured_light": Steps(1e-4, nothing="0"),
    "time_of_flight": Steps(1e-4, nothing="0"),
}
"""Arrays of floats that are stored as whole numbers of a step: tenths of a millimetre, 1/64 pixel, 1/32767. All others
keep every bit."""

RECORDED = ("events", "emg")
"""Sensors that record all the time: of a moving scene they give one recording and not one for each frame."""

RIGHT = "of a right hand: where side is 0, of the mirrored picture"
RGB = Layer("uint8", "1", "sRGB, as the camera gives it", Png())
CROPS: Mapping[str, Column] = {
    "presence": Column("float32", (), "1", "1 a hand, 0 none; labels are then 0"),
    "side": Column("float32", (), "1", "1 right, 0 left: the person's own"),
    "keypoints": Column("float32", (21, 2), "pixel", "x, y; OpenPose order; pixel centres at integers"),
    "visible": Column("float32", (21,), "1", "1 seen, 0 hidden or outside"),
    "rotations": Column("float32", (16, 3, 3), "1", f"wrist in the camera's frame, fingers; MANO tree order; {RIGHT}"),
    "shape": Column("float32", (10,), "1", "shape coefficients of the hand model, standard deviations"),
    "joints": Column(
        "float32", (21, 3), "metre", f"from the wrist, axes of the crop's camera; OpenPose order; {RIGHT}"
    ),
}
FRAMES: Mapping[str, Column] = {
    "boxes": Column("float32", (None, 4), "pixel", "x0 y0 x1 y1 of every hand"),
    "sides": Column("float32", (None,), "1", "1 right, 0 left: the person's own"),
    "directions": Column("float32", (None, 2), "1", "unit vector from wrist to middle MCP in the picture"),
    "keypoints": Column("float32", (None, 21, 2), "pixel", "x, y; OpenPose order; pixel centres at integers"),
}
SCENE_COLUMNS: Mapping[str, Column] = {
    "scene": Column("str", (), "", "sort of scene, as in palmar.synth.scenes"),
    "action": Column("str", (), "", "class of the main action; empty where nothing is acted"),
    "views": Column("str", (None,), "", "names of its cameras"),
    "times": Column("float32", (None,), "second", "of the frames, the same for all cameras"),
    "sides": Column("float32", (None,), "1", "of every hand: 1 right, 0 left: the person's own"),
    "people": Column("int64", (), "1", "whose hands are in it"),
    "things": Column("str", (None,), "", "names of the objects"),
    "verbs": Column("str", (None,), "", "what the hands do, in the order of the segments"),
    "texts": Column("str", (None,), "", "sentences that say it"),
}
"""Of the index; everything else that is known stands in the sample's labels, see `truth`."""


SEQUENCES: Mapping[str, Layer] = {
    "times": Layer("float32", "second", "[t] from the beginning"),
    "joints": Layer("float32", "metre", "[t, 2, 21, 3] left hand first; the wearer's camera; OpenPose order"),
    "objects": Layer("int32", "1", "[t] row of the label `things` in hand or acted on, -1 for none"),
    "points": Layer("float32", "metre", "[t, 21, 3] of its box: centre, corners, middles of edges, as in H2O"),
}
SEQUENCE_COLUMNS: Mapping[str, Column] = {
    "scene": SCENE_COLUMNS["scene"],
    "action": SCENE_COLUMNS["action"],
    "things": SCENE_COLUMNS["things"],
    "frames": Column("int64", (), "1", "of the sequence"),
}


@dataclass(frozen=True)
class Recipe:
    """What a data set is made of, besides its range of samples."""

    kind: Kind
    seed: int
    scenes: tuple[str, ...] = ()
    """Taken in turns: sample i is a scene of the sort i modulo their number."""
    sensors: tuple[str, ...] = ("rgb",)
    seconds: float | None = None
    """Of a moving scene, from its beginning; None: all of it, 0: its first moment."""
    fps: float = 30.0
    width: int | None = None
    """Pixels of a picture; None: what each camera has. Its height follows."""
    cameras: int | None = None
    """Only the first so many cameras of each scene; None: all of them."""

    def __post_init__(self) -> None:
        one_of("kind", self.kind, get_args(Kind))
        if self.kind == "sequences" and not self.scenes:
            raise PalmarError("sequences need one sort of scene at least.")
        if self.kind == "scenes" and not (self.scenes and self.sensors):
            raise PalmarError("scenes need one sort of scene and one sensor at least.")
        for name in self.scenes:
            one_of("scene", name, PLAYS if self.kind == "sequences" else SCENES)
        if self.cameras is not None and self.cameras < 1:
            raise PalmarError(f"--cameras must be 1 or more, got {self.cameras}.")
        for name in self.sensors:
            one_of("sensor", name, SENSORS)
        for what, names in (("scene", self.scenes), ("sensor", self.sensors)):
            if len(set(names)) < len(names):
                raise PalmarError(f"a {what} is named twice: {', '.join(names)}.")
        if self.seconds is not None and not 0 <= self.seconds < np.inf:
            raise PalmarError(f"--seconds must be 0 or more, got {self.seconds}.")
        if not 0 < self.fps < np.inf:
            raise PalmarError(f"--fps must be above 0, got {self.fps}.")
        if self.width is not None and not 8 <= self.width <= 8192:
            raise PalmarError(f"--width must lie between 8 and 8192 pixels, got {self.width}.")

    @property
    def layers(self) -> Mapping[str, Layer]:
        """Of the arrays."""
        if self.kind == "sequences":
            return SEQUENCES
        if self.kind != "scenes":
            return {"rgb": RGB}
        return {name: layer for sensor in self.sensors for name, layer in layers_of(SENSORS[sensor]).items()}

    @property
    def name(self) -> str:
        """Says all of it but the seed."""
        if self.kind in ("crops", "frames"):
            return self.kind
        length = "" if self.seconds is None else f",{self.seconds:g}s"
        if self.kind == "sequences":
            return f"sequences({'+'.join(self.scenes)}{length},{self.fps:g}fps)"
        size = "" if self.width is None else f",{self.width}px"
        size += "" if self.cameras is None else f",{self.cameras}cameras"
        return f"scenes({'+'.join(self.scenes)}:{'+'.join(self.sensors)}{length},{self.fps:g}fps{size})"

    def to_dict(self) -> dict[str, Any]:
        """JSON values of what is a scene's own."""
        if self.kind in ("crops", "frames"):
            return {}
        moving = {"scenes": list(self.scenes), "seconds": self.seconds, "fps": self.fps, "actions": list(self.actions)}
        if self.kind == "sequences":
            return moving
        return {
            **moving,
            "sensors": list(self.sensors),
            "width": self.width,
            "cameras": self.cameras,
        }

    @property
    def actions(self) -> tuple[str, ...]:
        """Classes of the actions that its scenes show, in their order."""
        named = [name for scene in self.scenes if scene in CLASSES for name in CLASSES[scene]()]
        return tuple(dict.fromkeys(named))

    @property
    def columns(self) -> Mapping[str, Column]:
        """Of the index."""
        return {"crops": CROPS, "frames": FRAMES, "scenes": SCENE_COLUMNS, "sequences": SEQUENCE_COLUMNS}[self.kind]

    def sample(self, index: int) -> Sample:
        """A pure function of the recipe and the number."""
        arrays: dict[str, np.ndarray] = {}
        labels = self._make(index, arrays.__setitem__)
        return Sample(index, arrays, labels)

    def packed(self, index: int) -> Packed:
        """The same as bytes; a long scene is never in memory as a whole."""
        packer = Packer(index, self.layers, self.columns)
        return packer.finish(self._make(index, packer.add))

    def _make(self, index: int, put: Callable[[str, np.ndarray], None]) -> dict[str, Any]:
        """Hand over every array by its name, and give the labels."""
        if self.kind == "sequences":
            return self._sequence(index, put)
        if self.kind != "scenes":
            found = crop_sample(self.seed, index) if self.kind == "crops" else frame_sample(self.seed, index)
            put("rgb", found.image)
            return {name: np.asarray(getattr(found, name), np.float32) for name in self.columns}
        scene = SCENES[self.scenes[index % len(self.scenes)]](self.seed, index)
        times = times_of(scene, self.seconds, self.fps)
        frames = []
        for shot, look in self.shots(scene, index, times):
            for sensor in self.sensors:
                if sensor not in RECORDED or scene.seconds == 0:
                    for name, array in look(sensor).items():
                        put(look.prefix + _array(sensor, name), array)
            frames.append({"time": look.time, "view": look.view.name, "prefix": look.prefix, **truth(shot)})
        if scene.seconds > 0:
            for prefix, sensor, reading in self._recordings(scene, index, len(times) / self.fps):
                for name, array in reading.items():
                    put(prefix + _array(sensor, name), array)
        return {**self._about(scene, times), "index": index, "frames": frames}

    def _sequence(self, index: int, put: Callable[[str, np.ndarray], None]) -> dict[str, Any]:
        name = self.scenes[index % len(self.scenes)]
        found = sequence(name, self.seed, index, self.fps, self.seconds)
        for layer in SEQUENCES:
            put(layer, getattr(found, layer))
        return {
            "scene": name,
            "seed": self.seed,
            "index": index,
            "fps": self.fps,
            "frames": len(found.times),
            "action": found.action,
            "things": list(found.things),
            "camera": found.camera.to_dict(),
            "text": found.script.text,
            "segments": [_segment(segment) for segment in found.script.segments],
        }

    def _recordings(self, scene: Scene, index: int, seconds: float) -> Iterator[tuple[str, str, Reading]]:
        """(prefix, sensor, arrays) of what goes on from the scene's beginning for so long: events of every camera, and
        the muscles of every hand, whose arm and band stay the same."""
        draws = (self.seed, index, STREAM)
        for number, view in enumerate(self._views(scene)):
            if "events" in self.sensors:
                rng = np.random.default_rng((*draws, number, zlib.crc32(b"events")))
                yield (
                    f"v{number}." if len(self._views(scene)) > 1 else "",
                    "events",
                    event_clip(scene, view, seconds, rng),
                )
        if "emg" in self.sensors:
            yield "", "emg", emg_clip(scene, seconds, np.random.default_rng((*draws, zlib.crc32(b"emg"))))

    def _views(self, scene: Scene) -> list[View]:
        views = scene.views[: self.cameras]
        return [view if self.width is None else narrowed(view, self.width) for view in views]

    def shots(self, scene: Scene, index: int, times: Sequence[float]) -> Iterator[tuple[Shot, Look]]:
        """Every view at every time, time by time, and the sensors that look at it."""
        views = self._views(scene)
        cameras = [Sensor.sample(np.random.default_rng((self.seed, index, STREAM, n))) for n in range(len(views))]
        for frame, time in enumerate(times):
            for number, view in enumerate(views):
                prefix = (f"t{frame:04d}." if scene.seconds > 0 else "") + (f"v{number}." if len(views) > 1 else "")
                shot = shoot(scene, view, time)
                draws = (self.seed, index, STREAM, number, frame)
                yield shot, Look(scene, view, number, time, prefix, shot, cameras[number], draws)

    def _about(self, scene: Scene, times: list[float]) -> dict[str, Any]:
        moment = scene.at(times[0])
        return {
            "scene": scene.kind,
            "seed": self.seed,
            "seconds": scene.seconds,
            "fps": self.fps if scene.seconds > 0 else None,
            "views": [view.name for view in self._views(scene)],
            "times": times,
            "sides": [hand.side for hand in moment.hands],
            "action": scene.action,
            "people": len({hand.person for hand in moment.hands}),
            "things": [thing.name for thing in moment.things],
            "verbs": [segment.verb for segment in scene.segments],
            "texts": [segment.text for segment in scene.segments],
            "segments": [_segment(segment) for segment in scene.segments],
        }


@dataclass(frozen=True, eq=False)
class Look:
    """One camera at one time, for the sensors. Called with a sensor's name it gives its arrays."""

    scene: Scene
    view: View
    number: int
    """Of the view."""
    time: float
    prefix: str
    """Of the names of its arrays: frame `t0003.` in moving scenes, camera `v1.` where there are several."""
    shot: Shot
    camera: Sensor
    """The same in all frames of a view."""
    draws: tuple[int, ...]

    def __call__(self, name: str) -> Reading:
        rng = np.random.default_rng((*self.draws, zlib.crc32(name.encode())))  # whatever other sensors there are
        if name == "rgb":
            return {"rgb": rgb.photograph(self.scene, self.view, self.time, rng, shot=self.shot, sensor=self.camera)}
        return SENSORS[name](self.scene, self.view, self.time, rng, self.shot)


def event_clip(scene: Scene, view: View, seconds: float, rng: np.random.Generator) -> Reading:
    """The arrays of `SENSORS["events"]`, of one camera that looks all the time."""
    found = events.record(scene, events.smaller(view, EVENT_PIXELS), 0.0, seconds, rng, rate_hz=600.0)
    layers = 5 * max(1, round(seconds / STEP))
    return {
        "time_us": found.time_us,
        "x": found.x,
        "y": found.y,
        "polarity": found.polarity,
        "voxels": events.voxel_grid(found, 0.0, seconds * 1e6, layers),
    }


def emg_clip(scene: Scene, seconds: float, rng: np.random.Generator) -> Reading:
    """The arrays of `SENSORS["emg"]`, of bands that stay on the arms all the time."""
    signals, poses, times = [], [], np.zeros(0)
    hands = scene.at(0.0).hands
    for hand in hands:
        arm, band = emg.Arm.sample(rng, hand.side), emg.Band.sample(rng)
        at, angles, grip = emg.follow(scene, hand.instance, 0.0, seconds)
        found = emg.record(arm, band, at, angles, rng, grip=grip)
        rows = np.clip(np.rint(found.times / (at[1] - at[0])).astype(int), 0, len(angles) - 1)
        signals.append(found.emg)
        poses.append(angles[rows])
        times = found.times
    return {
        "instances": np.array([hand.instance for hand in hands], np.int32),
        "emg": np.array(signals, np.float32).reshape(len(signals), len(times), emg.ELECTRODES),
        "seconds": times,
        "angles": np.array(poses, np.float32).reshape(len(poses), len(times), 5, 3, 3),
    }


def times_of(scene: Scene, seconds: float | None, fps: float) -> list[float]:
    """Seconds of the frames: from the beginning, as long as asked or as it lasts, at least one."""
    length = scene.seconds if seconds is None else min(seconds, scene.seconds)
    return [frame / fps for frame in range(max(1, int(np.ceil(length * fps - 1e-6))))]


def narrowed(view: View, width: int) -> View:
    """The view with pictures of that width, and a height in proportion."""
    height = max(1, round(view.camera.height * width / view.camera.width))
    return replace(view, camera=view.camera.resized(width, height))


def layers_of(sensor: Sense) -> dict[str, Layer]:
    """How the arrays of a sensor are stored: pictures as PNG where that loses nothing or `CODINGS` says so, what else
    is as large as a picture deflated, the rest as it is."""
    return {_array(sensor.name, name): _layer(_array(sensor.name, name), text) for name, text in sensor.arrays.items()}


def _array(sensor: str, name: str) -> str:
    """Name of a sensor's array in a sample."""
    return name if name == sensor else f"{sensor}_{name}"


def _layer(name: str, text: str) -> Layer:
    """From what a sensor says of an array: `float32 [h, w], metres along the axis`."""
    said = re.match(r"(\w+) \[([^\]]*)\],? *(.*)", text)
    assert said is not None, f"{name}: {text}"
    dtype, shape, meaning = said[1], said[2].replace(" ", "").split(","), said[3]
    unit = next((unit for word, unit in _UNITS.items() if word in meaning), "1")
    coding: Coding = Npy()
    if name in CODINGS:
        coding = CODINGS[name]
    elif shape[:2] == ["h", "w"]:
        flat = shape[2:] in ([], ["3"]) and dtype in ("bool", "uint8", "uint16", "int32")
        coding = Png() if flat else Npz()
    return Layer(dtype, unit, f"[{', '.join(shape)}] {meaning}".strip(), coding)


_UNITS = {
    "microvolt": "microvolt", "microsecond": "microsecond", "metre": "metre", "pixel": "pixel", "radian": "radian",
    "second": "second",
}  # fmt: skip


# The truth, as labels -------------------------------------------------------------------------------------------------


def truth(shot: Shot) -> dict[str, Any]:
    """What is known of a moment as a camera sees it: the camera with its pose, its hands, its things."""
    return {
        "camera": shot.camera.to_dict(),
        "hands": [hand_truth(shot, hand) for hand in shot.moment.hands],
        "things": [thing_truth(shot, thing) for thing in shot.moment.things],
    }


def hand_truth(shot: Shot, hand: HandTruth) -> dict[str, Any]:
    """One hand. Camera frame, metres, pixels; a keypoint behind the camera is None. `translation` and `pose` are such
    that `HandModel.default(side).shaped(shape).posed(...)` stands where this hand is seen."""
    camera_from_world = _inverse(shot)
    turn, shift = camera_from_world[:3, :3], camera_from_world[:3, 3]
    joints = hand.joints @ turn.T + shift
    rotations = np.concatenate([turn[None] @ hand.rotations[:1], hand.rotations[1:]])
    wrist = HandModel.default(hand.side).shaped(hand.shape).rest_joints[0]  # about which it turns
    pixels = shot.camera.project(joints)
    return {
        "side": hand.side,
        "instance": hand.instance,
        "person": hand.person,
        "holds": hand.holds,
        "keypoints": [point if np.isfinite(point).all() else None for point in pixels.astype(np.float32)],
        "seen": masks.joints_seen(shot, hand),
        "joints": joints.astype(np.float32),
        "pose": rotvec_from_rotmat(rotations).astype(np.float32),
        "shape": hand.shape.astype(np.float32),
        "translation": (turn @ (wrist + hand.translation) + shift - wrist).astype(np.float32),
        "contact": None if hand.contact is None else np.flatnonzero(hand.contact > 0.5),
    }


def thing_truth(shot: Shot, thing: ThingTruth) -> dict[str, Any]:
    """One object: its pose in the camera frame, its size and the middle of its extent in its own, metres."""
    return {
        "name": thing.name,
        "instance": thing.instance,
        "camera_from_thing": (_inverse(shot) @ thing.world_from_thing).astype(np.float32),
        "size": thing.size.astype(np.float32),
        "middle": thing.middle.astype(np.float32),
        "articulation": thing.articulation.astype(np.float32),
    }


def _inverse(shot: Shot) -> Float[np.ndarray, "4 4"]:
    pose = shot.camera.world_from_camera
    assert pose is not None
    out = np.eye(4)
    out[:3, :3], out[:3, 3] = pose[:3, :3].T, -pose[:3, :3].T @ pose[:3, 3]
    return out


def _segment(segment: Segment) -> dict[str, Any]:
    return {
        "start": segment.start,
        "end": segment.end,
        "verb": segment.verb,
        "noun": segment.noun,
        "side": segment.side,
        "text": segment.text,
        "phase": segment.phase,
    }
