"""Verbs: programs of a stage's steps.

Each takes the stage, the hand and what it acts on, moves on from the state that the verbs before left, and notes what
was done. Directions are told from the person: -x is left, +z away, -y up.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float

from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.geometry.transforms import inverse
from palmar.synth.action.props import UP, yaw
from palmar.synth.action.stage import LEFT, RIGHT, Item, Stage, posed
from palmar.synth.action.track import Anchor, Curve, fixed, riding
from palmar.synth.action.words import NAMES_OF_SIDE

Place = Float[np.ndarray, " 3"]


def outward(side: int) -> float:
    """+1 to the right hand's side, -1 to the left's."""
    return 1.0 if side == RIGHT else -1.0


def _rigid(rotation: np.ndarray, place: np.ndarray) -> np.ndarray:
    out = np.eye(4)
    out[:3, :3], out[:3, 3] = rotation, place
    return out


# ------------------------------------------------------------------------------------------------ taking and placing


def take(stage: Stage, side: int, item: Item, way: str | None = None, *, quiet: bool = False) -> None:
    """Reach, grasp and lift."""
    name = way or next(iter(item.prop.ways))
    begin = stage.start(side)
    contact = stage.reach(side, item, name, begin)
    held = contact + stage.pause(0.04, 0.14)
    box = item.inside
    stage.grab(side, held)
    stage.mark(side, "grasp", item.noun, "hold", held)
    here = item.path(held)[:3, 3]
    up = here + np.array([outward(side) * stage.rng.uniform(-0.03, 0.03), 0, stage.rng.uniform(-0.06, 0.0)])
    item.inside = None
    up[1] = min(here[1], stage.table - item.prop.low) - stage.rng.uniform(0.10, 0.16)
    end = stage.carry(side, stage.upright(side, up), held, lift=0.03)
    stage.mark(side, "pick up", item.noun, "hold", end)
    stage.now = end
    if not quiet:
        if box is not None:
            stage.note(begin, end, "take out", item.noun, side, into=box.noun)
        else:
            stage.note(begin, end, "pick up", item.noun, side)


def place(stage: Stage, side: int, at: tuple[float, float] | None = None, *, quiet: bool = False) -> None:
    """Put down what the hand holds, at (x, z) or near where it is, and let go."""
    hand = stage.hands[side]
    item = hand.item
    assert item is not None
    assert hand.grip is not None
    begin = stage.start(side)
    spot = np.array(at if at is not None else free_spot(stage, side, item))
    goal = stage.upright(side, np.array([spot[0], stage.table - item.prop.low, spot[1]]))
    end = stage.carry(side, goal, begin, lift=0.01, arrive=0.05 * UP, swaying=False, careful=1.2)
    end += stage.pause(0.03, 0.12)
    hand.free = end
    stage.mark(side, "place", item.noun, "hold", end, start=begin)
    clear = stage.let_go(side, end)
    stage.now = clear
    if not quiet:
        stage.note(begin, clear, "place", item.noun, side)


def free_spot(stage: Stage, side: int, item: Item, gap: float = 0.035) -> Float[np.ndarray, " 2"]:
    """(x, z) on the table where nothing stands, on the hand's side."""
    best, most = np.array([outward(side) * 0.2, 0.36]), -np.inf
    for _ in range(40):
        spot = np.array([outward(side) * stage.rng.uniform(-0.02, 0.28), stage.rng.uniform(0.31, 0.46)])
        space = min(
            (
                float(np.linalg.norm(_last(i)[[0, 2]] - spot)) - i.prop.reach - item.prop.reach
                for i in stage.items
                if i is not item and i.on is None
            ),
            default=1.0,
        )
        if space > gap:
            return spot
        if space > most:
            best, most = spot, space
    return best


def _last(item: Item) -> Place:
    return item.path(1e6)[:3, 3]


def move(stage: Stage, side: int, item: Item, at: tuple[float, float]) -> None:
    """Pick up, carry over, put down."""
    take(stage, side, item, quiet=True)
    begin = stage.hands[side].segments[-3].start
    hand = stage.hands[side]
    start = stage.start(side)
    over = stage.upright(side, np.array([at[0], stage.table - item.prop.low - stage.rng.uniform(0.08, 0.14), at[1]]))
    end = stage.carry(side, over, start, lift=0.03)
    stage.mark(side, "move", item.noun, "hold", end, start=start)
    stage.now = hand.free = end
    place(stage, side, at, quiet=True)
    stage.note(begin, stage.now, "move", item.noun, side)


# ------------------------------------------------------------------------------------------------------------ pouring


def pour(stage: Stage, side: int, into: Item) -> None:
    """Over the other vessel, tip until it runs, wait, and back."""
    hand = stage.hands[side]
    item = hand.item
    assert item is not None
    assert hand.grip is not None
    rng = stage.rng
    begin = stage.start(side)
    target = into.path(begin)[:3, 3] + into.prop.marks["mouth"]
    lip_height = rng.uniform(0.035, 0.06)
    aside = outward(side)
    lead = stage.heading(side, target + np.array([aside * 0.12, 0, 0])) + aside * 0.1
    pose = stage.upright(side, np.zeros(3), lead)[:3, :3]
    # The palm leads: tipping turns its side down.
    palm = -(pose @ hand.grip.part_from_hand[:3, :3])[:, 1]
    toward = np.array([palm[0], 0.0, palm[2]]) / np.hypot(palm[0], palm[2])
    toward = _turned_to(toward, np.array([-aside, 0.0, 0.0]), 0.6)
    axis = np.cross(UP, toward)
    mouth, radius = item.prop.marks["mouth"], item.prop.mouth
    lip = mouth + (pose.T @ toward) * radius  # thing's frame
    goal_lip = target + lip_height * UP - toward * 0.15 * into.prop.mouth
    ready = rng.uniform(0.25, 0.5)
    tipped = rng.uniform(1.75, 2.05) if radius < 0.02 else rng.uniform(1.55, 1.85)
    # Leant so far that its bottom clears the table.
    long, high = item.prop.low - mouth[1], stage.table - goal_lip[1] - 0.02 - 0.7 * item.prop.reach
    ready = max(ready, math.acos(min(max(high / long, 0.0), 1.0)))
    tip = Curve(np.array(ready))

    def tilting(time: float) -> np.ndarray:
        turned = rotmat_from_rotvec(axis * float(tip(time))) @ pose
        return _rigid(turned, goal_lip - turned @ lip)

    anchor = hand.sway.on(riding(tilting, hand.grip.part_from_hand))
    there = stage.go(side, anchor, begin, lift=0.04, arrive=0.03 * UP)
    stage.mark(side, "move", item.noun, "hold", there, start=begin)
    a, b, c = stage.seconds(0.18), stage.pause(0.6, 1.6), stage.seconds(0.15)
    start = there + stage.pause(0.0, 0.1)
    tip.add(start, a, np.array(0.93 * tipped))
    tip.add(start + a, b, np.array(tipped))
    tip.add(start + a + b, c, np.array(ready))
    stage.flows.append((start + 0.72 * a, start + a + b + 0.2 * c, item, into))
    end = start + a + b + c
    hand.free = end
    stage.mark(side, "pour", item.noun, "hold", end, into=into.noun)
    stage.now = end
    stage.note(there, end, "pour", item.noun, side, into=into.noun)
    away = tilting(end)[:3, 3] + np.array([aside * 0.12, -0.02, -0.03])
    back = stage.carry(side, stage.upright(side, away), end, lift=0.02)
    stage.mark(side, "move", item.noun, "hold", back)
    stage.now = back


def _turned_to(a: np.ndarray, b: np.ndarray, share: float) -> np.ndarray:
    mixed = (1 - share) * a + share * b
    return mixed / np.linalg.norm(mixed)


# ---------------------------------------------------------------------------------------------------- lids and caps


def _on(base: Anchor, height: float, turn: float, pitch: float) -> np.ndarray:
    """world_from_lid: turned about the vertical and risen with the thread."""
    return base @ _rigid(yaw(turn), (height + pitch * turn) * UP)


def steady(stage: Stage, side: int, item: Item, way: str | None = None) -> None:
    """Take hold of a thing that stands on the table, without lifting it."""
    name = way or next(iter(item.prop.ways))
    begin = stage.start(side)
    contact = stage.reach(side, item, name, begin)
    held = contact + stage.pause(0.04, 0.12)
    stage.mark(side, "grasp", item.noun, "hold", held)
    stage.hands[side].free = held
    stage.now = max(stage.now, begin + 0.4 * (held - begin))


PITCH = 0.0006
"""Metres that a lid rises per radian."""


def unscrew(stage: Stage, side: int, lid: Item, *, quiet: bool = False) -> None:
    """Turn a lid off in a few strokes; the hand then holds it above."""
    _strokes(stage, side, lid, lid.on, +1)
    hand = stage.hands[side]
    assert hand.grip is not None
    begin = hand.segments[-1].start
    off = hand.free
    here = lid.path(off)[:3, 3]
    up = here + np.array([outward(side) * 0.05, -stage.rng.uniform(0.06, 0.1), -0.02])
    end = stage.carry(side, stage.upright(side, up), off, lift=0.05)
    stage.mark(side, "pick up", lid.noun, "hold", end)
    stage.now = end
    if not quiet:
        stage.note(begin, off, "unscrew", lid.noun, side)


def screw(stage: Stage, side: int, on: Item, *, quiet: bool = False) -> None:
    """Put the lid in the hand onto a thing and turn it tight; the hand lets go."""
    lid = stage.hands[side].item
    assert lid is not None
    _strokes(stage, side, lid, on, -1)
    begin = stage.hands[side].segments[-1].start
    end = stage.hands[side].free
    local = inverse(on.path(end)) @ lid.path(end)
    lid.on = on
    clear = stage.let_go(side, end, onto=riding(on.path, local))
    stage.now = clear
    if not quiet:
        stage.note(begin, clear, "screw", lid.noun, side)


def _strokes(stage: Stage, side: int, lid: Item, on: Item | None, sign: int) -> None:
    """Grip, turn, regrip. A lid follows the thread while it is turned; the hand is on it or goes back round it."""
    assert on is not None
    rng, hand = stage.rng, stage.hands[side]
    begin = stage.start(side)
    base = on.path
    seat = on.prop.marks["mouth"] + lid.prop.top * UP * 0.2
    count = int(rng.integers(2, 4))
    swing = rng.uniform(0.8, 1.15)
    aside = outward(side)
    # A right hand turns to the left best from palm down inwards; both swing about where they are at ease.
    total = count * swing
    turn = Curve(np.array(0.0 if sign > 0 else total))  # of the lid
    wrist = Curve(np.array(-sign * swing / 2))  # of the hand, about where it is at ease
    height = float(-seat[1])
    name = "top"
    lead = stage.heading(side, base(begin)[:3, 3]) + aside * 0.25
    upright = _rigid(yaw(0.0), np.zeros(3))
    grip = stage.grip(side, lid, name)
    now = stage.lead_of(side, base(begin)[:3, :3] @ grip.part_from_hand[:3, :3])
    ease = _rigid(yaw(lead - now), np.zeros(3)) @ upright

    def hand_on(time: float) -> np.ndarray:
        rise = (height + PITCH * float(turn(time))) * UP
        return base(time) @ _rigid(yaw(float(wrist(time))), rise) @ ease @ grip.part_from_hand

    def lid_on(time: float) -> np.ndarray:
        return _on(base(time), height, float(turn(time)) + offset, PITCH) @ np.eye(4)

    offset = 0.0
    verb = "unscrew" if sign > 0 else "screw"
    if sign > 0:
        fitted = type(grip)(
            grip.style, ease @ grip.part_from_hand, grip.angles, grip.preshape, grip.tight, grip.touching
        )
        time = stage.reach(side, lid, name, begin, goal=hand_on, grip=fitted)
    else:
        # The lid comes down onto the thread, held as it is.
        assert hand.grip is not None
        held = hand.grip
        now = stage.lead_of(side, base(begin)[:3, :3] @ held.part_from_hand[:3, :3])
        ease = _rigid(yaw(lead - now), np.zeros(3))
        grip = held
        time = stage.go(side, hand_on, begin, lift=0.03, arrive=0.06 * UP, careful=1.4)
        stage.mark(side, "move", lid.noun, "hold", time, start=begin)
    hand.grip, hand.item = grip, lid
    first = time
    for k in range(count):
        time += stage.pause(0.02, 0.07)
        stroke = stage.seconds(0.07 * swing)
        wrist.add(time, stroke, np.array(sign * swing / 2))
        turn.add(time, stroke, turn.last + sign * swing)
        rel = inverse(hand_on(time)) @ lid.path(time)
        lid.path.switch(time, riding(hand_on, rel))
        lid.holder, lid.on = side, None
        time += stroke
        stage.mark(side, verb, lid.noun, "hold", time)
        if k == count - 1:
            break
        # Let go, swing back, take hold again.
        lid.path.switch(time, riding(base, inverse(base(time)) @ lid.path(time)))
        opened = 0.5 * (grip.preshape + grip.angles)
        a, b, c = 0.12 * stage.tempo, 0.30 * stage.tempo, 0.13 * stage.tempo
        stage.form(side, opened, time, a)
        wrist.add(time + 0.8 * a, b, np.array(-sign * swing / 2))
        stage.form(side, grip.angles, time + 0.8 * a + 0.85 * b, c)
        back = time + 0.8 * a + b
        stage.mark(side, "release", lid.noun, "release", back)
        time = max(time + 0.8 * a + 0.85 * b + c, back)
        stage.mark(side, "reach", lid.noun, "reach", time)
    relative = inverse(hand_on(time)) @ lid.path(time)
    hand.grip = type(grip)(grip.style, inverse(relative), grip.angles, grip.preshape, grip.tight, grip.touching)
    lid.path.switch(time, riding(hand.path, relative))
    hand.free = time
    stage.now = time
    assert first <= time


# ------------------------------------------------------------------------------------------------- things in the hand


def _swinging(stage: Stage, side: int, pose: np.ndarray, way: np.ndarray, hertz: float, turn: np.ndarray) -> Anchor:
    """About a pose, to and fro along `way` (metres) and about `turn` (radians), world frame, thing's or hand's pose."""
    phase = stage.rng.uniform(0, 2 * np.pi)

    def anchor(time: float) -> np.ndarray:
        wave = math.sin(2 * np.pi * hertz * time + phase)
        out = pose.copy()
        out[:3, :3] = rotmat_from_rotvec(turn * wave) @ pose[:3, :3]
        out[:3, 3] += way * wave
        return out

    return stage.hands[side].sway.on(anchor)


def shake(stage: Stage, side: int) -> None:
    """To and fro, three or four times a second."""
    hand = stage.hands[side]
    item = hand.item
    assert item is not None
    assert hand.grip is not None
    begin = stage.start(side)
    middle = np.array([outward(side) * stage.rng.uniform(0.05, 0.16), stage.table - 0.24, stage.rng.uniform(0.32, 0.4)])
    pose = stage.upright(side, middle)
    lean = stage.rng.uniform(0.1, 0.5)
    pose[:3, :3] = rotmat_from_rotvec(np.array([0, 0, -outward(side) * lean])) @ pose[:3, :3]
    hertz = stage.rng.uniform(2.6, 4.2) / stage.tempo
    way = np.array([outward(side) * 0.008, stage.rng.uniform(0.018, 0.032), -0.01])
    local = hand.grip.part_from_hand
    swing = _swinging(stage, side, pose, way, hertz, np.array([stage.rng.uniform(0, 0.12), 0, 0]))
    there = stage.go(side, riding(swing, local), begin, seconds=stage.seconds(0.2))
    end = there + stage.pause(0.8, 1.8)
    hand.free = end
    back = stage.carry(side, pose, end, lift=0.0, seconds=0.35 * stage.tempo)
    stage.mark(side, "shake", item.noun, "hold", back, start=begin)
    stage.note(begin, back, "shake", item.noun, side)
    stage.now = back


def squeeze(stage: Stage, side: int) -> None:
    """Press what is soft, two to four times."""
    hand = stage.hands[side]
    item = hand.item
    assert item is not None
    assert hand.grip is not None
    begin = stage.start(side)
    middle = np.array([outward(side) * stage.rng.uniform(0.04, 0.14), stage.table - 0.20, stage.rng.uniform(0.3, 0.38)])
    there = stage.carry(side, stage.upright(side, middle), begin)
    stage.mark(side, "move", item.noun, "hold", there, start=begin)
    time = presses(stage, side, there, int(stage.rng.integers(2, 5)))
    hand.free = time
    stage.mark(side, "squeeze", item.noun, "hold", time)
    stage.note(there, time, "squeeze", item.noun, side)
    stage.now = time


def presses(stage: Stage, side: int, time: float, count: int) -> float:
    """The soft thing in the hand is pressed so many times; gives when that is over."""
    hand = stage.hands[side]
    item, grip = hand.item, hand.grip
    assert item is not None
    assert grip is not None
    for _ in range(count):
        hard = stage.rng.uniform(0.5, 1.0)
        press = stage.pause(0.22, 0.4)
        tight = grip.angles + 0.28 * hard * (grip.tight - grip.angles)
        stage.form(side, tight, time, press)
        item.joints.add(time, press, np.array([hard]))
        hold = stage.pause(0.02, 0.2)
        stage.form(side, grip.angles, time + press + hold, press)
        item.joints.add(time + press + hold, press, np.array([0.0]))
        time += 2 * press + hold + stage.pause(0.02, 0.15)
    return time


def wipe(stage: Stage, side: int) -> None:
    """Strokes or circles on the table."""
    hand = stage.hands[side]
    item = hand.item
    assert item is not None
    assert hand.grip is not None
    rng = stage.rng
    begin = stage.start(side)
    spot = np.array([outward(side) * rng.uniform(0.02, 0.14), stage.table - item.prop.low, rng.uniform(0.32, 0.40)])
    pose = stage.upright(side, spot)
    wide, deep = rng.uniform(0.03, 0.07), rng.uniform(0.005, 0.035)
    hertz, phase = rng.uniform(0.7, 1.3) / stage.tempo, rng.uniform(0, 2 * np.pi)
    slow = rng.uniform(0.1, 0.2)

    def rubbing(time: float) -> np.ndarray:
        out = pose.copy()
        a = 2 * np.pi * hertz * time + phase
        out[:3, 3] += np.array(
            [wide * math.sin(a), 0.0, deep * math.cos(a) + 0.015 * math.sin(2 * np.pi * slow * time)]
        )
        return out

    there = stage.go(side, riding(rubbing, hand.grip.part_from_hand), begin, lift=0.01, arrive=0.03 * UP)
    stage.mark(side, "move", item.noun, "hold", there, start=begin)
    end = there + stage.pause(1.4, 2.8)
    hand.free = end
    stage.mark(side, "wipe", item.noun, "hold", end)
    stage.note(there, end, "wipe", item.noun, side)
    up = spot + np.array([0, -0.1, 0])
    back = stage.carry(side, stage.upright(side, up), end)
    stage.mark(side, "move", item.noun, "hold", back)
    stage.now = back


# ------------------------------------------------------------------------------------------------------- empty hands


def _raised(stage: Stage, side: int, *, palm: np.ndarray | None = None) -> np.ndarray:
    """world_from_hand before the chest, fingers up, palm away from the person or where told."""
    rng = stage.rng
    aside = outward(side)
    at = np.array([aside * rng.uniform(0.10, 0.2), stage.table - rng.uniform(0.22, 0.32), rng.uniform(0.30, 0.38)])
    fingers = np.array([-aside * rng.uniform(-0.15, 0.25), -1.0, rng.uniform(0.0, 0.3)])
    facing = np.array([-aside * rng.uniform(0.0, 0.3), 0.0, 1.0]) if palm is None else palm
    return posed(side, at, fingers, facing)


def wave(stage: Stage, side: int) -> None:
    rng = stage.rng
    begin = stage.start(side)
    pose = _raised(stage, side)
    swing = rng.uniform(0.22, 0.4)
    hertz = rng.uniform(1.3, 2.3) / stage.tempo
    about = pose[:3, 1] * 1.0  # the palm's normal
    anchor = _swinging(stage, side, pose, np.array([0.025, 0.0, 0.0]) * np.sign(about[2]), hertz, about * swing)
    there = stage.go(side, anchor, begin, lift=0.03)
    stage.form(side, stage.shape(("open", "flat", "stop", "open wide")[int(rng.integers(4))]), begin + 0.1,
               0.75 * (there - begin))  # fmt: skip
    end = there + stage.pause(1.0, 2.0)
    stage.hands[side].free = end
    stage.mark(side, "wave", "", "free", end, start=begin)
    stage.note(begin, end, "wave", "", side)
    stage.now = stage.withdraw(side, end)


NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
COUNTS: dict[str, dict[int, str]] = {
    "american": {k: f"count {k}" for k in range(1, 6)} | {k: f"count {k} asl" for k in range(6, 10)},
    "european": {1: "count 1 europe", 2: "count 2 europe", 3: "count 3 europe", 4: "count 4 europe", 5: "count 5"},
    "japanese": {k: f"count {k} japan" for k in range(1, 7)},
    "chinese": {k: f"count {k}" for k in range(1, 6)} | {k: f"count {k} china" for k in range(6, 11)},
}
"""Shapes of one hand by number. European counting goes on with the other hand."""


def count(stage: Stage, side: int) -> None:
    """Shows numbers one after the other; from six on a European takes the other hand too."""
    rng = stage.rng
    culture = tuple(COUNTS)[int(rng.integers(len(COUNTS)))]
    shapes = COUNTS[culture]
    top = 10 if culture == "european" else max(shapes)
    last = int(rng.integers(2, top + 1))
    first = 1 if last <= 5 or rng.random() < 0.4 else int(rng.integers(max(1, last - 4), last))
    both = culture == "european" and last > 5
    sides = (side, 1 - side) if both else (side,)
    begin = stage.start(*sides)
    palm = None if rng.random() < 0.7 else np.array([0.0, 0.0, -1.0])
    ends = []
    for s in sides:
        if s == side or both:
            ends.append(stage.go(s, stage.air(s, _raised(stage, s, palm=palm)), begin, lift=0.03))
    time = begin + 0.2
    there = max(ends)
    for number in range(first, last + 1):
        change = stage.pause(0.2, 0.34)
        here = min(number, 5) if both else number
        stage.form(side, stage.shape(shapes[here]), time, change if number > first else max(change, there - time))
        if both:
            rest = number - 5
            stage.form(1 - side, stage.shape(shapes[rest] if rest > 0 else "fist"), time,
                       change if number > first else max(change, there - time))  # fmt: skip
        time = max(stage.hands[s].shape.end for s in sides) + stage.pause(0.25, 0.7)
    how = f"from {NUMBERS[first]} to {NUMBERS[last]}"
    for s in sides:
        stage.hands[s].free = time
        stage.mark(s, "count", "", "free", time, start=begin, how=how)
    stage.note(begin, time, "count", "", 2 if both else side, how=how)
    for s in sides:
        stage.now = stage.withdraw(s, time)


LETTERS = tuple("ABCDEFGHIKLMNOPRSTUVWXY")


def sign(stage: Stage, side: int) -> None:
    """Two to five letters of the American finger alphabet."""
    rng = stage.rng
    begin = stage.start(side)
    word = [LETTERS[int(rng.integers(len(LETTERS)))] for _ in range(int(rng.integers(2, 6)))]
    pose = _raised(stage, side)
    there = stage.go(side, stage.air(side, pose), begin, lift=0.03)
    time = begin + 0.25
    for k, letter in enumerate(word):
        change = stage.pause(0.22, 0.36)
        stage.form(side, stage.shape(f"letter {letter}"), time, change if k else max(change, there - time))
        time = stage.hands[side].shape.end + stage.pause(0.18, 0.5)
    stage.hands[side].free = time
    how = " ".join(word)
    stage.mark(side, "sign", "", "free", time, start=begin, how=how)
    stage.note(begin, time, "sign", "", side, how=how)
    stage.now = stage.withdraw(side, time)


def point(stage: Stage, side: int, item: Item) -> None:
    """The forefinger shows a thing from a little way off."""
    rng = stage.rng
    begin = stage.start(side)
    goal = item.path(begin)[:3, 3] - 0.3 * item.prop.top * np.array([0, 1.0, 0])
    lead = stage.heading(side, goal) + rng.normal(0.0, 0.1)
    away = item.prop.reach * 0.75 + rng.uniform(0.05, 0.09)
    slope = rng.uniform(0.25, 0.6)
    aim = np.array([-math.sin(lead) * math.cos(slope), math.sin(slope), math.cos(lead) * math.cos(slope)])
    palm = np.array([-outward(side) * rng.uniform(0.2, 1.0), 0.8, 0.0])
    knuckle = goal - aim * (away + 0.085)
    pose = posed(side, knuckle, aim, palm)
    shape = stage.shape(("point", "point loose", "point thumb")[int(rng.integers(3))])
    there = stage.go(side, stage.air(side, pose), begin, lift=0.04)
    stage.form(side, shape, begin + 0.05, 0.6 * (there - begin))
    end = there + stage.pause(0.4, 1.0)
    for _ in range(int(rng.integers(0, 3))):  # a nod of the finger
        jab = pose.copy()
        jab[:3, 3] += aim * rng.uniform(0.012, 0.03)
        end = stage.go(side, stage.air(side, jab), end, seconds=stage.pause(0.16, 0.24))
        end = stage.go(side, stage.air(side, pose), end, seconds=stage.pause(0.2, 0.3)) + stage.pause(0.05, 0.2)
        stage.hands[side].free = end
    stage.hands[side].free = end
    stage.mark(side, "point", item.noun, "free", end, start=begin)
    stage.note(begin, end, "point", item.noun, side)
    stage.now = stage.withdraw(side, end)


__all__ = ["LEFT", "NAMES_OF_SIDE", "RIGHT", "fixed"]
