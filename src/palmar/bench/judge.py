"""An independent judge of the synthetic pictures: MediaPipe on clean renders of one hand. `judge`, `render`, `sheet`.

A tracker that learned from photographs alone finds hands in our pictures only as far as they look like hands, and puts
the points where the truth says only as far as our anatomy is that of people. What it misses says what is wrong with
the pictures, so every figure is given by viewpoint, skin tone, kind of pose, size and light too.

Our own tracker can answer too: these pictures show palms, sides and backs of hands of every skin tone, with exact
truth, where labelled photographs hardly show a back.

The pictures (`picture`) are not the training world, which holds hard ones on purpose: bare hands with a forearm before
a webcam, in poses that people take of their own accord, in the light of a photographed place that is also seen behind
them, taken by a camera without faults. Each is a pure function of (seed, index).

Between the two definitions of the joints stands one linear map (`JointMap`), fitted on one half of the pictures and
applied to the other, and the other way round.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8
from scipy.spatial.transform import Rotation

from palmar import metrics
from palmar.bench.mediapipe_peer import Found, Peer
from palmar.bench.real import AUC_TO, CHUNK, PCK_AT, SAME_HAND, found_of, hand_size, plain
from palmar.bench.slices import palm_tone
from palmar.errors import PalmarError, one_of
from palmar.geometry.camera import Camera
from palmar.hand.joints import BONES
from palmar.tracking import Networks, Tracker
from palmar.types import Frame
from palmar.view.sheet import sheet as contact_sheet

WIDTH, HEIGHT = 480, 360
FOV_DEGREES = 60.0
DISTANCE = (0.32, 0.65)
"""Metres, log-uniform: an open hand fills about a third to two thirds of the picture's height, as hands raised before a
webcam do."""
TURN_DEGREES, TURN_LIMITS = (25.0, 25.0, 30.0), (60.0, 70.0, 70.0)
"""Roll in the picture, tilt towards the camera and yaw about the forearm: normal about a hand that is held up with the
palm (65 %) or the back towards the camera, these standard deviations, inside these limits, which are those of
`palmar.synth.pose.webcam_view`. That one is uniform in them, and so mostly shows hands half edge on."""
POSES: Mapping[str, float] = {"sign": 0.55, "relaxed": 0.15, "synergy": 0.30}
"""Shares of named gestures (numbers, letters, everyday signs), hands at rest, and postures along synergies. Without
hands that hold nothing as if they held something, without joints drawn independently and without extremes: people take
those seldom or never before a camera."""
NOISE_DEGREES = 4.0
"""Standard deviation on every flexion of a named shape; half of it on the spread."""
PALM_SHARE = 0.65
BEHIND_BLUR, LENS_BLUR = (1.0, 4.0), 0.7
"""Sigma in pixels, log-uniform, of what is behind the hand; and of the lens and the sensor's filter, which no camera is
without."""
METERING, BALANCE = 0.6, 0.7
"""How far the camera's exposure follows the scene (`palmar.synth.sensor.Sensor.metering`), and its white the light."""
STREAM = 71
TIMES = 4
"""Pictures of one scene, spread over its time."""
UNDER_SKIN = 0.03
"""Metres that a joint may lie behind what is seen in its pixel, and still be in sight."""
RIDGE = 0.001
"""Weight of the map's distance from the identity, in hands: see `JointMap.fit`."""
FOUND_TARGET, AUC_TARGET = 0.95, 0.84
JOINT_NAMES = (
    "wrist",
    *(f"{finger} {joint}" for finger, joints in (
        ("thumb", ("CMC", "MCP", "IP", "tip")), ("index", ("MCP", "PIP", "DIP", "tip")),
        ("middle", ("MCP", "PIP", "DIP", "tip")), ("ring", ("MCP", "PIP", "DIP", "tip")),
        ("little", ("MCP", "PIP", "DIP", "tip")),
    ) for joint in joints),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture of one hand, the truth about it, and what kind of picture it is."""

    image: UInt8[np.ndarray, "h w 3"]
    keypoints: Float32[np.ndarray, "21 2"]
    """Pixels."""
    side: int
    """0 left, 1 right."""
    facing: float
    """Cosine between the palm's normal and the direction to the camera: 1 the palm, -1 the back."""
    reach: float
    """Sine of the angle between wrist to middle MCP and the line of sight: 1 upright, 0 pointing at the camera."""
    tone: int
    """Monk."""
    pose: str
    """One of `POSES`."""
    name: str
    """Of the shape, or of the leading synergy."""
    luma: float
    """Mean luma of the hand's pixels, 0 to 255."""
    contrast: float
    """Between the hand's mean colour and that of a ring around it, 0 to 255 (root of the mean square over RGB)."""


def picture(seed: int, index: int) -> Picture:
    """One clean picture: a pure function of (seed, index)."""
    from palmar.render import render as draw
    from palmar.synth.environment import sample_environment
    from palmar.synth.scene import place_hand
    from palmar.synth.sensor import Sensor, apply
    from palmar.synth.skin import sample_skin

    rng = np.random.default_rng((seed, index, STREAM))
    camera = Camera.from_fov(WIDTH, HEIGHT, np.deg2rad(FOV_DEGREES))
    pose, name, angles = natural_pose(rng)
    turn = _raised(rng)
    left = bool(rng.random() < 0.5)
    skin = sample_skin(rng, tone=1 + index % 10, gloves=0.0, painted=0.0)
    middle = rng.uniform((0.38, 0.38), (0.62, 0.58)) * (WIDTH, HEIGHT)
    ray = np.linalg.solve(camera.matrix, np.append(middle, 1.0))
    distance = float(np.exp(rng.uniform(*np.log(DISTANCE))))
    hand = place_hand(rng, ray * distance, skin=skin, arm=(0.45, 0.7), posed_as=(angles, turn))
    place = sample_environment(rng)
    light = place.light()
    drawn = draw(hand.mesh, camera.matrix, HEIGHT, WIDTH, light, supersample=2)
    behind = cv2.GaussianBlur(place.view(camera), (0, 0), float(np.exp(rng.uniform(*np.log(BEHIND_BLUR)))))
    linear = cv2.GaussianBlur(drawn.rgb + behind * (1.0 - drawn.alpha[..., None]), (0, 0), LENS_BLUR)
    image = apply(linear, Sensor(metering=METERING, white_balance=balance(light)), rng)
    keypoints = camera.project(hand.joints.astype(np.float64))
    mask = (drawn.part < 16) & (drawn.alpha > 0.5)
    inner, outer = _colours(image, mask, drawn.alpha >= 0.05)
    facing, reach = _aspect(hand.joints, hand.rotations[0] @ np.array([0.0, -1.0, 0.0]))
    if left:
        image = np.ascontiguousarray(image[:, ::-1])
        keypoints = keypoints * [-1, 1] + [WIDTH - 1, 0]
    return Picture(
        image,
        keypoints.astype(np.float32),
        int(not left),
        facing,
        reach,
        skin.tone,
        pose,
        name,
        float(inner @ (0.299, 0.587, 0.114)),
        float(np.sqrt(np.mean((inner - outer) ** 2))),
    )


def scene_picture(kind: str) -> Callable[[int, int], Picture]:
    """A maker of pictures, as `picture` is one, of one of `palmar.synth.scenes.SCENES` as its first camera sees it
    without faults: judged is one hand that is whole in the picture and mostly in sight. Whole people take seconds each.

    Raises PalmarError for another kind.
    """
    from palmar.synth.scenes import SCENES

    one_of("scene", kind, tuple(SCENES))
    built = functools.lru_cache(1)(SCENES[kind])

    def draw(seed: int, index: int) -> Picture:
        number, first = divmod(index, TIMES)
        for attempt in range(30):  # the next third of a second, then other scenes
            scene = built(seed, number + 100_000 * (attempt // 3))
            share = (first + (attempt % 3 + 0.5) / 3) / TIMES
            found = _of_scene(scene, share * scene.seconds, index)
            if found is not None:
                return found
        raise PalmarError(f"scene {kind}, seed {seed}, picture {index}: no hand is in sight there nor in others.")

    return draw


def _of_scene(scene: Any, time: float, index: int) -> Picture | None:
    """A hand of the scene at a time; None where none is whole and in sight."""
    from palmar.synth.sense.rgb import clean
    from palmar.synth.world import shoot

    view = scene.views[0]
    shot = shoot(scene, view, time)
    camera = shot.camera
    world_from_camera = camera.world_from_camera
    assert world_from_camera is not None
    shown = []
    for hand in shot.moment.hands:
        joints = (hand.joints - world_from_camera[:3, 3]) @ world_from_camera[:3, :3]
        points = camera.project(joints)
        if not np.isfinite(points).all() or (joints[:, 2] <= 0).any():
            continue
        if (points < 2).any() or (points > (camera.width - 3, camera.height - 3)).any():
            continue
        x, y = np.round(points).astype(int).T
        if (shot.buffers.depth[y, x] > joints[:, 2] - UNDER_SKIN).mean() < 0.6:
            continue
        shown.append((hand, joints, points))
    if not shown:
        return None
    hand, joints, points = shown[index % len(shown)]
    image = clean(scene, view, time, shot=shot)
    covers = np.zeros(len(shot.moment.pieces) + 1, bool)
    covers[:-1] = [piece.instance == hand.instance for piece in shot.moment.pieces]
    palm = world_from_camera[:3, :3].T @ hand.rotations[0] @ np.array([0.0, -1.0, 0.0])
    inner, outer = _colours(image, covers[shot.piece_map()], shot.buffers.face >= 0)
    facing, reach = _aspect(joints, palm)
    kind = scene.segments[0].verb if scene.segments else scene.kind
    tone = palm_tone(image, points)
    luma, contrast = float(inner @ (0.299, 0.587, 0.114)), float(np.sqrt(np.mean((inner - outer) ** 2)))
    return Picture(image, points.astype(np.float32), hand.side, facing, reach, tone, scene.kind, kind, luma, contrast)


def _colours(image: np.ndarray, mask: np.ndarray, near: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean colours of the mask and of a ring around it without what is near; black where there is none."""
    ring = cv2.dilate(mask.astype(np.uint8), np.ones((25, 25), np.uint8)).astype(bool) & ~near & ~mask
    inner, outer = (image[m].mean(0) if m.any() else np.zeros(3) for m in (mask, ring))
    return inner, outer


def _aspect(joints: Float[np.ndarray, "21 3"], palm: Float[np.ndarray, " 3"]) -> tuple[float, float]:
    """`Picture.facing` and `Picture.reach` from joints and the palm's normal in the camera's frame."""
    wrist, knuckle = joints[[0, 9]].astype(np.float64)
    sight = (wrist + knuckle) / np.linalg.norm(wrist + knuckle)
    along = (knuckle - wrist) / np.linalg.norm(knuckle - wrist)
    return float(-palm @ sight), float(np.sqrt(max(1.0 - (along @ sight) ** 2, 0.0)))


def balance(light: Any) -> tuple[float, float, float]:
    """Gains of red, green and blue that take `BALANCE` of the light's colour away, in logarithms; their luminance is 1.

    Its colour is that of a white matt surface which looks at the camera, lit by a `palmar.render.Light`.
    """
    from palmar.render import sh_basis

    towards = np.array([0.0, 0.0, -1.0])
    lobe = np.array([1.0, *[2 / 3] * 3, *[1 / 4] * 5])  # of the cosine, over pi (Ramamoorthi and Hanrahan 2001)
    lamps = np.clip(light.directions @ towards, 0.0, None) @ light.colours
    shown = np.maximum((lobe * sh_basis(towards)) @ light.sh + lamps, 1e-3)
    gains = (shown.mean() / shown) ** BALANCE
    red, green, blue = (gains / (gains @ (0.2126, 0.7152, 0.0722))).tolist()
    return red, green, blue


def _raised(rng: np.random.Generator) -> Float[np.ndarray, "3 3"]:
    """camera_from_hand of a right hand that somebody holds up."""
    back = rng.random() >= PALM_SHARE
    roll, tilt, yaw = np.clip(rng.standard_normal(3) * TURN_DEGREES, -np.array(TURN_LIMITS), TURN_LIMITS)
    columns = ((0.0, 0.0, -1.0), (1.0, 0.0, 0.0), (0.0, -1.0, 0.0)) if back else np.roll(np.eye(3), 1, 0)
    turned = Rotation.from_euler("ZXY", (roll, tilt, yaw), degrees=True).as_matrix()
    return np.asarray(turned @ np.array(columns))


def natural_pose(rng: np.random.Generator) -> tuple[str, str, Float[np.ndarray, "5 3 3"]]:
    """Which of `POSES`, its name, and anatomical angles."""
    from palmar.hand import limits
    from palmar.synth import gestures
    from palmar.synth.pose import sample_synergy

    pose = str(rng.choice(list(POSES), p=list(POSES.values())))
    if pose == "synergy":
        drawn = sample_synergy(rng)
        return pose, drawn.name, drawn.angles
    resting = ("rest", "cupped", "bowl")
    names = [n for n in gestures.NAMES if n.startswith(resting) == (pose == "relaxed") and not n.startswith("hold")]
    name = names[int(rng.integers(len(names)))]
    noise = np.radians(NOISE_DEGREES) * rng.standard_normal((5, 3, 3)) * np.array([1.0, 0.5, 0.5])
    noise[:, 1:, 1:] = 0.0  # only the first joint of a finger spreads
    return pose, name, limits.clip(gestures.shape(name) + noise)


@dataclass(frozen=True, eq=False)
class JointMap:
    """Every point of one definition as a weighted mean of all points of the other: `weights` [21, 21], rows sum to 1.

    Where a joint of one definition lies at a fixed place among the bones of the other, this is exact in space and, for
    a far camera, in every picture, whatever the hand's place, turn, size and side; so it needs no frame. What it cannot
    take out is what should count: an offset off the palm, another shape of bending, noise, a wrong finger.
    """

    weights: Float[np.ndarray, "21 21"]

    @staticmethod
    def fit(
        truth: Float[np.ndarray, "n 21 2"], other: Float[np.ndarray, "n 21 2"], ridge: float = RIDGE, rounds: int = 8
    ) -> JointMap:
        """Least squares of the errors in hand sizes, ridge towards the identity, a hand that fits badly counting less:
        weight 1 / (1 + (e / 0.04)^2) by its mean error e in the round before (Cauchy's estimator).

        The row of joint j minimises sum_i w_i |other_ij - truth_i^T a|^2 / size_i^2 + ridge * sum_i w_i |a - e_j|^2.
        """
        size = hand_size(truth)[:, None, None]
        x, y = (points / size for points in (truth, other))
        x, y = (points - x.mean(1, keepdims=True) for points in (x, y))  # one shift for both: rows sum to 1
        # Rows of a = e_j + b with sum(b) = 0: b runs over the 20 directions beside (1, ..., 1).
        basis = np.linalg.svd(np.ones((1, 21)))[2][1:].T  # [21, 20]
        design = np.einsum("nkd,kb->ndb", x, basis)
        rest = y - x
        weight = np.ones(len(x))
        change = np.zeros((20, 21))
        for _ in range(rounds):
            gram = np.einsum("n,nda,ndb->ab", weight, design, design) + ridge * weight.sum() * np.eye(20)
            change = np.linalg.solve(gram, np.einsum("n,nda,njd->aj", weight, design, rest))
            error = np.linalg.norm(rest - np.einsum("nda,aj->njd", design, change), axis=-1).mean(1)
            weight = 1 / (1 + (error / 0.04) ** 2)
        return JointMap(np.eye(21) + (basis @ change).T)

    def __call__(self, points: Float[np.ndarray, "*n 21 d"]) -> Float[np.ndarray, "*n 21 d"]:
        return np.einsum("jk,...kd->...jd", self.weights, points)


def judge(
    peer: Peer,
    count: int = 2000,
    seed: int = 0,
    *,
    networks: Networks | None = None,
    draw: Callable[[int, int], Picture] = picture,
    observe: Callable[[int], None] = lambda done: None,
) -> tuple[dict[str, Any], list[Judged]]:
    """What the peer says of `count` pictures: all figures (JSON values only), and the pictures with its answers.

    networks: our tracker with these answers too, and its figures stand under "palmar", without a map. draw: another
    maker of pictures. Raises PalmarError for fewer than four pictures.
    """
    if count < 4:
        raise PalmarError(f"judge: expected four pictures or more, got {count}.")
    judged: list[Judged] = []
    own: list[Judged] = []
    tracker = None if networks is None else Tracker(networks, stills=True)
    with ThreadPoolExecutor(1) as asks:  # the peer looks at the last pictures while the next are drawn
        pending = None
        for start in range(0, count, CHUNK):
            made = [draw(seed, index) for index in range(start, min(start + CHUNK, count))]
            if pending is not None:
                judged += _judged(*pending)
                observe(len(judged))
            pending = (made, asks.submit(peer, [p.image for p in made], static=True))
            if tracker is not None:
                own += [judged_of(p, found_of(tracker.step(Frame(0, None, p.image)))) for p in made]
        assert pending is not None
        judged += _judged(*pending)
        observe(len(judged))
    out = figures(judged) | {"seed": seed, "mediapipe_version": peer.version}
    if networks is not None:
        out["palmar"] = figures(own, mapped=False) | {"weights": dict(networks.hashes)}
    return out, judged


@dataclass(frozen=True, eq=False)
class Judged:
    """A picture and the peer's answer to it."""

    picture: Picture
    found: Found
    row: int
    """Which of the found hands is this one; -1: none."""


def _judged(pictures: Sequence[Picture], answer: Any) -> list[Judged]:
    return [judged_of(p, found) for p, found in zip(pictures, answer.result()[0], strict=True)]


def judged_of(made: Picture, found: Found) -> Judged:
    """The found hand that lies nearest the truth is this one, where its mean error is at most `SAME_HAND` hands."""
    if not len(found):
        return Judged(made, found, -1)
    apart = np.linalg.norm(found.keypoints - made.keypoints, axis=-1).mean(-1) / hand_size(made.keypoints)
    row = int(apart.argmin())
    return Judged(made, found, row if apart[row] <= SAME_HAND else -1)


def errors(judged: Sequence[Judged]) -> tuple[Float[np.ndarray, "n 21"], Float[np.ndarray, "n 21"], list[JointMap]]:
    """Errors in hand sizes before and after the map, infinite for a hand that was not found; and the two maps.

    The map of the even pictures' fit is applied to the odd ones, and the other way round.
    """
    n = len(judged)
    before, after = np.full((n, 21), np.inf), np.full((n, 21), np.inf)
    rows = np.array([i for i, j in enumerate(judged) if j.row >= 0], int)
    if not len(rows):
        return before, after, []
    truth = np.stack([judged[i].picture.keypoints for i in rows]).astype(np.float64)
    other = np.stack([judged[i].found.keypoints[judged[i].row] for i in rows]).astype(np.float64)
    size = hand_size(truth)[:, None]
    before[rows] = np.linalg.norm(other - truth, axis=-1) / size
    maps = []
    for half in (0, 1):
        fit, use = rows % 2 == half, rows % 2 != half
        if not fit.any() or not use.any():
            after[rows] = before[rows]
            return before, after, []
        maps.append(JointMap.fit(truth[fit], other[fit]))
        after[rows[use]] = np.linalg.norm(other[use] - maps[-1](truth[use]), axis=-1) / size[use]
    return before, after, maps


def figures(judged: Sequence[Judged], *, mapped: bool = True) -> dict[str, Any]:
    """Everything that is said of the pictures, JSON values only. mapped: errors are those after the map."""
    before, after, maps = errors(judged)
    if not mapped:
        after, maps = before, []
    hit = np.array([j.row >= 0 for j in judged])
    right = np.array([j.row >= 0 and int(j.found.side[j.row]) == j.picture.side for j in judged])
    out: dict[str, Any] = {
        "pictures": len(judged),
        **_row(np.ones(len(judged), bool), hit, right, after),
        "auc_without_map": metrics.auc(before[hit], AUC_TO) if hit.any() else None,
        "auc_missed_as_infinite": metrics.auc(after, AUC_TO),
        "target": {"found": FOUND_TARGET, "auc": AUC_TARGET},
    }
    out["meets_target"] = bool(out["found"] >= FOUND_TARGET and (out["auc"] or 0.0) >= AUC_TARGET)
    out["slices"] = {
        name: {label: _row(rows, hit, right, after) for label, rows in groups.items()}
        for name, groups in slices([j.picture for j in judged]).items()
    }
    if hit.any():
        out["joints"] = _joints([j for j in judged if j.row >= 0], before[hit], after[hit])
    if maps:
        weights = np.mean([m.weights for m in maps], 0)
        out["map"] = {
            "weights": weights.tolist(),
            "halves_differ_by": float(np.abs(maps[0].weights - maps[1].weights).max()),
        }
    return plain(out)


def _row(rows: Bool[np.ndarray, " n"], hit: np.ndarray, right: np.ndarray, error: np.ndarray) -> dict[str, Any]:
    """Of some of the pictures. AUC, PCK and sides are over the found ones."""
    good = rows & hit
    n = int(good.sum())
    return {
        "n": int(rows.sum()),
        "found": float(hit[rows].mean()) if rows.any() else None,
        "auc": metrics.auc(error[good], AUC_TO) if n else None,
        **{f"pck@{at:g}": float(metrics.pck(error[good], at)) if n else None for at in PCK_AT[1:2]},
        "side": float(right[good].mean()) if n else None,
    }


def slices(pictures: Sequence[Picture]) -> dict[str, dict[str, Bool[np.ndarray, " n"]]]:
    """Which pictures fall into which group, by what they show."""

    def column(name: str) -> np.ndarray:
        return np.array([getattr(p, name) for p in pictures])

    def ranges(value: np.ndarray, edges: Sequence[float], form: str = "{:g}") -> dict[str, np.ndarray]:
        bounds = [-np.inf, *edges, np.inf]
        names = [f"< {form.format(edges[0])}"]
        names += [f"{form.format(a)} to {form.format(b)}" for a, b in itertools.pairwise(edges)]
        names += [f">= {form.format(edges[-1])}"]
        return {n: (value >= a) & (value < b) for n, a, b in zip(names, bounds, bounds[1:], strict=False)}

    def words(value: np.ndarray) -> dict[str, np.ndarray]:
        return {str(word): value == word for word in sorted(set(value.tolist()))}

    facing, name = column("facing"), column("name")
    family = np.array([_family(p) for p in pictures])
    return {
        "view": {
            "palm (within 60 degrees)": facing > 0.5,
            "side": np.abs(facing) <= 0.5,
            "back (within 60 degrees)": facing < -0.5,
        },
        "Monk tone": {f"{tone:2d}": column("tone") == tone for tone in range(1, 11)},
        "pose": words(column("pose")),
        "family": words(family),
        "wrist to knuckle, of its length": ranges(column("reach"), (0.5, 0.7, 0.9)),
        "hand, pixels": ranges(hand_size(np.stack([p.keypoints for p in pictures])), (80, 110, 140)),
        "luma of the hand": ranges(column("luma"), (50, 90, 140)),
        "contrast to what is around": ranges(column("contrast"), (20, 40, 70)),
        "side": {"left": column("side") == 0, "right": column("side") == 1},
        "shape (worst twelve of those with 8 or more)": words(name),
    }


def _family(made: Picture) -> str:
    first = made.name.split()[0]
    if made.pose != "sign":
        return made.pose
    if first in ("count", "letter", "kana"):
        return {"count": "numbers", "letter": "letters", "kana": "letters"}[first]
    return "fists" if first in ("fist", "thumb", "knock", "hitchhiker") else "everyday signs"


def _joints(judged: Sequence[Judged], before: np.ndarray, after: np.ndarray) -> dict[str, Any]:
    """Per joint: the median offset of the peer's point from the truth's, in percent of the hand, in the hand's own
    frame (wrist to middle MCP up, thumb to the right), and median errors."""
    truth = np.stack([j.picture.keypoints for j in judged]).astype(np.float64)
    other = np.stack([j.found.keypoints[j.row] for j in judged]).astype(np.float64)
    mirrored = np.array(
        [(1.0 if j.picture.side == 1 else -1.0) * (1.0 if j.picture.facing > 0 else -1.0) for j in judged]
    )
    up = truth[:, 9] - truth[:, 0]
    up = up / np.maximum(np.linalg.norm(up, axis=-1, keepdims=True), 1e-6)
    right = np.stack([-up[:, 1], up[:, 0]], -1) * mirrored[:, None]  # y is down in pictures
    offset = (other - truth) / hand_size(truth)[:, None, None]
    along = 100 * np.einsum("njd,nd->nj", offset, up)
    across = 100 * np.einsum("njd,nd->nj", offset, right)
    return {
        name: {
            "up_percent": float(np.median(along[:, k])),
            "thumbward_percent": float(np.median(across[:, k])),
            "median_error_percent": 100 * float(np.median(before[:, k])),
            "median_error_percent_after_map": 100 * float(np.median(after[:, k])),
        }
        for k, name in enumerate(JOINT_NAMES)
    }


# What is read and looked at


def render(result: Mapping[str, Any]) -> str:
    """What `judge` gave, as a table to read."""
    verdict = "met" if result["meets_target"] else "not met"
    text = [
        f"MediaPipe {result['mediapipe_version']} on {result['pictures']} clean pictures, seed {result['seed']}: "
        f"target (found >= {FOUND_TARGET}, AUC(0..{AUC_TO:g}) >= {AUC_TARGET}) {verdict}",
        f"AUC without the map {_cell(result['auc_without_map'])}; with missed hands as infinitely wrong "
        f"{_cell(result['auc_missed_as_infinite'])}",
        "",
        *_table(result),
    ]
    if "palmar" in result:
        own = result["palmar"]
        text += ["", f"palmar on the same, without a map; with missed hands {_cell(own['auc_missed_as_infinite'])}"]
        text += ["", *_table(own)]
    return "\n".join(text)


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _table(result: Mapping[str, Any]) -> Iterator[str]:
    columns = ("found", "auc", "pck@0.1", "side")
    yield f"{'':<50}{'n':>6}" + "".join(f"{name:>10}" for name in columns)
    yield f"{'all':<50}{result['n']:>6}" + "".join(f"{_cell(result[name]):>10}" for name in columns)
    for group, rows in result["slices"].items():
        yield group
        shown = list(rows.items())
        if group.startswith("shape"):
            shown = [(label, row) for label, row in shown if row["n"] >= 8]
            shown = sorted(shown, key=lambda item: (item[1]["found"] or 0) * (item[1]["auc"] or 0))[:12]
        for label, row in shown:
            yield f"  {label:<48}{row['n']:>6}" + "".join(f"{_cell(row[name]):>10}" for name in columns)
    if "joints" in result:
        yield ""
        yield f"{'offsets, percent of the hand':<34}{'up':>8}{'thumbward':>12}{'median error':>15}{'after map':>12}"
        for name, row in result["joints"].items():
            yield (
                f"  {name:<32}{row['up_percent']:>8.1f}{row['thumbward_percent']:>12.1f}"
                f"{row['median_error_percent']:>15.1f}{row['median_error_percent_after_map']:>12.1f}"
            )


def sheet(judged: Sequence[Judged], count: int = 40, columns: int = 5) -> UInt8[np.ndarray, "h w 3"]:
    """The worst pictures, those not found first, then by error after the map: truth green, the peer's points red."""
    _, after, _ = errors(judged)
    order = np.argsort(-np.nan_to_num(after.mean(1), posinf=1e9), kind="stable")[:count]
    return contact_sheet([_tile(judged[i], float(after[i].mean()), int(i)) for i in order], columns)


def _tile(judged: Judged, error: float, index: int) -> UInt8[np.ndarray, "h w 3"]:
    made = judged.picture
    clean, out = made.image, made.image.copy()
    hands = [(made.keypoints, (0, 230, 0))]
    if judged.row >= 0:
        hands.append((judged.found.keypoints[judged.row], (255, 40, 40)))
    for points, colour in hands:
        at = [tuple(int(v) for v in p) for p in np.round(points * 16)]
        for a, b in BONES:
            cv2.line(out, at[a], at[b], colour, 1, cv2.LINE_AA, 4)
    low = np.clip(made.keypoints.min(0) - 50, 0, None).astype(int)
    high = (made.keypoints.max(0) + 50).astype(int)
    pair = np.concatenate([p[low[1] : high[1], low[0] : high[0]] for p in (clean, out)], 1)
    words = f"{index} {made.name} {made.pose[:3]} f{made.facing:+.1f} m{made.tone} " + (
        f"{100 * error:.0f}%" if np.isfinite(error) else "missed"
    )
    pair = cv2.copyMakeBorder(pair, 14, 0, 0, max(0, 280 - pair.shape[1]), cv2.BORDER_CONSTANT, value=(255, 255, 255))
    cv2.putText(pair, words, (2, 11), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (0, 0, 0), 1, cv2.LINE_AA)
    return pair
