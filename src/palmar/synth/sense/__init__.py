"""What cameras and other sensors give of a scene.

`SENSORS` has every one of them by name, with one call for all: `SENSORS["depth"](scene, view, time, rng)` gives a
`Reading`, arrays by name. Exact ones take no draw from the generator. The modules hold the functions behind them, with
more options: `rgb`, `geometry`, `masks`, `flow`, `depth_noise`, `events`,
`emg`, `touch`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from palmar.errors import one_of
from palmar.synth.sense import depth_noise, emg, geometry, masks, rgb
from palmar.synth.sense import events as _events
from palmar.synth.sense import flow as _flow
from palmar.synth.sense import touch as _touch
from palmar.synth.world import Scene, Shot, View, shoot

Reading = dict[str, np.ndarray]
"""Arrays by name. A picture's rows and columns come first: [h, w] or [h, w, c]."""
STEP = 1 / 30
"""Seconds between the two pictures of flow, and the window of sensors that record for a while."""


@dataclass(frozen=True)
class Sense:
    """One sensor. Calling it gives its arrays; `shot` spares it its own `shoot(scene, view, time)`."""

    name: str
    read: Callable[[Scene, View, float, np.random.Generator, Shot], Reading]
    arrays: Mapping[str, str]
    """What each array is: dtype, shape, unit, what stands for nothing."""
    exact: bool = True
    """Truth, and the same for every generator; else a recording with noise."""
    pictures: bool = True
    """Its arrays are as large as the view's picture."""

    def __call__(
        self, scene: Scene, view: View, time: float, rng: np.random.Generator, shot: Shot | None = None
    ) -> Reading:
        return self.read(scene, view, time, rng, shoot(scene, view, time) if shot is None else shot)


def _rgb(scene: Scene, view: View, time: float, rng: np.random.Generator, shot: Shot) -> Reading:
    return {"rgb": rgb.photograph(scene, view, time, rng, shot=shot)}


def _clean(scene: Scene, view: View, time: float, rng: np.random.Generator, shot: Shot) -> Reading:
    return {"clean": rgb.clean(scene, view, time, shot=shot)}


def _depth(scene: Scene, view: View, time: float, rng: np.random.Generator, shot: Shot) -> Reading:
    return {"depth": geometry.depth(shot)}


def _normals(scene: Scene, view: View, time: float, rng: np.random.Generator, shot: Shot) -> Reading:
    return {"normals": geometry.normals(shot)}


def _coordinates(scene: Scene, view: View, time: float, rng: np.random.Generator, shot: Shot) -> Reading:
    seen = geometry.surface(shot)
    return {
        "world": geometry.world_coordinates(shot, seen),
        "thing": geometry.thing_coordinates(shot, seen),
        "hand": geometry.hand_coordinates(shot, seen),
    }


def _masks(scene: Scene, view: View, time: float, rng: np.random.Generator, shot: Shot) -> Reading:
    parts = masks.part(shot)
    return {
        "instance": masks.instance(shot),
        "kind": masks.kind(shot),
        "part": parts,
        "fifteen": masks.fifteen(parts),
        "two_hands": masks.two_hands(shot, parts),
    }


def _amodal(scene: Scene, view: View, time: float, rng: np.random.Generator, shot: Shot) -> Reading:
    numbers, whole = masks.amodal(shot)
    return {"instances": np.array(numbers, np.int32), "amodal": np.moveaxis(whole, 0, -1)}


def _joints(scene: Scene, view: View, time: float, rng: np.random.Generator, shot: Shot) -> Reading:
    seen = geometry.surface(shot)
    hands = shot.moment.hands
    pose = shot.camera.world_from_camera
    assert pose is not None
    joints = np.array([(hand.joints - pose[:3, 3]) @ pose[:3, :3] for hand in hands]).reshape(-1, 21, 3)
    found = [masks.joints_seen(shot, hand, seen) for hand in hands]
    return {
        "instances": np.array([hand.instance for hand in hands], np.int32),
        "keypoints": shot.camera.project(joints).astype(np.float32),
        "joints": joints.astype(np.float32),
        "seen": np.array(found, np.uint8).reshape(-1, 21),
    }


def _motion(scene: Scene, view: View, time: float, rng: np.random.Generator, shot: Shot) -> Reading:
    after = shoot(scene, view, time + STEP)
    onward, back = _flow.flow(shot, after), _flow.flow(after, shot)
    return {
        "forward": onward.vectors,
        "forward_fate": onward.fate,
        "backward": back.vectors,
        "backward_fate": back.fate,
    }


def _structured(scene: Scene, view: View, time: float, rng: np.random.Generator, shot: Shot) -> Reading:
    return {"structured_light": depth_noise.structured_light(shot, rng)}


def _tof(scene: Scene, view: View, time: float, rng: np.random.Generator, shot: Shot) -> Reading:
    z, infrared = depth_noise.time_of_flight(shot, rng)
    return {"time_of_flight": z, "infrared": infrared}


def _contact(scene: Scene, view: View, time: float, rng: np.random.Generator, shot: Shot) -> Reading:
    hands = shot.moment.hands
    found = {hand.instance: _touch.touch(shot.moment, hand) for hand in hands}
    distance, contact = _touch.distance_map(shot, found)
    skin = np.array([found[hand.instance].distance for hand in hands], np.float32)
    return {
        "instances": np.array([hand.instance for hand in hands], np.int32),
        "skin": skin if hands else np.zeros((0, 0), np.float32),
        "distance": distance,
        "contact": contact,
    }


EVENT_PIXELS = 240
"""Along the longer side of the event camera in `SENSORS`; `events.record` has as many as its view."""


def _event_camera(scene: Scene, view: View, time: float, rng: np.random.Generator, shot: Shot) -> Reading:
    small = _events.smaller(view, EVENT_PIXELS)
    found = _events.record(scene, small, time, STEP, rng, rate_hz=600.0)
    start = time * 1e6
    return {
        "time_us": found.time_us,
        "x": found.x,
        "y": found.y,
        "polarity": found.polarity,
        "voxels": _events.voxel_grid(found, start, start + STEP * 1e6),
    }


EMG_SECONDS = 0.5


def _muscles(scene: Scene, view: View, time: float, rng: np.random.Generator, shot: Shot) -> Reading:
    signals, poses, seconds = [], [], np.zeros(0)
    start = max(time - EMG_SECONDS / 2, 0.0)
    scene = replace(scene, at=functools.cache(scene.at))  # all hands are followed through the same moments
    for hand in shot.moment.hands:
        arm = emg.Arm.sample(rng, hand.side)
        times, angles, grip = emg.follow(scene, hand.instance, start, EMG_SECONDS, step=0.02)
        found = emg.record(arm, emg.Band.sample(rng), times, angles, rng, grip=grip)
        rows = np.clip(np.rint((found.times - start) / (times[1] - times[0])).astype(int), 0, len(angles) - 1)
        signals.append(found.emg)
        poses.append(angles[rows])
        seconds = found.times
    return {
        "instances": np.array([hand.instance for hand in shot.moment.hands], np.int32),
        "emg": np.array(signals, np.float32).reshape(len(signals), len(seconds), emg.ELECTRODES),
        "seconds": seconds,
        "angles": np.array(poses, np.float32).reshape(len(poses), len(seconds), 5, 3, 3),
    }


_ALL = (
    Sense("rgb", _rgb, {"rgb": "uint8 [h, w, 3], sRGB with a camera's faults"}, exact=False),
    Sense("clean", _clean, {"clean": "uint8 [h, w, 3], sRGB without faults"}),
    Sense("depth", _depth, {"depth": "float32 [h, w], metres along the axis, inf for nothing"}),
    Sense("normals", _normals, {"normals": "float32 [h, w, 3], unit vectors in the camera frame, 0 for nothing"}),
    Sense(
        "coordinates",
        _coordinates,
        {
            "world": "float32 [h, w, 3], metres in the world, NaN for nothing",
            "thing": "float32 [h, w, 3], metres in the thing's own frame, NaN elsewhere",
            "hand": "float32 [h, w, 3], metres on the mean hand at rest, NaN elsewhere",
        },
    ),
    Sense(
        "masks",
        _masks,
        {
            "instance": "int32 [h, w], number of the individual, 0 for nothing",
            "kind": "uint8 [h, w], `Kind`, 255 for nothing",
            "part": "uint8 [h, w], 0 palm, 1 to 15 segments in MANO's order, 16 forearm stub, 255 no hand",
            "fifteen": "uint8 [h, w], 1 to 15 segments from thumb to little, 0 all else",
            "two_hands": "uint8 [h, w], 0 all else, 1 to 16 parts of right hands, 17 to 32 of left ones",
        },
    ),
    Sense(
        "amodal",
        _amodal,
        {
            "instances": "int32 [n], hands, then things",
            "amodal": "bool [h, w, n], the whole shape of each, as if alone",
        },
    ),
    Sense(
        "joints",
        _joints,
        {
            "instances": "int32 [n]",
            "keypoints": "float32 [n, 21, 2], pixels, NaN behind the camera",
            "joints": "float32 [n, 21, 3], metres, camera frame",
            "seen": "uint8 [n, 21], `masks.Seen`: 0 visible, 1 hidden by its own hand, 2 by something else, 3 outside",
        },
        pictures=False,
    ),
    Sense(
        "touch",
        _contact,
        {
            "instances": "int32 [n], hands",
            "skin": "float32 [n, v], metres from each vertex of the hand model to the nearest thing or other hand",
            "distance": "float32 [h, w], the same in the picture; NaN where no hand is, inf for no thing at all",
            "contact": "uint8 [h, w], 1 touching, 0 a hand that does not, 255 no hand",
        },
    ),
    Sense(
        "flow",
        _motion,
        {
            "forward": "float32 [h, w, 2], pixels x, y from the picture at time to that at time + STEP; NaN for none",
            "forward_fate": "uint8 [h, w], `flow.Fate`: 0 seen there, 1 hidden, 2 outside",
            "backward": "float32 [h, w, 2], from the picture at time + STEP back to that at time",
            "backward_fate": "uint8 [h, w]",
        },
    ),
    Sense(
        "structured_light",
        _structured,
        {"structured_light": "float32 [h, w], metres along the axis as such a camera reads them, 0 for no reading"},
        exact=False,
    ),
    Sense(
        "time_of_flight",
        _tof,
        {
            "time_of_flight": "float32 [h, w], metres along the axis as such a camera reads them, 0 for no reading",
            "infrared": "float32 [h, w], light that came back, 1 from a white surface that faces it at 1 m",
        },
        exact=False,
    ),
    Sense(
        "events",
        _event_camera,
        {
            "time_us": "int64 [n], microseconds, from time to time + STEP; at most EVENT_PIXELS along the longer side",
            "x": "int16 [n], pixels",
            "y": "int16 [n], pixels",
            "polarity": "int8 [n], 1 brighter, -1 darker",
            "voxels": "float32 [5, eh, ew], signed sums in five layers of time",
        },
        exact=False,
        pictures=False,
    ),
    Sense(
        "emg",
        _muscles,
        {
            "instances": "int32 [n], hands",
            "emg": "float32 [n, s, 16], microvolts around each forearm, at 2000 Hz, EMG_SECONDS around time",
            "seconds": "float64 [s]",
            "angles": "float32 [n, s, 5, 3, 3], radians: anatomical angles at the same times",
        },
        exact=False,
        pictures=False,
    ),
)
SENSORS: Mapping[str, Sense] = {sense.name: sense for sense in _ALL}


def read(
    scene: Scene, view: View, time: float, rng: np.random.Generator, names: Iterable[str] = tuple(SENSORS)
) -> dict[str, Reading]:
    """Readings of several sensors of one moment, which is shot once. They draw in the order of `names`.

    Raises PalmarError for a name that is none.
    """
    chosen = [SENSORS[one_of("sensor", name, SENSORS)] for name in names]
    shot = shoot(scene, view, time)
    return {sense.name: sense(scene, view, time, rng, shot) for sense in chosen}
