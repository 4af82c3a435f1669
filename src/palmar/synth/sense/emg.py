"""Surface EMG of a moving hand: a band of 16 electrodes around the forearm, 2 kHz, microvolts.

From angles to volts in the steps nature takes, each after its own source:

1. **Torques** that hold and move the joints: passive stiffness towards the relaxed hand, damping, inertia, and the grip
   on what is held.
2. **Muscles** that make them: 34 with their moment arms on 22 joint axes and their strengths; shares by static
   optimisation, the least sum of squared activations (Crowninshield and Brand 1981). Finger tendons pull on the wrist
   too, so a fist recruits the wrist's extensors as it does in life. Then co-contraction, and neighbours that come along
   (Zatsiorsky, Li, Latash 2000).
3. **Motor units**: a pool for each muscle, recruited by size, rates rising with excitation (Fuglevand, Winter, Patla
   1993). Excitation leads force by the time the muscle takes to build it.
4. **Potentials**: each unit's action potential as a tripole that runs along fibres at its depth (Griep et al. 1982;
   Merletti et al. 1999), seen by two contacts one after the other along the arm. Distance makes it smaller and slower,
   and spreads it around the band: the volume conductor's smoothing. Ends of fibres and bones are left out.
5. **The recording**: gains, noise, mains hum, motion artefacts, 20 to 850 Hz.

A person is an `Arm`, a wearing of the band a `Band`; both are drawn from a generator. Anatomy is rounded after An et
al. 1983 (finger moment arms, index; others by size), Smutz et al. 1998 (thumb), Loren et al. 1996 (wrist), and
Holzbaur, Murray, Delp 2005 (strengths). Around the arm angles run from the thumb's side (0) over the palm's (90) to the
little finger's (180) and the back (270), degrees.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import scipy.signal
from jaxtyping import Float, Float32

from palmar.errors import PalmarError
from palmar.geometry.rotations import rotmat_from_rotvec, rotvec_from_rotmat
from palmar.hand import HandModel
from palmar.hand.joints import POSE_OF_FINGER
from palmar.render.kernel import kernel
from palmar.synth.world import HandTruth, Scene

RATE = 2000
"""Samples per second."""
ELECTRODES = 16
FINGERS = ("index", "middle", "ring", "little")
AXES = (
    *(f"{finger}_{axis}" for finger in FINGERS for axis in ("mcp", "spread", "pip", "dip")),
    *("thumb_cmc", "thumb_rise", "thumb_mcp", "thumb_ip"),
    *("wrist_flexion", "wrist_radial"),
)
"""Joint axes, positive for flexion, abduction, and towards the thumb's side."""


class Muscle(NamedTuple):
    """One muscle, or the part of one that serves one finger."""

    name: str
    newtons: float
    """Most force."""
    arms: dict[str, float]
    """Moment arms in millimetres by axis; positive where it makes the angle grow."""
    angle: float
    """Where its belly lies around the arm, degrees."""
    place: float
    """How far out, share of the arm's radius."""
    ends: float
    """Millimetres from the wrist at which its belly turns into tendon."""


def _muscles() -> tuple[Muscle, ...]:
    size = dict(zip(FINGERS, (1.0, 1.05, 0.98, 0.85), strict=True))
    deep = dict(zip(FINGERS, ((68, 95, 0.38), (82, 112, 0.36), (65, 130, 0.42), (45, 147, 0.50)), strict=True))
    shallow = dict(zip(FINGERS, ((61, 82, 0.58), (91, 98, 0.74), (58, 114, 0.74), (25, 124, 0.60)), strict=True))
    stretch = dict(zip(FINGERS, ((49, 302, 0.70), (94, 290, 0.78), (80, 277, 0.78), (20, 268, 0.74)), strict=True))
    out = []
    for finger in FINGERS:
        k = size[finger]
        mcp, spread, pip, dip = (f"{finger}_{axis}" for axis in ("mcp", "spread", "pip", "dip"))
        newtons, angle, place = deep[finger]
        out.append(
            Muscle(
                f"fdp_{finger}", newtons, {mcp: 11 * k, pip: 8 * k, dip: 4 * k, "wrist_flexion": 14}, angle, place, 40
            )
        )
        newtons, angle, place = shallow[finger]
        out.append(Muscle(f"fds_{finger}", newtons, {mcp: 12 * k, pip: 6 * k, "wrist_flexion": 15}, angle, place, 42))
        newtons, angle, place = stretch[finger]
        out.append(
            Muscle(
                f"edc_{finger}",
                newtons,
                {mcp: -9 * k, pip: -3 * k, dip: -2 * k, "wrist_flexion": -13},
                angle,
                place,
                55,
            )
        )
        lever = {mcp: 5 * k, pip: -2.5 * k, dip: -1.5 * k}
        out.append(Muscle(f"dorsal_{finger}", 50, {**lever, spread: 5 * k}, 30, 0.8, -70))
        out.append(Muscle(f"palmar_{finger}", 35, {**lever, spread: -5 * k}, 90, 0.7, -70))
    out += [
        Muscle("eip", 47, {"index_mcp": -9, "index_pip": -3, "index_dip": -1, "wrist_flexion": -11}, 262, 0.50, 35),
        Muscle("edm", 72, {"little_mcp": -8, "little_pip": -2.5, "little_dip": -1, "wrist_flexion": -9}, 254, 0.78, 50),
        Muscle("fpl", 201, {"thumb_cmc": 10, "thumb_mcp": 9, "thumb_ip": 7, "wrist_flexion": 12}, 62, 0.50, 32),
        Muscle(
            "epl", 88, {"thumb_cmc": -8, "thumb_rise": -6, "thumb_mcp": -6, "thumb_ip": -4.5, "wrist_flexion": -8},
            283, 0.48, 40,
        ),
        Muscle("epb", 46, {"thumb_cmc": -10, "thumb_rise": 2, "thumb_mcp": -6, "wrist_radial": 8}, 313, 0.55, 42),
        Muscle("apl", 117, {"thumb_cmc": -7, "thumb_rise": 8, "wrist_flexion": 2, "wrist_radial": 10}, 330, 0.60, 48),
        Muscle("thenar", 180, {"thumb_cmc": 10, "thumb_rise": 12, "thumb_mcp": 5}, 45, 0.8, -45),
        Muscle("adductor", 150, {"thumb_cmc": 14, "thumb_rise": -10, "thumb_mcp": 6}, 70, 0.7, -60),
        Muscle("fcr", 74, {"wrist_flexion": 15, "wrist_radial": 8}, 60, 0.82, 100),
        Muscle("pl", 27, {"wrist_flexion": 17}, 86, 0.90, 110),
        Muscle("fcu", 129, {"wrist_flexion": 16, "wrist_radial": -17}, 157, 0.85, 20),
        Muscle("ecrl", 305, {"wrist_flexion": -9, "wrist_radial": 19}, 340, 0.82, 140),
        Muscle("ecrb", 101, {"wrist_flexion": -13, "wrist_radial": 12}, 320, 0.76, 95),
        Muscle("ecu", 93, {"wrist_flexion": -6, "wrist_radial": -20}, 226, 0.82, 45),
    ]  # fmt: skip
    return tuple(out)


MUSCLES = _muscles()
NAMES = tuple(muscle.name for muscle in MUSCLES)

# Of each axis, AXES' order: relaxed angle (radians), stiffness (N m / rad), damping (N m s / rad), inertia (kg m2).
_FINGER = (
    (0.60, 0.12, 0.006, 1.6e-4),
    (0.0, 0.10, 0.004, 1.6e-4),
    (0.65, 0.06, 0.003, 4e-5),
    (0.30, 0.03, 0.0015, 8e-6),
)
_THUMB = (
    (0.15, 0.40, 0.010, 1.5e-4),
    (-0.2, 0.30, 0.010, 1.5e-4),
    (0.25, 0.25, 0.008, 5e-5),
    (0.25, 0.15, 0.004, 1e-5),
)
_WRIST = ((0.0, 0.7, 0.03, 2.5e-3), (0.0, 1.0, 0.03, 2.5e-3))
JOINTS = np.array([*_FINGER * 4, *_THUMB, *_WRIST])
RELAXED = JOINTS[:, 0]


def relaxed_angles() -> Float[np.ndarray, "5 3 3"]:
    """Anatomical angles of a hand at rest, whose muscles are silent."""
    out = np.zeros((5, 3, 3))
    out[1:, :, 0] = RELAXED[[0, 2, 3]]
    out[0, :, 0], out[0, 0, 1] = RELAXED[[16, 18, 19]], RELAXED[17]
    return out


# ---------------------------------------------------------------------------------------------------------- mechanics


def axes_of(
    angles: Float[np.ndarray, "t 5 3 3"], wrist: Float[np.ndarray, "t 2"] | None = None
) -> Float[np.ndarray, "t 22"]:
    """The 22 joint axes of anatomical angles. wrist: flexion and radial deviation of the hand, radians; 0 if not
    given."""
    fingers = np.stack([angles[:, 1:, 0, 0], angles[:, 1:, 0, 1], angles[:, 1:, 1, 0], angles[:, 1:, 2, 0]], -1)
    thumb = np.stack([angles[:, 0, 0, 0], angles[:, 0, 0, 1], angles[:, 0, 1, 0], angles[:, 0, 2, 0]], -1)
    wrist = np.zeros((len(angles), 2)) if wrist is None else wrist
    return np.concatenate([fingers.reshape(len(angles), 16), thumb, wrist], 1)


_GRIP = np.array([*((0.075, 0.0, 0.045, 0.02) * 4), 0.06, 0.0, 0.045, 0.025, 0.0, 0.0])
"""Metres by which a force on a fingertip pulls each axis open."""


def torques(
    axes: Float[np.ndarray, "t 22"], step: float, grip: Float[np.ndarray, "t 5"] | None = None
) -> Float[np.ndarray, "t 22"]:
    """N m that muscles must make for these motions, sampled every `step` seconds. grip: newtons on the tip of thumb,
    index, middle, ring, little."""
    away = axes - RELAXED
    speed = np.gradient(axes, step, axis=0) if len(axes) > 1 else np.zeros_like(axes)
    pull = np.gradient(speed, step, axis=0) if len(axes) > 1 else np.zeros_like(axes)
    out = JOINTS[:, 1] * away * (1 + away**2) + JOINTS[:, 2] * speed + JOINTS[:, 3] * pull
    if grip is not None:
        each = np.concatenate([np.repeat(grip[:, 1:], 4, axis=1), np.repeat(grip[:, :1], 4, axis=1)], 1)
        out[:, :20] += _GRIP[:20] * each
    return out


def lever(arms_scale: float = 1.0, strength: Float[np.ndarray, " m"] | None = None) -> Float[np.ndarray, "22 m"]:
    """N m on each axis of each muscle at full activation."""
    out = np.zeros((len(AXES), len(MUSCLES)))
    for m, muscle in enumerate(MUSCLES):
        for axis, millimetres in muscle.arms.items():
            out[AXES.index(axis), m] = millimetres / 1000 * muscle.newtons
    return out * arms_scale * (1.0 if strength is None else strength)


def share(
    wanted: Float[np.ndarray, "t 22"], full: Float[np.ndarray, "22 m"], *, effort: float = 3e-3, steps: int = 400
) -> Float[np.ndarray, "t m"]:
    """Activations in 0..1 that make the wanted torques with the least sum of squares.

    Minimises |W (full a - wanted)|^2 + effort |a|^2, W one over each axis' strength, by Nesterov's projected gradient
    with a fixed number of steps, for all times at once.
    """
    weight = 1 / np.abs(full).sum(1)
    a, goal = full * weight[:, None], wanted * weight
    hessian = a.T @ a + effort * np.eye(full.shape[1])
    pull = goal @ a
    eigen = np.linalg.eigvalsh(hessian)
    rate = 1 / eigen[-1]
    momentum = (np.sqrt(eigen[-1]) - np.sqrt(eigen[0])) / (np.sqrt(eigen[-1]) + np.sqrt(eigen[0]))
    x = np.zeros((len(wanted), full.shape[1]))
    y = x
    for _ in range(steps):
        new = np.clip(y - rate * (y @ hessian - pull), 0.0, 1.0)
        y = new + momentum * (new - x)
        x = new
    return x


# -------------------------------------------------------------------------------------------------------- motor units

UNITS = 40
"""Per muscle. There are more in life; the sum hardly tells."""
_SLOWEST, _RANGE, _FORCE_RANGE, _ISI_SPREAD = 8.0, 30.0, 100.0, 0.2
_FASTEST = (35.0, 25.0)
"""Rates in hertz that the first and the last unit reach."""


class Pool(NamedTuple):
    """The motor units of one muscle, smallest first."""

    threshold: Float[np.ndarray, " u"]
    """Excitation at which each begins."""
    force: Float[np.ndarray, " u"]
    """Of its twitch; the first's is 1."""
    fastest: Float[np.ndarray, " u"]
    most: float
    """Excitation at which the last reaches its fastest rate."""


@functools.cache
def pool() -> Pool:
    """Fuglevand et al. 1993, eq. 1, 5, 8 and 13: thresholds over a range of 30, twitches of 100, exponential."""
    i = np.arange(1, UNITS + 1) / UNITS
    threshold, force = np.exp(np.log(_RANGE) * i), np.exp(np.log(_FORCE_RANGE) * i)
    fastest = _FASTEST[0] - (_FASTEST[0] - _FASTEST[1]) * threshold / threshold[-1]
    return Pool(threshold, force, fastest, float(threshold[-1] + fastest[-1] - _SLOWEST))


def rates(excitation: Float[np.ndarray, "*t"]) -> Float[np.ndarray, "*t u"]:
    """Hertz of every unit; 0 below its threshold. They rise one hertz per unit of excitation."""
    p = pool()
    over = excitation[..., None] - p.threshold
    return np.where(over >= 0, np.minimum(_SLOWEST + np.maximum(over, 0), p.fastest), 0.0)


@functools.cache
def _force_table() -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Excitation on a grid, and the steady force it gives as a share of the most."""
    p = pool()
    excitation = np.linspace(0.0, p.most, 400)
    contraction = 0.090 * (1 / p.force) ** (1 / 4.2)  # seconds to the twitch's peak
    drive = contraction * rates(excitation)
    fused = np.where(drive < 0.4, drive * (1 - np.exp(-2 * 0.4**3)) / 0.4, 1 - np.exp(-2 * drive**3))
    force = (p.force * fused).sum(1)
    return excitation, np.maximum.accumulate(force) / force[-1]


def excitation_of(activation: Float[np.ndarray, "*t"]) -> Float[np.ndarray, "*t"]:
    """Excitation that gives this share of a muscle's most force; 0 for none."""
    excitation, force = _force_table()
    begin = int(np.searchsorted(force, 1e-9))
    grid = np.concatenate([[0.0], force[begin:]])
    return np.interp(activation, grid, np.concatenate([[0.0], excitation[begin:]]))


# ------------------------------------------------------------------------------------------------- person and wearing


@dataclass(frozen=True, eq=False)
class Arm:
    """One person's forearm."""

    side: int
    """0 left, 1 right."""
    radius: float
    """Millimetres, at the band's usual place."""
    flatness: float
    """Width from thumb's to little finger's side over thickness."""
    fat: float
    """Millimetres of skin and fat over the muscles."""
    angle: Float[np.ndarray, " m"]
    """Radians around the arm of each muscle."""
    place: Float[np.ndarray, " m"]
    ends: Float[np.ndarray, " m"]
    strength: Float[np.ndarray, " m"]
    arms: float
    """Scale of all moment arms."""
    unit_shift: Float[np.ndarray, "m u 2"]
    """Millimetres in the cross-section from the muscle's middle to each unit's."""
    speed: Float[np.ndarray, "m u"]
    """Metres per second along the fibres."""
    spread: Float[np.ndarray, "m u"]
    """Milliseconds by which a unit's fibres arrive apart."""
    cocontraction: float
    enslaving: float
    delay: float
    """Seconds of the muscle's activation."""

    @staticmethod
    def sample(rng: np.random.Generator, side: int = 1) -> Arm:
        """A person: sizes, fat, strengths, and where each muscle and unit lies."""
        m = len(MUSCLES)
        place = np.clip(0.92 * np.array([x.place for x in MUSCLES]) + rng.normal(0, 0.04, m), 0.2, 0.86)
        p = pool()
        reach = np.array([1.0 + 0.045 * x.newtons**0.8 for x in MUSCLES])[:, None, None]
        shift = rng.normal(0.0, 1.0, (m, UNITS, 2)) * np.minimum(reach, 5.0) * 0.6
        return Arm(
            side=side,
            radius=float(np.clip(rng.normal(29.0, 2.5), 23, 36)),
            flatness=float(rng.uniform(1.2, 1.45)),
            fat=float(np.clip(rng.lognormal(np.log(2.2), 0.35), 0.8, 6.0)),
            angle=np.radians([x.angle for x in MUSCLES])
            + np.radians(rng.normal(0, 6))
            + np.radians(rng.normal(0, 5, m)),
            place=place,
            ends=np.array([x.ends for x in MUSCLES]) + rng.normal(0, 8, m),
            strength=np.exp(rng.normal(0, 0.2, m)),
            arms=float(np.exp(rng.normal(0, 0.07))),
            unit_shift=shift,
            speed=np.clip(
                3.4 + 0.9 * np.log(p.force) / np.log(_FORCE_RANGE) + rng.normal(0, 0.25, (m, UNITS)), 2.6, 5.5
            ),
            spread=rng.uniform(0.5, 1.1, (m, UNITS)),
            cocontraction=float(rng.uniform(0.03, 0.12)),
            enslaving=float(rng.uniform(0.06, 0.16)),
            delay=float(rng.uniform(0.03, 0.06)),
        )


@dataclass(frozen=True, eq=False)
class Band:
    """One wearing of the band."""

    rotation: float = 0.0
    """Radians by which it is turned around the arm."""
    along: float = 60.0
    """Millimetres from the wrist."""
    contacts: float = 12.0
    """Millimetres between the two contacts of an electrode, along the arm."""
    gain: Float[np.ndarray, " e"] | None = None
    """Of each electrode, 1 where not given."""
    noise: Float[np.ndarray, " e"] | None = None
    """Microvolts RMS of each electrode, in the band that is kept; 2.5 where not given."""
    hum: Float[np.ndarray, " e"] | None = None
    """Microvolts of the mains in each electrode; 0 where not given."""
    mains: float = 50.0
    """Hertz."""
    tugs: float = 1.0
    """Scale of motion artefacts."""

    @staticmethod
    def sample(rng: np.random.Generator, habit: Band | None = None) -> Band:
        """A wearing: turned by 7 degrees and shifted by 5 mm (SD) from the person's habit."""
        base = Band() if habit is None else habit
        hum = np.abs(rng.normal(0, 1, ELECTRODES)) * rng.lognormal(np.log(0.8), 0.8)
        return replace(
            base,
            rotation=base.rotation + float(np.radians(rng.normal(0, 7))),
            along=base.along + float(rng.normal(0, 5)),
            gain=np.exp(rng.normal(0, 0.08, ELECTRODES)),
            noise=2.5 * np.exp(rng.normal(0, 0.2, ELECTRODES)),
            hum=hum,
        )

    def angles(self, side: int) -> Float[np.ndarray, " e"]:
        """Radians of the electrodes around the arm. The band runs the other way round on a left arm."""
        turn = 2 * np.pi * np.arange(ELECTRODES) / ELECTRODES + self.rotation
        return turn if side == 1 else -turn


POTENTIAL = 128
"""Samples of an action potential, at 4 kHz."""
_TRIPOLE = ((24.6, 0.0), (-35.4, 2.1), (10.8, 6.9))
"""Strengths, and millimetres behind the front: charge and first moment vanish."""
_MICROVOLTS = 9000.0
"""Brings a fist to some tens of microvolts."""


@functools.lru_cache(maxsize=2)
def potentials(arm: Arm, band: Band) -> Float32[np.ndarray, "m u e s"]:
    """The action potential of every unit in every electrode, microvolts, every 0.25 ms from 16 ms before it passes.
    Read-only, and kept for the next call."""
    a, b = arm.radius * np.sqrt(arm.flatness), arm.radius / np.sqrt(arm.flatness)
    grown = 1 + 0.004 * (band.along - 60.0)  # arms widen towards the elbow
    a, b = a * grown, b * grown
    turn = band.angles(arm.side)
    side = 1.0 if arm.side == 1 else -1.0
    electrodes = np.stack([(a + arm.fat) * np.cos(turn), (b + arm.fat) * np.sin(turn)], -1)
    x, y = a * arm.place * np.cos(arm.angle), side * b * arm.place * np.sin(arm.angle)
    units = np.stack([x, y], -1)[:, None] + arm.unit_shift * (1.0, side)
    # Units keep within the muscles' compartment, under the fat.
    rim = np.hypot(units[..., 0] / a, units[..., 1] / b)
    units = units / np.maximum(rim / 0.97, 1.0)[..., None]
    distance = np.linalg.norm(units[:, :, None] - electrodes, axis=-1)
    distance = np.hypot(distance, 5.0)  # contacts, fibres and fascia have width
    # Bellies that lie only nearer to the elbow, or in the hand, are that much farther away, and fewer fibres pass.
    in_hand = np.array([x.ends for x in MUSCLES]) < 0
    away = np.where(in_hand, band.along - arm.ends, np.maximum(arm.ends - band.along, 0.0))
    distance = np.hypot(distance, 0.35 * away[:, None, None])
    inside = np.where(in_hand, 1.0, np.maximum(1 / (1 + np.exp(-(band.along - arm.ends) / 12.0)), 0.08))

    time = (np.arange(POTENTIAL) - POTENTIAL // 2) / 4.0  # milliseconds
    way = arm.speed[..., None] * time  # millimetres
    front = way[:, :, None, :]
    d2 = (distance**2)[..., None]
    near = sum(k / np.sqrt((front - z) ** 2 + d2) for k, z in _TRIPOLE)
    gap = band.contacts
    far = sum(k / np.sqrt((front - gap - z) ** 2 + d2) for k, z in _TRIPOLE)
    wave = near - far
    # Fibres of a unit do not arrive together: a Gaussian in time, applied to the spectrum.
    frequency = np.fft.rfftfreq(POTENTIAL, 0.25)  # kilohertz
    smooth = np.exp(-2 * (np.pi * frequency * arm.spread[..., None]) ** 2)
    wave = np.fft.irfft(np.fft.rfft(wave, axis=-1) * smooth[:, :, None, :], n=POTENTIAL, axis=-1)
    fibres = pool().force ** 0.6
    size = np.sqrt([x.newtons / 60.0 for x in MUSCLES]) * arm.strength**0.5 * inside
    scale = _MICROVOLTS * fibres / fibres.sum() * size[:, None]
    window = np.hanning(POTENTIAL)
    out = (wave * window * scale[:, :, None, None]).astype(np.float32)
    out.flags.writeable = False
    return out


@kernel()
def _fire(rate, first, gaps, dt, potential, out, spikes):
    """Let one muscle's units fire, and add their potentials to the electrodes.

    rate [t, u] hertz at each sample; first [u] 0..1 of the first interval that is over; gaps [u, k] relative lengths
    of the intervals. potential [u, s, e] at twice the sample rate, out [t, e]; spikes [u] counts.
    """
    samples, units = rate.shape
    length, electrodes = potential.shape[1], potential.shape[2]
    for u in range(units):
        phase = first[u]
        number = 0
        for t in range(samples):
            r = rate[t, u]
            if r <= 0.0:
                continue
            phase += r * dt
            if phase >= gaps[u, number]:
                late = (phase - gaps[u, number]) / (r * dt)  # share of a sample since it fired
                phase -= gaps[u, number]
                number = min(number + 1, gaps.shape[1] - 1)
                spikes[u] += 1
                odd = 1 if late >= 0.5 else 0
                for k in range((length - odd) // 2):
                    at = t + k - length // 4
                    if at < 0 or at >= samples:
                        continue
                    for e in range(electrodes):
                        out[at, e] += potential[u, 2 * k + odd, e]


@dataclass(frozen=True, eq=False)
class Recording:
    """What the band gave."""

    emg: Float32[np.ndarray, "n 16"]
    """Microvolts, 20 to 850 Hz. Channel 15 lies beside channel 0."""
    times: Float[np.ndarray, " n"]
    """Seconds, every 0.5 ms."""
    activation: Float32[np.ndarray, "n m"]
    """Of every muscle (`NAMES`), 0 to 1."""


def activations(
    arm: Arm, axes: Float[np.ndarray, "t 22"], step: float, grip: Float[np.ndarray, "t 5"] | None = None
) -> Float[np.ndarray, "t m"]:
    """How hard each muscle is driven, 0 to 1 of its most, at motions sampled every `step` seconds."""
    full = lever(arm.arms, arm.strength)
    a = share(torques(axes, step, grip), full)
    effort = a @ np.abs(full).T / np.abs(full).sum(1)  # of each axis
    helps = np.abs(full) / np.abs(full).sum(0)
    a = a + arm.cocontraction * effort @ helps
    out = a.copy()
    for group in ("fdp", "fds", "edc"):
        rows = [NAMES.index(f"{group}_{finger}") for finger in FINGERS]
        for k in range(4):
            beside = [rows[j] for j in (k - 1, k + 1) if 0 <= j < 4]
            out[:, rows[k]] += arm.enslaving * a[:, beside].sum(1)
    # Drive leads force: what a muscle of this delay must be told now to be there later.
    lead = np.gradient(out, step, axis=0) if len(out) > 1 else np.zeros_like(out)
    return np.clip(out + arm.delay * lead, 0.0, 1.0)


def record(
    arm: Arm,
    band: Band,
    times: Float[np.ndarray, " t"],
    angles: Float[np.ndarray, "t 5 3 3"],
    rng: np.random.Generator,
    *,
    wrist: Float[np.ndarray, "t 2"] | None = None,
    grip: Float[np.ndarray, "t 5"] | None = None,
) -> Recording:
    """The band's signal while the hand goes through these anatomical angles, from times[0] to times[-1].

    times: seconds, evenly spaced, 50 to 500 a second are good. wrist: flexion and radial deviation, radians. grip:
    newtons on the tips of thumb, index, middle, ring, little. Raises PalmarError for times that are not even.
    """
    times = np.asarray(times, np.float64)
    if len(times) < 2 or len(times) != len(angles) or not np.allclose(np.diff(times), times[1] - times[0], rtol=1e-3):
        raise PalmarError("emg.record: give two or more evenly spaced times, and angles for each of them.")
    step = float(times[1] - times[0])
    if not step > 0:
        raise PalmarError(f"emg.record: times must grow, got a step of {step} s.")
    drive = activations(arm, axes_of(angles, wrist), step, grip)
    count = round((times[-1] - times[0]) * RATE)
    before = RATE // 4  # the filter settles and potentials begin outside what is kept
    clock = times[0] + (np.arange(count + 2 * before) - before) / RATE
    drive = np.stack([np.interp(clock, times, column) for column in drive.T], 1)
    waves = potentials(arm, band)
    emg = np.zeros((len(clock), ELECTRODES))
    spikes = np.zeros(UNITS, np.int64)
    intervals = int(len(clock) / RATE * _FASTEST[0] * 1.6) + 8
    for m in range(len(MUSCLES)):
        gaps = np.clip(1 + _ISI_SPREAD * rng.standard_normal((UNITS, intervals)), 0.4, 1.8)
        first = rng.random(UNITS)
        rate = rates(excitation_of(drive[:, m]))
        if rate.max() > 0:
            _fire(rate, first, gaps, 1.0 / RATE, np.ascontiguousarray(np.swapaxes(waves[m], 1, 2)), emg, spikes)
    emg *= 1.0 if band.gain is None else band.gain
    emg += _disturbances(band, drive, clock, rng)
    kept = _filtered(emg, "bandpass", 4, (20.0, 850.0))[before : before + count]
    inside = slice(before, before + count)
    return Recording(kept.astype(np.float32), clock[inside], drive[inside].astype(np.float32))


def _filtered(
    signal: Float[np.ndarray, "n e"], kind: str, order: int, edges: float | tuple[float, float]
) -> Float[np.ndarray, "n e"]:
    """Butterworth, causal as in the band itself; edges in hertz."""
    sos = scipy.signal.butter(order, edges, kind, fs=RATE, output="sos")
    return np.asarray(scipy.signal.sosfilt(sos, signal, axis=0))


def normalised(recording: Recording, band: Band) -> Float32[np.ndarray, "n 16"]:
    """The signal as collections of wrist EMG store it: above 40 Hz only, and every electrode over its own noise floor,
    so that silence has a standard deviation of about 1."""
    level = np.full(ELECTRODES, 2.5) if band.noise is None else band.noise
    return (_filtered(recording.emg.astype(np.float64), "highpass", 4, 40.0) / level).astype(np.float32)


def _disturbances(
    band: Band, drive: Float[np.ndarray, "t m"], clock: Float[np.ndarray, " t"], rng: np.random.Generator
) -> Float[np.ndarray, "t e"]:
    """Noise of electrodes, hum of the mains with its third harmonic, and tugs at the band when muscles begin."""
    n = len(clock)
    level = np.full(ELECTRODES, 2.5) if band.noise is None else band.noise
    out = rng.standard_normal((n, ELECTRODES)) * level / np.sqrt(0.83)  # the share of the band that is kept
    hum = np.zeros(ELECTRODES) if band.hum is None else band.hum
    phase = rng.uniform(0, 2 * np.pi, 2)
    wobble = 2 * np.pi * band.mains * clock + 0.3 * np.sin(2 * np.pi * 0.3 * clock)
    out += (np.sin(wobble + phase[0]) + 0.25 * np.sin(3 * wobble + phase[1]))[:, None] * hum
    # Skin moves under the band when muscles swell: slow, mostly below the band that is kept.
    swell = np.abs(np.gradient(drive.sum(1), clock[1] - clock[0]))
    jolt = _filtered(rng.standard_normal((n, ELECTRODES)), "lowpass", 2, 25.0)
    out += band.tugs * 4.0 * jolt * np.minimum(swell, 6.0)[:, None]
    return out


# --------------------------------------------------------------------------------------------------------- from scenes


def angles_from_rotations(model: HandModel, rotations: Float[np.ndarray, "t 16 3 3"]) -> Float[np.ndarray, "t 5 3 3"]:
    """The anatomical angles behind local rotations: the inverse of `HandModel.rotations_from_angles`, by Newton's
    method from zero. What no angles give comes out as near ones."""
    rows = [row for finger in POSE_OF_FINGER for row in finger]
    goal = rotations[:, rows].reshape(len(rotations), 5, 3, 3, 3)
    flex, spread, twist = _axes_of_angles(model)
    out = np.zeros((len(rotations), 5, 3, 3))
    stiff = np.full((5, 3), 1e-6)  # bent by 90 degrees, abduction and twist are one motion: fingers do not twist
    stiff[0, 0] = 0.0
    for _ in range(15):
        a = rotmat_from_rotvec(spread * out[..., 1, None])
        f = rotmat_from_rotvec(flex * out[..., 0, None])
        t = rotmat_from_rotvec(twist * out[..., 2, None])
        ft = f @ t
        gap = rotvec_from_rotmat(np.swapaxes(a @ ft, -1, -2) @ goal)
        columns = [
            np.einsum("...ji,...j->...i", t, np.broadcast_to(flex, gap.shape)),
            np.einsum("...ji,...j->...i", ft, np.broadcast_to(spread, gap.shape)),
            np.broadcast_to(twist, gap.shape),
        ]
        jacobian = np.stack(columns, -1)
        damped = np.swapaxes(jacobian, -1, -2) @ jacobian + 1e-10 * np.eye(3)
        pull = np.einsum("...ji,...j->...i", jacobian, gap)
        damped[..., 2, 2] += stiff
        pull[..., 2] -= stiff * out[..., 2]
        step = np.linalg.solve(damped, pull[..., None])[..., 0]
        out += np.clip(step, -0.7, 0.7)
        if np.abs(step).max() < 1e-10:
            break
    return out


@functools.cache
def _axes_of_angles(model: HandModel) -> tuple[Float[np.ndarray, "5 3 3"], ...]:
    """Axes of flexion, abduction and twist of every joint, read off the model: each angle alone turns about one."""
    rows = [row for finger in POSE_OF_FINGER for row in finger]
    axes = []
    for motion in range(3):
        small = np.zeros((5, 3, 3))
        small[..., motion] = 0.1
        turned = model.rotations_from_angles(small)[rows].reshape(5, 3, 3, 3)
        axes.append(rotvec_from_rotmat(turned) / 0.1)
    return tuple(axes)


def follow(
    scene: Scene, instance: int, start: float, seconds: float, *, step: float = 0.01, newtons: float = 3.0
) -> tuple[Float[np.ndarray, " t"], Float[np.ndarray, "t 5 3 3"], Float[np.ndarray, "t 5"]]:
    """Times, anatomical angles and grip of one hand of a scene, for `record`. While it holds something, each finger
    grips with `newtons`. Raises PalmarError where the hand is not in the scene."""
    times = start + np.arange(round(seconds / step) + 1) * step
    moments = [scene.at(float(min(t, scene.seconds) if scene.seconds > 0 else 0.0)) for t in times]
    hands: list[HandTruth] = []
    for moment in moments:
        found = [hand for hand in moment.hands if hand.instance == instance]
        if not found:
            known = sorted(hand.instance for hand in moment.hands)
            raise PalmarError(
                f"scene {scene.kind}: no hand with the number {instance} at {moment.time} s, only {known}."
            )
        hands.append(found[0])
    angles = angles_from_rotations(HandModel.default(hands[0].side), np.stack([hand.rotations for hand in hands]))
    held = np.array([hand.holds != 0 for hand in hands], np.float64)
    width = max(round(0.15 / step), 1)  # a grip grows within 0.15 s
    soft = np.convolve(np.pad(held, (width, width), "edge"), np.ones(width) / width, "same")[width:-width]
    return times, angles, np.repeat(newtons * soft[:, None], 5, 1)


def loudness(emg: Float32[np.ndarray, "n 16"], window: int = 200) -> Float[np.ndarray, "w 16"]:
    """RMS in windows of `window` samples one after the other; a rest is left out."""
    whole = emg[: len(emg) // window * window].astype(np.float64)
    return np.sqrt((whole.reshape(-1, window, emg.shape[1]) ** 2).mean(1))
