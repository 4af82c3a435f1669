"""Poses, motions and viewpoints of one hand, drawn at random: each a pure function of the generator that is passed in.

    pose = sample_pose(rng)                     # angles [5, 3, 3], and where they came from
    motion = sample_motion(rng, 2.0, 30.0)      # a smooth sequence of poses, with the hand turning
    camera_from_hand = sample_orientation(rng)  # [3, 3]

Angles are those of `palmar.hand.limits`; the hand's rest frame is that of `palmar.hand.HandModel` (right hand: fingers
-x, thumb +z, palm facing -y), the camera's is OpenCV's (x right, y down, z forward). Left hands are mirrored by whoever
renders them.

No single source of poses is enough: independent joints alone make hands that nobody makes and hide the common ones, a
library alone makes a classifier of its entries. `MIXTURE` has the shares.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from palmar.errors import PalmarError
from palmar.hand import limits
from palmar.synth import gestures

Angles = Float[np.ndarray, "5 3 3"]
Degrees = tuple[float, ...]
Shares = Mapping[str, tuple[float, Callable[[np.random.Generator], Angles]]]
"""Parts of a sampler by name: how often, and what draws them."""
Kind = Literal["synergy", "independent", "library", "grasp", "closed", "extreme"]
KINDS: tuple[Kind, ...] = get_args(Kind)

MIXTURE: Mapping[Kind, float] = {
    "synergy": 0.27, "independent": 0.17, "library": 0.22, "grasp": 0.14, "closed": 0.12, "extreme": 0.08,
}
"""How often each kind of pose is drawn."""

VIEWS: Mapping[str, float] = {"uniform": 0.35, "webcam": 0.45, "desk": 0.20}
"""How often each kind of viewpoint is drawn."""

LIBRARY_NOISE = 8.0
"""Degrees, standard deviation on the flexion of every joint of a library shape; abduction and the thumb's CMC get half
of it."""

THUMB, INDEX, MIDDLE, RING, LITTLE = range(5)
FLEXION, ABDUCTION, TWIST = range(3)


@dataclass(frozen=True, eq=False)
class Pose:
    """One pose: angles in radians, the kind of sampler it came from, and a name (of the library shape, the grasp, the
    extreme)."""

    angles: Angles
    kind: Kind
    name: str


def sample_pose(rng: np.random.Generator) -> Pose:
    """A pose from the mixture. Inside `limits.ACTIVE`, those of kind "extreme" inside `limits.LAX`.

    Fingers may still run into each other or into the palm: whether they do depends on the hand's size.
    """
    draw = rng.random()
    for kind, share in MIXTURE.items():
        draw -= share
        if draw < 0:
            return SAMPLERS[kind](rng)
    return SAMPLERS[KINDS[-1]](rng)


# Synergies: directions in which hands move as a whole. Ours, from what a hand does; no published matrix is in here.

def _direction(thumb: Degrees, mcp: Degrees, pip: Degrees, abduction: Degrees) -> Angles:
    """Degrees per unit of score: thumb (CMC flexion, abduction, twist, MCP, IP), then index to little. The DIP follows
    the PIP."""
    out = np.zeros((5, 3, 3))
    out[THUMB, 0], out[THUMB, 1:, FLEXION] = thumb[:3], thumb[3:]
    out[1:, 0, FLEXION], out[1:, 1, FLEXION], out[1:, 0, ABDUCTION] = mcp, pip, abduction
    out[1:, 2, FLEXION] = limits.dip_from_pip(out[1:, 1, FLEXION])
    return np.radians(out)


MEAN_POSTURE = _direction((5, 0, 2, 12, 14), (32, 34, 37, 40), (38, 42, 42, 38), (0, 0, 0, 0))
"""A hand about to hold something."""

SYNERGIES: Mapping[str, Angles] = {
    "closing": _direction((6, -3, 1, 8, 12), (26, 28, 29, 30), (30, 32, 32, 31), (-2, 0, -2, -3)),
    "hook against flat": _direction((0, 0, 0, 4, 8), (-22, -23, -23, -22), (27, 28, 28, 27), (0, 0, 0, 0)),
    "opposition": _direction((14, 10, 4, 10, 6), (4, 4, 3, 3), (4, 3, 2, 2), (0, 0, 0, 0)),
    "spread": _direction((-9, 2, 0, -3, -4), (-3, -2, -2, -3), (-2, -2, -2, -2), (6, 0, 5, 10)),
    "little side": _direction((0, 0, 0, 0, 0), (-22, -8, 10, 22), (-24, -8, 12, 24), (0, 0, 0, 0)),
    "pointing": _direction((4, 0, 0, 6, 8), (-24, 10, 12, 12), (-32, 14, 15, 14), (0, 0, 0, 0)),
    "middle pair": _direction((2, 0, 0, 0, 0), (-10, 14, 14, -10), (-12, 16, 16, -12), (2, 0, 0, 4)),
}
"""Angles in radians per unit of score. The first is always drawn, with one or two of the others."""

_SYNERGY_NAMES = tuple(SYNERGIES)
_SYNERGIES = np.stack(tuple(SYNERGIES.values()))


def _sd(thumb: Degrees, mcp: float, pip: float, dip: float, abduction: float) -> Angles:
    """Standard deviations in degrees: thumb (CMC flexion, abduction, twist, MCP, IP), then one number for all
    fingers."""
    out = np.zeros((5, 3, 3))
    out[THUMB, 0], out[THUMB, 1:, FLEXION] = thumb[:3], thumb[3:]
    out[1:, :, FLEXION], out[1:, 0, ABDUCTION] = (mcp, pip, dip), abduction
    return np.radians(out)


_SYNERGY_SD = _sd((4, 4, 2, 5, 6), 6, 7, 5, 2.5)        # a fifth of what the synergies move the joints
_LIBRARY_SD = _sd((4, 4, 2, 8, 8), 8, 8, 8, 4)
_GRASP_SD = _sd((3, 3, 2, 5, 6), 4, 5, 4, 2)
_EXTREME_SD = _sd((4, 4, 2, 6, 8), 4, 4, 4, 2)


def _noise(rng: np.random.Generator, sd: Angles) -> Angles:
    return sd * rng.standard_normal((5, 3, 3))


def sample_synergy(rng: np.random.Generator) -> Pose:
    """The mean posture plus two or three synergies with scores N(0, 1) and a little independent noise."""
    others = len(_SYNERGIES) - 1
    first = int(rng.integers(others))
    second = (first + 1 + int(rng.integers(others - 1))) % others          # another one
    first, second = first + 1, second + 1
    score = rng.standard_normal(3)
    score[2] *= rng.random() < 0.5
    moved = score @ _SYNERGIES[[0, first, second]].reshape(3, 45)
    angles = MEAN_POSTURE + moved.reshape(5, 3, 3) + _noise(rng, _SYNERGY_SD)
    return Pose(limits.clip(angles), "synergy", _SYNERGY_NAMES[first])


# Independent joints.

FREE_DIP = 0.2
"""Share of poses whose DIP joints do not follow the PIP joints."""
DIP_SD = math.radians(8.0)
RING_LITTLE = 0.7
"""Correlation of the MCP flexion of ring and little finger: they share a muscle belly and a web of skin."""


def sample_independent(rng: np.random.Generator) -> Pose:
    """Every joint uniform in its active range; the DIP follows the PIP in four of five, the little MCP goes with the
    ring MCP."""
    low, high = limits.bounds()
    u = rng.random((5, 3, 3))
    ring, own = rng.standard_normal(2)
    little = RING_LITTLE * ring + math.sqrt(1 - RING_LITTLE**2) * own
    u[RING, 0, FLEXION], u[LITTLE, 0, FLEXION] = _normal_cdf(ring), _normal_cdf(little)
    angles = low + u * (high - low)
    angles[1:, 0, ABDUCTION] *= limits.abduction_share(angles[1:, 0, FLEXION])
    follow = limits.dip_from_pip(angles[1:, 1, FLEXION]) + DIP_SD * rng.standard_normal(4)
    free = rng.random() < FREE_DIP
    if not free:
        angles[1:, 2, FLEXION] = follow
    return Pose(limits.clip(angles), "independent", "free dip" if free else "coupled")


def _normal_cdf(x: float) -> float:
    return 0.5 * (1.0 + math.erf(x / math.sqrt(2.0)))


# The library.

def sample_library(rng: np.random.Generator) -> Pose:
    """A named shape of `gestures` with N(0, `LIBRARY_NOISE`) on its joints."""
    name = gestures.NAMES[rng.integers(len(gestures.NAMES))]
    return Pose(limits.clip(gestures.shape(name) + _noise(rng, _LIBRARY_SD)), "library", name)


# Grasps: fingers closed onto a proxy whose size is drawn, by plane geometry of the finger's chain.

_PHALANGES = np.array([[0.245, 0.143, 0.097], [0.266, 0.170, 0.108], [0.244, 0.165, 0.107], [0.204, 0.117, 0.093]])
"""Proximal, middle, distal of index to little, as fractions of hand length (Buchholz 1992)."""
_PALM = 0.16
"""The part of the palm before the MCP that lies on what is held, fraction of hand length. Ours."""
_PAD = 0.04
"""Half a finger's thickness, fraction of hand length. Ours."""


def wrap(radius: float) -> Float[np.ndarray, "4 3"]:
    """Flexion (radians) of MCP, PIP, DIP of index to little whose joints lie on a circle about a cylinder's axis.

    radius: of the cylinder in hand lengths; the circle is wider by `_PAD`. Each bone is a chord, and two chords meet at
    half the sum of the angles they subtend. Not clipped to the limits: a thin cylinder asks for more than joints have.
    """
    circle = 2 * (radius + _PAD)
    half = np.arcsin(np.minimum(_PHALANGES / circle, 1.0))
    palm = math.asin(min(_PALM / circle, 1.0))
    return np.stack([palm + half[:, 0], half[:, 0] + half[:, 1], half[:, 1] + half[:, 2]], axis=-1)


def _cylinder(rng: np.random.Generator) -> Angles:
    radius = math.exp(rng.uniform(math.log(0.06), math.log(0.28)))           # a broom stick to a large bottle
    angles = gestures.shape("hold cylinder" if radius > 0.1 else "hold cylinder small")
    angles[1:, :, FLEXION] = wrap(radius)
    angles[1:, 0, FLEXION] += np.radians(rng.normal(0, 6) * np.array([-1.5, -0.5, 0.5, 1.5]))     # held at a slant
    return angles


def _ball(rng: np.random.Generator) -> Angles:
    radius = rng.uniform(0.1, 0.35)                                          # a golf ball to a melon
    angles = gestures.shape("hold ball" if radius > 0.18 else "hold ball small")
    angles[1:, :, FLEXION] = wrap(radius) * rng.uniform(0.75, 1.0)
    angles[1:, 0, ABDUCTION] = math.radians(60 * min(radius, 0.25)) * np.array([0.6, 0.0, 0.6, 1.2])
    return angles


def _box(rng: np.random.Generator) -> Angles:
    angles = gestures.shape(("hold box", "hold plate", "hold book")[rng.integers(3)])
    angles[1:, 0, FLEXION] = math.radians(rng.uniform(15, 85))
    angles[1:, 1:, FLEXION] *= rng.uniform(0, 3)
    return angles


def _hook(rng: np.random.Generator) -> Angles:
    angles = gestures.shape("hold hook")
    angles[1:, 0, FLEXION] += math.radians(rng.uniform(0, 40))
    angles[1:, 1:, FLEXION] *= rng.uniform(0.65, 1.05)
    return angles


def _lateral(rng: np.random.Generator) -> Angles:
    angles = gestures.shape(("hold key", "hold card", "hold cup handle")[rng.integers(3)])
    angles[1:, :, FLEXION] *= rng.uniform(0.6, 1.05, (4, 1))
    return angles


def _precision(rng: np.random.Generator) -> Angles:
    names = ("pinch", "ok", "hold pen", "hold brush", "hold glass stem", "purse", "beak", "letter O", "hold chopsticks")
    angles = gestures.shape(names[rng.integers(len(names))])
    aperture = rng.uniform(0, 1) ** 2                                        # mostly something thin is held
    angles += aperture * (gestures.shape("pinch open") - angles) * (angles[:, :, :1] > math.radians(25))
    return angles


def _phone(rng: np.random.Generator) -> Angles:
    angles = gestures.shape(("hold phone", "hold phone and tap", "mouse", "hold trigger")[rng.integers(4)])
    angles[1:, :, FLEXION] *= rng.uniform(0.7, 1.3)
    return angles


GRASPS: Shares = {
    "cylinder": (0.27, _cylinder), "ball": (0.16, _ball), "box": (0.14, _box), "hook": (0.06, _hook),
    "lateral": (0.09, _lateral), "precision": (0.18, _precision), "phone": (0.10, _phone),
}
"""Share and sampler of each family of grasps."""


def sample_grasp(rng: np.random.Generator) -> Pose:
    """A hand that holds something, without the thing."""
    name = _pick(rng, GRASPS)
    return Pose(limits.clip(GRASPS[name][1](rng) + _noise(rng, _GRASP_SD)), "grasp", name)


def _pick(rng: np.random.Generator, table: Shares) -> str:
    draw = rng.random()
    for name, (share, _) in table.items():
        draw -= share
        if draw < 0:
            return name
    return name


# Closed hands: the poses that trackers lose first, for the fingers hide each other.

CLOSED: tuple[str, ...] = (
    "fist", "fist loose", "fist thumb inside", "fist thumb beside", "letter A", "letter S", "letter T", "letter E",
    "knock", "hold hammer", "thumb up", "hold key",
)
"""Shapes of `gestures` whose fingers are all closed."""


def sample_closed(rng: np.random.Generator) -> Pose:
    """A fist of some kind, from half closed to clenched; in one of four one or two fingers are less closed."""
    name = CLOSED[rng.integers(len(CLOSED))]
    angles = gestures.shape(name)
    angles[1:, :, FLEXION] *= rng.uniform(0.6, 1.1)
    if rng.random() < 0.25:
        angles[1 + rng.choice(4, rng.integers(1, 3), replace=False), :, FLEXION] *= rng.uniform(0.3, 0.9)
    return Pose(limits.clip(angles + _noise(rng, _GRASP_SD)), "closed", name)


# Extremes: what fingers do against a surface, in very mobile hands, or against each other.

def _bent_back(rng: np.random.Generator) -> Angles:
    """Fingers pushed backwards, some or all."""
    angles = gestures.shape("open")
    pushed = rng.random(4) < rng.uniform(0.3, 1.0)
    angles[1:, 0, FLEXION] -= pushed * np.radians(rng.uniform(15, 50, 4))
    angles[1:, 1, FLEXION] -= np.radians(rng.uniform(0, 10, 4))
    angles[1:, 2, FLEXION] -= np.radians(rng.uniform(-4, 14, 4))
    return angles


def _pressed(rng: np.random.Generator) -> Angles:
    """Fingertips pressed on something: the DIP bends back while the PIP bends."""
    angles = gestures.shape("press")
    angles[1:, 0, FLEXION] = np.radians(rng.uniform(0, 60) + rng.normal(0, 8, 4))
    angles[1:, 1, FLEXION] = np.radians(rng.uniform(20, 70) + rng.normal(0, 8, 4))
    angles[1:, 2, FLEXION] = np.radians(rng.uniform(-12, 4, 4))
    angles[THUMB, 2, FLEXION] = math.radians(rng.uniform(-40, 10))
    return angles


def _tight(rng: np.random.Generator) -> Angles:
    """A fist clenched as far as it goes."""
    angles = gestures.shape(("fist", "fist thumb inside", "letter A")[rng.integers(3)])
    angles[1:, :, FLEXION] = np.radians((95, 118, 86))
    return angles


def _splayed(rng: np.random.Generator) -> Angles:
    """All fingers apart as far as they go."""
    angles = gestures.shape("open wide")
    angles[1:, 0, ABDUCTION] = np.radians((12, 0, 12, 25))
    angles[1:, 1:, FLEXION] += np.radians(rng.uniform(0, 40))
    return angles


def _thumb_back(rng: np.random.Generator) -> Angles:
    """The hitchhiker's thumb."""
    angles = gestures.shape(("hitchhiker", "thumb up", "open", "count 2 europe")[rng.integers(4)])
    angles[THUMB, 2, FLEXION] = math.radians(rng.uniform(-45, -15))
    return angles


def _touching(rng: np.random.Generator) -> Angles:
    """Fingers side by side without a gap, bent together."""
    angles = gestures.shape("flat closed" if rng.random() < 0.5 else "scout")
    together = np.radians(rng.uniform((0, 0, 0), (85, 80, 50)))
    angles[1:, :, FLEXION] = together * rng.uniform(0.85, 1.15, (4, 1))
    return angles


def _crossed(rng: np.random.Generator) -> Angles:
    """Two neighbouring fingers crossed, or all of them crowded."""
    angles = gestures.shape("crossed")
    if rng.random() < 0.4:                                                  # ring over middle
        angles[[INDEX, MIDDLE, RING], 0, ABDUCTION] = np.radians((0, -6, -14))
        angles[[INDEX, MIDDLE, RING], :, FLEXION] = np.radians(((60, 80, 50), (4, 6, 3), (24, 20, 12)))
    return angles


def _corner(rng: np.random.Generator) -> Angles:
    """Every joint near one of its ends, each for itself."""
    low, high = limits.bounds(lax=True)
    angles = low + rng.beta(0.35, 0.35, (5, 3, 3)) * (high - low)
    angles[1:, 2, FLEXION] = limits.dip_from_pip(angles[1:, 1, FLEXION])
    return angles


EXTREMES: Shares = {
    "bent back": (0.20, _bent_back), "pressed": (0.15, _pressed), "tight": (0.14, _tight), "splayed": (0.12, _splayed),
    "thumb back": (0.10, _thumb_back), "touching": (0.13, _touching), "crossed": (0.08, _crossed),
    "corner": (0.08, _corner),
}
"""Share and sampler of each extreme."""


def sample_extreme(rng: np.random.Generator) -> Pose:
    """A pose at the end of what hands do, inside `limits.LAX`."""
    name = _pick(rng, EXTREMES)
    return Pose(limits.clip(EXTREMES[name][1](rng) + _noise(rng, _EXTREME_SD), lax=True), "extreme", name)


SAMPLERS: Mapping[Kind, Callable[[np.random.Generator], Pose]] = {
    "synergy": sample_synergy, "independent": sample_independent, "library": sample_library,
    "grasp": sample_grasp, "closed": sample_closed, "extreme": sample_extreme,
}


# Viewpoints.

_PALM_VIEW = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
"""camera_from_hand: fingers up in the image, palm to the camera, a right thumb on the image's right."""
_BACK_VIEW = np.array([[0.0, 0.0, -1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])

PALM_SHARE = 0.65
"""How many webcam views show the palm; the rest show the back of the hand."""


def sample_orientation(rng: np.random.Generator) -> Float[np.ndarray, "3 3"]:
    """camera_from_hand: how a right hand's rest frame is turned in the camera's, drawn from `VIEWS`."""
    draw = rng.random()
    if draw < VIEWS["uniform"]:
        return uniform_view(rng)
    return webcam_view(rng) if draw < VIEWS["uniform"] + VIEWS["webcam"] else desk_view(rng)


def uniform_view(rng: np.random.Generator) -> Float[np.ndarray, "3 3"]:
    """camera_from_hand uniform on SO(3)."""
    return Rotation.from_quat(rng.standard_normal(4)).as_matrix()


def webcam_view(rng: np.random.Generator) -> Float[np.ndarray, "3 3"]:
    """Somebody in front of a screen: fingers up within 60 degrees, palm or back to the camera within 70 degrees of tilt
    and of yaw."""
    facing = _PALM_VIEW if rng.random() < PALM_SHARE else _BACK_VIEW
    roll, tilt, yaw = rng.uniform((-60, -70, -70), (60, 70, 70))
    return _roll_tilt_yaw(roll, tilt, yaw) @ facing


def desk_view(rng: np.random.Generator) -> Float[np.ndarray, "3 3"]:
    """Own hands from the head, or from above a desk: back to the camera, fingers away from it or across the image.

    For a right hand, which comes in from the right, fingers lean to the left more often.
    """
    roll, tilt, yaw = rng.normal(-20, 45), rng.uniform(-80, 15), rng.uniform(-60, 60)
    return _roll_tilt_yaw(min(max(roll, -120), 100), tilt, yaw) @ _BACK_VIEW


def _roll_tilt_yaw(roll: float, tilt: float, yaw: float) -> Float[np.ndarray, "3 3"]:
    """Degrees: yaw about the fingers of an upright hand first, then tilt about the image's x (< 0 leads fingers away),
    then roll in it."""
    return Rotation.from_euler("ZXY", (roll, tilt, yaw), degrees=True).as_matrix()


# Motion.

@dataclass(frozen=True, eq=False)
class Motion:
    """A sequence of T poses: times in seconds from 0, angles in radians, and the hand's orientation in the camera
    frame."""

    times: Float[np.ndarray, " t"]
    angles: Float[np.ndarray, "t 5 3 3"]
    camera_from_hand: Float[np.ndarray, "t 3 3"]


def minimum_jerk(t: Float[np.ndarray, "*batch"]) -> Float[np.ndarray, "*batch"]:
    """Share of a reach that is done at share t of its time: 0 to 1, with velocity and acceleration zero at both ends.

    Flash and Hogan 1985. Outside 0 to 1 the reach has not begun or is over.
    """
    t = np.clip(t, 0.0, 1.0)
    return np.asarray(t * t * t * (10.0 + t * (6.0 * t - 15.0)))


TURN_SD = math.radians(20.0)
"""Per axis, how far the hand turns during one move."""


def sample_motion(rng: np.random.Generator, seconds: float, fps: float) -> Motion:
    """A hand at work: minimum-jerk moves between sampled poses, with rests between some of them. round(seconds * fps)
    frames, at least 1.

    The first frame falls anywhere in the first move or rest, so that a very short motion (an exposure) is as fast as a
    long one. Poses between two possible ones are possible (`palmar.hand.limits`). Raises PalmarError unless both
    numbers are positive and finite.
    """
    if not (0 < seconds < math.inf and 0 < fps < math.inf):
        raise PalmarError(f"sample_motion: seconds and fps must be positive and finite, got {seconds} and {fps}.")
    times = np.arange(max(1, round(seconds * fps))) / fps
    angles, looks = [sample_pose(rng).angles], [sample_orientation(rng)]
    starts, lengths, turns = [], [], []
    clock = None
    while clock is None or clock < times[-1]:
        rest, length = rng.exponential(0.25) * (rng.random() < 0.6), math.exp(rng.normal(math.log(0.45), 0.4))
        if clock is None:
            clock = -rng.random() * (rest + length)
        how_far = 1.0 if rng.random() < 0.6 else rng.uniform(0.1, 0.7)       # some moves are small adjustments
        angles.append(angles[-1] + how_far * (sample_pose(rng).angles - angles[-1]))
        turns.append(rng.normal(0.0, TURN_SD * how_far, 3))
        looks.append(looks[-1] @ Rotation.from_rotvec(turns[-1]).as_matrix())
        starts.append(clock + rest)
        lengths.append(length)
        clock += rest + length

    move = np.maximum(np.searchsorted(starts, times, side="right") - 1, 0)
    done = minimum_jerk((times - np.array(starts)[move]) / np.array(lengths)[move])
    poses = np.stack(angles)
    along = poses[move] + done[:, None, None, None] * (poses[move + 1] - poses[move])
    turned = Rotation.from_rotvec(done[:, None] * np.stack(turns)[move]).as_matrix()
    return Motion(times, along, np.stack(looks)[move] @ turned)
