"""Cameras that look at a scene: on a desk, in a hand, on a head, in rigs around a workspace; still or moving.

Every maker is a pure function of a generator and gives `View`s. Poses are `world_from_camera` with OpenCV axes; the
world is metres with x right, y down (gravity) and z forward. `target` is the middle of what is looked at; where a
camera goes is told from it. A person at work sits at smaller z than the target or larger, whichever the scene means:
`facing` turns a camera's place about the vertical through the target, 0 for one that stands at smaller z and looks
along +z, pi for one opposite.

Paths are closed formulas in time (sums of sines, minimum-jerk), so that a camera can be asked for any time, at any
rate, and its velocity exists.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float

from palmar.errors import PalmarError
from palmar.geometry.camera import BrownConrady, Camera, KannalaBrandt
from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.synth.pose import minimum_jerk
from palmar.synth.world import View

Pose = Float[np.ndarray, "4 4"]
Path = Callable[[float], Pose]
Vector = Float[np.ndarray, " 3"]

DOWN = np.array([0.0, 1.0, 0.0])
FRONT = np.array([0.0, 0.0, 0.5])
"""Where hands are that nobody placed: half a metre before a level camera at the origin."""


def look_at(eye: Vector, target: Vector, up: Vector | None = None) -> Pose:
    """world_from_camera of a camera at `eye` whose optical axis goes through `target`, upright.

    up: direction that is up in the picture, against gravity where not given. Looking straight up or down, the top of
    the picture lies towards +z and -z. Raises PalmarError where eye and target coincide.
    """
    eye, target = np.asarray(eye, np.float64), np.asarray(target, np.float64)
    forward = target - eye
    length = np.linalg.norm(forward)
    if not length > 1e-9:
        raise PalmarError(f"look_at: the eye {eye.tolist()} is at its target.")
    z = forward / length
    down = DOWN if up is None else -np.asarray(up, np.float64)
    x = np.cross(down, z)
    if np.linalg.norm(x) < 1e-6 * max(np.linalg.norm(down), 1e-12):  # along the vertical
        x = np.cross([0.0, 0.0, -1.0 if z[1] > 0 else 1.0], z)
    x = x / np.linalg.norm(x)
    out = np.eye(4)
    out[:3, :3], out[:3, 3] = np.stack([x, np.cross(z, x), z], -1), eye
    return out


def around(target: Vector, distance: float, azimuth: float, elevation: float) -> Vector:
    """The place at this distance from the target. azimuth: radians about the vertical, 0 at smaller z, growing towards
    +x; elevation: radians above the horizon."""
    flat = math.cos(elevation)
    way = np.array([math.sin(azimuth) * flat, -math.sin(elevation), -math.cos(azimuth) * flat])
    return np.asarray(target, np.float64) + distance * way


def turned(pose: Pose, rotvec: Vector, shift: Vector) -> Pose:
    """The pose with the camera turned (camera frame, radians) and moved (camera frame, metres)."""
    out = np.array(pose, np.float64)
    out[:3, 3] += out[:3, :3] @ shift
    out[:3, :3] = out[:3, :3] @ rotmat_from_rotvec(np.asarray(rotvec, np.float64))
    return out


# ------------------------------------------------------------------------------------------------------------- paths


@dataclass(frozen=True, eq=False)
class Shake:
    """A sum of sines for each of six motions: rotation (radians) and shift (metres) in the camera frame."""

    frequencies: Float[np.ndarray, " k"]
    """Hertz."""
    phases: Float[np.ndarray, "6 k"]
    amplitudes: Float[np.ndarray, "6 k"]

    @staticmethod
    def sample(
        rng: np.random.Generator,
        rotation: float = 0.005,
        shift: float = 0.003,
        *,
        band: tuple[float, float] = (0.15, 12.0),
        slope: float = 1.4,
        tremor: float = 0.07,
    ) -> Shake:
        """The unrest of a hand that holds a camera, or of a body that sits.

        rotation, shift: RMS of each axis over a long time, radians and metres. Amplitudes fall with frequency to the
        power -slope, as displacement of held devices does, and physiological tremor adds a hump at 8 to 12 Hz with
        `tremor` of the RMS (Elble and Koller 1990 for its band).
        """
        k = 24
        low, high = band
        edges = np.geomspace(low, high, k + 1)
        frequencies = np.exp(rng.uniform(np.log(edges[:-1]), np.log(edges[1:])))
        weight = frequencies**-slope * np.sqrt(np.diff(edges)) * np.exp(rng.normal(0.0, 0.3, (6, k)))
        weight /= np.sqrt((weight**2).sum(1, keepdims=True) / 2)
        hump = np.exp(-(((frequencies - 10.0) / 1.5) ** 2)) * np.ones((6, 1))
        hump *= tremor / np.sqrt(max(float((hump[0] ** 2).sum()) / 2, 1e-12)) if hump[0].max() > 1e-3 else 0.0
        scale = np.array([rotation] * 3 + [shift] * 3)[:, None]
        return Shake(frequencies, rng.uniform(0, 2 * np.pi, (6, k)), scale * np.hypot(weight, hump))

    def at(self, time: float) -> Float[np.ndarray, " 6"]:
        """Rotation vector, then shift."""
        return (self.amplitudes * np.sin(2 * np.pi * self.frequencies * time + self.phases)).sum(1)

    def on(self, path: Path) -> Path:
        """The path with this unrest laid over it."""

        def pose(time: float) -> Pose:
            unrest = self.at(time)
            return turned(path(time), unrest[:3], unrest[3:])

        return pose


def still(pose: Pose) -> Path:
    """Nothing moves."""
    fixed = np.array(pose, np.float64)
    return lambda time: fixed


def handheld(rng: np.random.Generator, pose: Pose, *, amount: float = 1.0) -> Path:
    """A camera held in a hand: `Shake` of 0.3 degrees and 3 mm, times `amount`."""
    return Shake.sample(rng, 0.005 * amount, 0.003 * amount).on(still(pose))


def dolly(start: Vector, end: Vector, target: Vector, seconds: float) -> Path:
    """A camera that goes from start to end in a minimum-jerk move, its eye on the target."""
    if not seconds > 0:
        raise PalmarError(f"dolly: seconds must be above 0, got {seconds}.")
    start, end = np.asarray(start, np.float64), np.asarray(end, np.float64)

    def pose(time: float) -> Pose:
        return look_at(start + (end - start) * float(minimum_jerk(np.array(time / seconds))), target)

    return pose


def orbit(
    target: Vector, distance: float, *, elevation: float = 0.3, start: float = 0.0, radians_per_second: float = 0.6
) -> Path:
    """A camera on a circle around the vertical through the target, which it looks at."""
    return lambda time: look_at(around(target, distance, start + radians_per_second * time, elevation), target)


def head_turning(rng: np.random.Generator, pose: Pose, *, amount: float = 1.0, seconds: float = 60.0) -> Path:
    """A head that sits on a working person: glances to the side and back (minimum-jerk turns of 0.3 to 0.8 s about a
    neck 0.1 m behind and 0.12 m below the eyes), breathing and sway.

    Glances go on for `seconds`, and come at random, some three seconds apart. Yaw has an SD of 14, pitch of 8, roll of
    3 degrees.
    """
    starts, lengths, goals = [], [], [np.zeros(3)]
    clock = float(rng.uniform(0.0, 2.0))
    while clock < seconds:
        starts.append(clock)
        lengths.append(float(rng.uniform(0.3, 0.8)))
        back = rng.random() < 0.5  # eyes come back to the work
        away = rng.normal(0.0, 1.0, 3) * np.radians([8.0, 14.0, 3.0]) * amount
        goals.append(away * (0.25 if back else 1.0))
        clock += lengths[-1] + float(rng.exponential(2.0)) + 0.3
    begin, length, goal = np.array([*starts, np.inf]), np.array([*lengths, 1.0]), np.array([*goals, goals[-1]])
    sway = Shake.sample(rng, 0.008 * amount, 0.006 * amount, band=(0.1, 3.0), slope=1.2, tremor=0.0)
    neck = np.array([0.0, 0.12, -0.10])

    def turn(time: float) -> Pose:
        k = max(int(np.searchsorted(begin, time, side="right")) - 1, 0)
        share = float(minimum_jerk(np.array((time - begin[k]) / length[k]))) if np.isfinite(begin[k]) else 0.0
        rotvec = goal[k] + (goal[k + 1] - goal[k]) * share
        moved = neck - rotmat_from_rotvec(rotvec) @ neck
        return turned(pose, rotvec, moved)

    return sway.on(turn)


# ----------------------------------------------------------------------------------------------------------- cameras


def webcam(
    rng: np.random.Generator,
    target: Vector = FRONT,
    *,
    size: tuple[int, int] = (640, 480),
    distance: float | None = None,
    facing: float = 0.0,
) -> View:
    """A camera on a screen or desk before the person: 55 to 82 degrees wide, a little off its middle, slight barrel
    distortion in half of them, and quite still. distance: metres to the target, 0.35 to 0.9 where not given."""
    width, height = size
    away = float(rng.uniform(0.35, 0.9)) if distance is None else distance
    eye = around(target, away, facing + rng.normal(0.0, 0.2), rng.normal(0.15, 0.2))
    aim = np.asarray(target) + rng.normal(0.0, 0.06, 3) * away
    camera = Camera.from_fov(width, height, float(np.radians(rng.uniform(55.0, 82.0))))
    camera = replace(camera, cx=camera.cx + rng.normal(0, 0.006) * width, cy=camera.cy + rng.normal(0, 0.006) * height)
    if rng.random() < 0.5:
        k1 = float(rng.uniform(-0.12, 0.02))
        camera = replace(camera, distortion=BrownConrady(k1=k1, k2=-0.3 * k1 * abs(k1)))
    return View(camera, still(_rolled(look_at(eye, aim), rng.normal(0.0, 0.03))), "webcam")


PHONE_LENSES: Mapping[str, tuple[float, float]] = {"main": (62.0, 74.0), "wide": (98.0, 112.0), "tele": (28.0, 40.0)}
"""Degrees along the longer side."""


def phone(
    rng: np.random.Generator,
    target: Vector = FRONT,
    *,
    longer: int = 640,
    portrait: bool | None = None,
    lens: Literal["main", "wide", "tele"] | None = None,
    facing: float = 0.0,
    seconds: float = 0.0,
) -> View:
    """A phone in a hand: 16:9 or 4:3, upright or lying, with main, wide or tele lens, shaking, and drifting for
    `seconds`.

    Phones straighten their lenses in software, so there is no distortion. It stands as far off as makes half a metre of
    the world fill the picture's shorter side, give or take a half.
    """
    upright = bool(rng.random() < 0.6) if portrait is None else portrait
    names = list(PHONE_LENSES)
    chosen = names[int(rng.choice(3, p=(0.7, 0.2, 0.1)))] if lens is None else lens
    hfov = math.radians(rng.uniform(*PHONE_LENSES[chosen]))
    shorter = round(longer * (9 / 16 if rng.random() < 0.6 else 3 / 4))
    f = longer / 2 / math.tan(hfov / 2)
    width, height = (shorter, longer) if upright else (longer, shorter)
    camera = Camera(width, height, f, f, (width - 1) / 2, (height - 1) / 2)
    away = 0.5 * f / shorter * math.exp(rng.uniform(-0.5, 0.4))
    azimuth, elevation = facing + rng.normal(0.0, 0.5), rng.uniform(-0.1, 1.1)
    aim = np.asarray(target) + rng.normal(0.0, 0.05, 3) * away
    begin = around(target, away, azimuth, elevation)
    path = still(_rolled(look_at(begin, aim), rng.normal(0.0, 0.06)))
    end = around(target, away * math.exp(rng.normal(0.0, 0.15)), azimuth + rng.normal(0.0, 0.25), elevation)
    if seconds > 0:
        path = dolly(begin, end, aim, seconds)
    return View(camera, Shake.sample(rng, 0.005, 0.003).on(path), f"phone-{'portrait' if upright else 'landscape'}")


def egocentric(
    rng: np.random.Generator,
    target: Vector = FRONT,
    *,
    lens: Literal["pinhole", "fisheye"] = "pinhole",
    size: tuple[int, int] = (640, 480),
    facing: float = 0.0,
    moving: bool = True,
) -> View:
    """A camera on a person's head, who looks at the work: eyes 0.25 to 0.45 m above the target and 0.2 to 0.4 m behind
    it, the camera tilted up to 15 degrees off the gaze.

    fisheye: Kannala-Brandt, 150 to 172 degrees across the longer side; pinhole: 75 to 100. moving: `head_turning`,
    else still.
    """
    width, height = size
    eye = np.asarray(target) + np.array([rng.normal(0.0, 0.04), -rng.uniform(0.25, 0.45), 0.0])
    eye = eye + _about_y(facing) @ np.array([0.0, 0.0, -rng.uniform(0.2, 0.4)])
    aim = np.asarray(target) + rng.normal(0.0, 0.05, 3)
    pose = turned(look_at(eye, aim), np.array([rng.uniform(-0.10, 0.26), 0.0, rng.normal(0.0, 0.04)]), np.zeros(3))
    if lens == "fisheye":
        k = KannalaBrandt(*(rng.normal(0.0, 1.0, 4) * (0.02, 0.008, 0.003, 0.0008)).tolist())
        half = min(math.radians(rng.uniform(75.0, 86.0)), 0.99 * k.max_angle)  # where the lens would fold
        f = max(width, height) / 2 / float(np.linalg.norm(k.distort(np.array([math.tan(half), 0.0]))))
        camera = Camera(width, height, f, f, (width - 1) / 2, (height - 1) / 2, k)
    else:
        camera = Camera.from_fov(width, height, math.radians(rng.uniform(75.0, 100.0)))
    return View(camera, head_turning(rng, pose) if moving else still(pose), f"egocentric-{lens}")


@dataclass(frozen=True, eq=False)
class Rig:
    """Cameras that stand around a workspace. The views are the truth."""

    views: tuple[View, ...]
    believed: tuple[Camera, ...]
    """What a calibration of this rig would say: the same cameras with its errors, poses included."""


def rig(
    rng: np.random.Generator,
    target: Vector = FRONT,
    *,
    count: int = 4,
    kind: Literal["ceiling", "desk"] = "ceiling",
    radius: float = 0.25,
    size: tuple[int, int] = (640, 480),
    calibration: float = 1.0,
) -> Rig:
    """2 to 8 still cameras that all see a ball of `radius` metres around the target.

    ceiling: 1.2 to 2 m up, spread around the circle, looking down. desk: 0.5 to 0.9 m away on short poles, over the
    half circle before the person (at smaller z). Each is as wide as it needs, with up to a third more, and 50 to 90
    degrees at least. calibration: scale of the errors of `Rig.believed`, see `miscalibrated`.
    Raises PalmarError for a count outside 2..8.
    """
    if not 2 <= count <= 8:
        raise PalmarError(f"rig: 2 to 8 cameras, got {count}.")
    width, height = size
    first = rng.uniform(0.0, 2 * math.pi)
    views = []
    for k in range(count):
        if kind == "ceiling":
            azimuth = first + (k + rng.normal(0.0, 0.12)) * 2 * math.pi / count
            elevation, away = rng.uniform(0.75, 1.25), rng.uniform(1.2, 2.0)
        else:
            azimuth = (k + 0.5 + rng.normal(0.0, 0.12)) / count * math.pi - math.pi / 2
            elevation, away = rng.uniform(0.1, 0.9), max(rng.uniform(0.5, 0.9), 1.6 * radius)
        pose = _rolled(look_at(around(target, away, azimuth, elevation), target), rng.normal(0.0, 0.05))
        need = 2 * math.asin(min(radius / away, 0.95)) * rng.uniform(1.1, 1.33)
        half = max(math.tan(need / 2) * max(width / height, 1.0), math.tan(math.radians(rng.uniform(25.0, 30.0))))
        camera = Camera.from_fov(width, height, 2 * math.atan(half))
        k1 = float(rng.uniform(-0.08, 0.03))
        camera = replace(camera, distortion=BrownConrady(k1=k1, k2=-0.3 * k1 * abs(k1)), world_from_camera=pose)
        views.append(View(camera, still(pose), f"{kind}-{k}"))
    believed = tuple(miscalibrated(rng, view.camera, scale=calibration) for view in views)
    return Rig(tuple(views), believed)


def miscalibrated(rng: np.random.Generator, camera: Camera, *, scale: float = 1.0) -> Camera:
    """The camera as a usual calibration knows it: pose off by 0.08 degrees and 1 mm, focal lengths by 0.15 %, the
    middle by 0.8 pixels of 640, k1 by 0.002 (standard deviations, times `scale`)."""
    draw = rng.normal(0.0, 1.0, 11) * scale
    pixel = 0.8 * camera.width / 640
    pose = None
    if camera.world_from_camera is not None:
        pose = turned(camera.world_from_camera, draw[:3] * math.radians(0.08), draw[3:6] * 0.001)
    lens = camera.distortion
    if lens is not None:
        lens = replace(lens, k1=lens.k1 + 0.002 * draw[10])
    return replace(
        camera,
        fx=camera.fx * (1 + 0.0015 * draw[6]),
        fy=camera.fy * (1 + 0.0015 * draw[7]),
        cx=camera.cx + pixel * draw[8],
        cy=camera.cy + pixel * draw[9],
        distortion=lens,
        world_from_camera=pose,
    )


def moving(
    rng: np.random.Generator,
    target: Vector = FRONT,
    *,
    path: Literal["handheld", "dolly", "orbit"] = "orbit",
    size: tuple[int, int] = (640, 480),
    distance: float = 0.6,
    facing: float = 0.0,
    seconds: float = 3.0,
) -> View:
    """A camera on a known path around the target, with a person's shake on it."""
    width, height = size
    camera = Camera.from_fov(width, height, math.radians(rng.uniform(50.0, 70.0)))
    start, elevation = facing + rng.normal(0.0, 0.4), rng.uniform(0.1, 0.7)
    begin = around(target, distance, start, elevation)
    if path == "handheld":
        return View(camera, handheld(rng, look_at(begin, target), amount=2.0), "handheld")
    if path == "dolly":
        end = around(target, distance * math.exp(rng.uniform(-0.5, 0.5)), start + rng.normal(0.0, 0.6), elevation)
        return View(camera, Shake.sample(rng, 0.003, 0.002).on(dolly(begin, end, target, seconds)), "dolly")
    speed = float(rng.choice((-1.0, 1.0)) * rng.uniform(0.3, 0.9))
    way = orbit(target, distance, elevation=elevation, start=start, radians_per_second=speed)
    return View(camera, Shake.sample(rng, 0.003, 0.002).on(way), "orbit")


VIEWS: Mapping[str, Callable[[np.random.Generator, Vector], tuple[View, ...]]] = {
    "webcam": lambda rng, target: (webcam(rng, target),),
    "phone": lambda rng, target: (phone(rng, target),),
    "egocentric": lambda rng, target: (egocentric(rng, target),),
    "fisheye": lambda rng, target: (egocentric(rng, target, lens="fisheye"),),
    "ceiling": lambda rng, target: rig(rng, target, count=4).views,
    "desk": lambda rng, target: rig(rng, target, count=3, kind="desk").views,
    "handheld": lambda rng, target: (moving(rng, target, path="handheld"),),
    "dolly": lambda rng, target: (moving(rng, target, path="dolly"),),
    "orbit": lambda rng, target: (moving(rng, target, path="orbit"),),
}
"""Makers by name: (generator, target) to views, at their usual sizes."""


def _rolled(pose: Pose, radians: float) -> Pose:
    return turned(pose, np.array([0.0, 0.0, radians]), np.zeros(3))


def _about_y(radians: float) -> Float[np.ndarray, "3 3"]:
    return rotmat_from_rotvec(np.array([0.0, -radians, 0.0]))
