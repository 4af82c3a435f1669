"""More verbs: what two hands do together, and what is done with tools, lids and containers."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.geometry.transforms import inverse, rigid
from palmar.synth.action.grip import FAMILIES, Grip, close, family, other_hand
from palmar.synth.action.props import OPEN, UP, yaw
from palmar.synth.action.stage import LEFT, RIGHT, Item, Stage, posed
from palmar.synth.action.track import Curve, Move, fixed, riding
from palmar.synth.action.verbs import outward, place, screw, steady, take, unscrew

EYES = np.array([0.0, 0.0, 0.0])
MOUTH = np.array([0.0, 0.09, 0.03])


def turned(*rotvec: float) -> np.ndarray:
    return rotmat_from_rotvec(np.array(rotvec))


# --------------------------------------------------------------------------------------------- containers and lids


def put_in(stage: Stage, side: int, container: Item) -> None:
    """What the hand holds goes to the bottom of an open container."""
    hand = stage.hands[side]
    item = hand.item
    assert item is not None
    assert hand.grip is not None
    begin = stage.start(side)
    base = container.path(begin)
    floor = base @ np.append(container.prop.marks["floor"], 1.0)
    room = max(0.6 * container.prop.mouth - 0.5 * item.prop.reach, 0.0)
    spot = floor[:3] + np.array([stage.rng.uniform(-room, room), -item.prop.low, stage.rng.uniform(-room, room) * 0.4])
    goal = stage.upright(side, spot)
    end = stage.carry(side, goal, begin, lift=0.05, arrive=0.09 * UP, swaying=False, careful=1.2)
    end += stage.pause(0.02, 0.1)
    hand.free = end
    stage.mark(side, "put in", item.noun, "hold", end, start=begin, into=container.noun)
    clear = stage.let_go(side, end)
    item.inside = container
    item.partners.append(container)
    stage.now = clear
    stage.note(begin, clear, "put in", item.noun, side, into=container.noun)


def put_into_before(stage: Stage, item: Item, container: Item) -> None:
    """From the beginning a thing stands in a container."""
    base = container.path(0.0)
    floor = (base @ np.append(container.prop.marks["floor"], 1.0))[:3]
    pose = item.path(0.0).copy()
    pose[:3, 3] = floor + np.array([stage.rng.uniform(-0.03, 0.03), -item.prop.low, stage.rng.uniform(-0.01, 0.01)])
    item.path.first = fixed(pose)
    item.inside = container
    item.partners.append(container)


def open_jar(stage: Stage, side: int, jar: Item, lid: Item) -> None:
    """One hand steadies, the other turns the lid off and puts it down."""
    begin = stage.start(LEFT, RIGHT)
    steady(stage, 1 - side, jar)
    unscrew(stage, side, lid, quiet=True)
    stage.note(begin, stage.now, "open", jar.noun, 2)
    place(stage, side, quiet=False)
    let_be(stage, 1 - side)


def close_jar(stage: Stage, side: int, jar: Item, lid: Item) -> None:
    """The lid lies beside; it is put on and turned tight."""
    take(stage, side, lid, quiet=False)
    begin = stage.start(LEFT, RIGHT)
    steady(stage, 1 - side, jar)
    screw(stage, side, jar, quiet=True)
    stage.note(begin, stage.now, "close", jar.noun, 2)
    let_be(stage, 1 - side)


def let_be(stage: Stage, side: int) -> None:
    """Let go of a thing that was only steadied."""
    stage.now = max(stage.now, stage.let_go(side, stage.start(side)))


def swing_lid(stage: Stage, side: int, box: Item, *, shut: bool) -> None:
    """Open or shut a hinged lid by its edge."""
    hand = stage.hands[side]
    begin = stage.start(side)
    joint = box.prop.thing.joints[0]
    grip = stage.grip(side, box, "lid")
    base = box.path

    def at(time: float) -> np.ndarray:
        turn, shift = joint.motion(float(box.joints(time)[0]))
        return base(time) @ rigid(turn, shift) @ grip.part_from_hand

    time = stage.reach(side, box, "lid", begin, goal=at, grip=grip)
    time += stage.pause(0.04, 0.1)
    stage.mark(side, "grasp", box.noun, "hold", time)
    verb = "close" if shut else "open"
    goal = 0.0 if shut else stage.rng.uniform(0.95, 1.3)
    for share in (0.55, 1.0) if stage.rng.random() < 0.3 else (1.0,):
        value = float(box.joints.last[0])
        span = stage.seconds(0.12 * abs(goal - value) + 0.02)
        box.joints.add(time, span, np.array([value + share * (goal - value)]))
        time += span
    hand.free = time
    stage.mark(side, verb, box.noun, "hold", time)
    # The hand leaves where the lid is.
    clear = stage.let_go(side, time + stage.pause(0.02, 0.1))
    stage.now = clear
    stage.note(begin, clear, verb, box.noun, side)


# ----------------------------------------------------------------------------------------------------- two hands


def hand_over(stage: Stage, side: int) -> None:
    """From the hand that holds a thing low to the other hand, which takes it high."""
    giver, taker = stage.hands[side], stage.hands[1 - side]
    item = giver.item
    assert item is not None
    assert giver.grip is not None
    rng = stage.rng
    begin = stage.start(LEFT, RIGHT)
    middle = np.array([outward(side) * rng.uniform(0.0, 0.04), stage.table - rng.uniform(0.17, 0.24),
                       rng.uniform(0.30, 0.36)])  # fmt: skip
    there = stage.carry(side, stage.upright(side, middle), begin)
    stage.mark(side, "move", item.noun, "hold", there, start=begin)
    start = begin + 0.4 * (there - begin)
    anchor = stage.resting(item)
    lead = stage.heading(1 - side, middle)
    grip = stage.fitted(1 - side, item, "high", lead, there)
    meet = stage.reach(
        1 - side, item, "high", max(start, taker.free), goal=riding(anchor, grip.part_from_hand), grip=grip
    )
    meet = max(meet, there) + stage.pause(0.06, 0.2)
    stage.mark(1 - side, "grasp", item.noun, "hold", meet)
    stage.mark(side, "hand over", item.noun, "hold", meet, other=("left hand", "right hand")[1 - side])
    item.path.switch(meet, riding(taker.path, inverse(grip.part_from_hand)))
    item.holder = 1 - side
    clear = stage.let_go(side, meet)
    taker.free = clear
    stage.mark(1 - side, "hold", item.noun, "hold", clear)
    stage.note(begin, clear, "hand over", item.noun, side, other=("left hand", "right hand")[1 - side])
    stage.now = clear
    away = middle + np.array([outward(1 - side) * 0.10, 0.02, 0.02])
    back = stage.carry(1 - side, stage.upright(1 - side, away), clear)
    stage.mark(1 - side, "move", item.noun, "hold", back)
    stage.now = back


# ------------------------------------------------------------------------------------------------------- to the head


def _facing(place: np.ndarray, up: np.ndarray, eye: np.ndarray = EYES) -> np.ndarray:
    """Rotation whose -z looks from the place to the eye and whose -y is as near to `up` as that allows."""
    z = place - eye
    z = z / np.linalg.norm(z)
    y = -(up - z * (up @ z))
    y = y / np.linalg.norm(y)
    return np.stack([np.cross(y, z), y, z], 1)


def drink(stage: Stage, side: int) -> None:
    """To the mouth, tipped, and away again."""
    hand = stage.hands[side]
    item = hand.item
    assert item is not None
    assert hand.grip is not None
    rng = stage.rng
    begin = stage.start(side)
    aside = outward(side)
    lead = aside * rng.uniform(0.65, 0.95)
    upright = stage.upright(side, np.zeros(3), lead)[:3, :3]
    toward = np.array([0.0, 0.0, -1.0])
    rim = item.prop.marks["mouth"] + (upright.T @ toward) * item.prop.mouth
    tip = Curve(np.array(0.15))

    def tipping(time: float) -> np.ndarray:
        turn = turned(*(float(tip(time)) * np.cross(UP, toward))) @ upright
        return rigid(turn, MOUTH + np.array([0, 0.01, 0.035]) - turn @ rim)

    there = stage.go(side, hand.sway.on(riding(tipping, hand.grip.part_from_hand)), begin,
                     arrive=np.array([0, 0.02, 0.06]), seconds=stage.seconds(0.35, careful=1.2))  # fmt: skip
    stage.mark(side, "move", item.noun, "hold", there, start=begin)
    a, b, c = stage.seconds(0.05), stage.pause(0.5, 1.2), stage.seconds(0.05)
    tip.add(there, a, np.array(rng.uniform(0.6, 0.95)))
    tip.add(there + a, b, tip.last + 0.15)
    tip.add(there + a + b, c, np.array(0.1))
    end = there + a + b + c
    hand.free = end
    stage.mark(side, "drink", item.noun, "hold", end)
    stage.note(begin, end, "drink", item.noun, side)
    low = np.array([aside * 0.14, stage.table - 0.15 - item.prop.low, 0.36])
    back = stage.carry(side, stage.upright(side, low), end, lift=0.0, arrive=0.02 * UP)
    stage.mark(side, "move", item.noun, "hold", back)
    stage.now = back


def read_label(stage: Stage, side: int) -> None:
    """Hold up before the eyes, and turn a little."""
    hand = stage.hands[side]
    item = hand.item
    assert item is not None
    assert hand.grip is not None
    rng = stage.rng
    begin = stage.start(side)
    at = np.array([outward(side) * rng.uniform(0.0, 0.07), rng.uniform(0.19, 0.25), rng.uniform(0.32, 0.38)])
    pose = stage.upright(side, at)
    pose[:3, :3] = turned(rng.uniform(0.1, 0.45), 0, 0) @ pose[:3, :3]
    there = stage.carry(side, pose, begin, lift=0.02)
    end = there
    for _ in range(int(rng.integers(1, 4))):
        other = pose.copy()
        other[:3, :3] = turned(0, rng.normal(0, 0.22), rng.normal(0, 0.08)) @ pose[:3, :3]
        other[:3, 3] += rng.normal(0, 0.008, 3)
        end = stage.carry(side, other, end + stage.pause(0.3, 0.8), lift=0.0, seconds=stage.pause(0.4, 0.8))
    end += stage.pause(0.2, 0.6)
    hand.free = end
    stage.mark(side, "read the label of", item.noun, "hold", end, start=begin)
    stage.note(begin, end, "read the label of", item.noun, side)
    stage.now = end


def read_book(stage: Stage, book: Item) -> None:
    """Both hands lift the open book they hold before the eyes, read, and lower it."""
    rng = stage.rng
    begin = stage.start(LEFT, RIGHT)
    up = book_pose(stage, high=True)
    sway = stage.hands[RIGHT].sway

    def lead(pose: np.ndarray, start: float, seconds: float) -> float:
        book.path.add(Move(start, seconds, sway.on(fixed(pose))))
        return start + seconds

    there = lead(up, begin, stage.seconds(0.25))
    end = there
    for _ in range(int(rng.integers(1, 4))):
        other = up.copy()
        other[:3, :3] = turned(*rng.normal(0, 0.06, 3)) @ up[:3, :3]
        other[:3, 3] += rng.normal(0, 0.01, 3)
        end = lead(other, end + stage.pause(0.4, 1.0), stage.pause(0.4, 0.8))
    end += stage.pause(0.5, 1.2)
    down = lead(book_pose(stage, high=False), end, stage.seconds(0.2))
    for side in (LEFT, RIGHT):
        stage.hands[side].free = down
        stage.mark(side, "move", book.noun, "hold", there, start=begin)
        stage.mark(side, "read", book.noun, "hold", end)
        stage.mark(side, "move", book.noun, "hold", down)
    stage.note(begin, end, "read", book.noun, 2)
    stage.now = down


def book_pose(stage: Stage, *, high: bool) -> np.ndarray:
    """Where an open book is held: its pages (-y) look to the eyes."""
    rng = stage.rng
    far, drop = (rng.uniform(0.34, 0.4), rng.uniform(0.21, 0.26)) if high else (0.33, stage.table - 0.14)
    at = np.array([rng.normal(0, 0.02), drop, far])
    look = EYES + np.array([0, 0 if high else 0.02, 0 if high else 0.08])
    to_eye = (look - at) / np.linalg.norm(look - at)
    page = to_eye + (0.0 if high else 0.5) * UP
    page = page / np.linalg.norm(page)
    z = np.array([0.0, 0.0, 1.0]) - page * page[2]
    z = z / np.linalg.norm(z)
    return rigid(np.stack([np.cross(-page, z), -page, z], 1), at)


def phone_pose(side: int, place: np.ndarray) -> np.ndarray:
    """A phone (screen at +y, upper end at +z) whose screen looks to the eyes, leaning a little to its hand's side."""
    screen = _facing(place, UP + 0.12 * outward(side) * np.array([-1.0, 0, 0]))  # its -z looks to the eyes, its -y up
    return rigid(np.stack([np.cross(-screen[:, 2], -screen[:, 1]), -screen[:, 2], -screen[:, 1]], 1), place)


def read_phone(stage: Stage, side: int, *, tap: bool = False) -> None:
    """Raise the phone in the hand and look at it; the other hand may tap."""
    hand = stage.hands[side]
    item = hand.item
    assert item is not None
    assert hand.grip is not None
    rng = stage.rng
    aside = outward(side)
    begin = stage.start(side)
    before = item.path(begin)
    at = np.array([aside * rng.uniform(0.02, 0.07), rng.uniform(0.20, 0.26), rng.uniform(0.33, 0.38)])
    goal = phone_pose(side, at)
    there = stage.carry(side, goal, begin, lift=0.0)
    stage.mark(side, "move", item.noun, "hold", there, start=begin)
    if tap:
        end = _taps(stage, 1 - side, item, goal, there)
    else:
        end = there
        for _ in range(int(rng.integers(1, 4))):
            other = goal.copy()
            other[:3, :3] = turned(*rng.normal(0, 0.07, 3)) @ goal[:3, :3]
            other[:3, 3] += rng.normal(0, 0.008, 3)
            end = stage.carry(side, other, end + stage.pause(0.3, 0.8), lift=0.0, seconds=stage.pause(0.4, 0.8))
        end += stage.pause(0.3, 0.8)
    hand.free = end
    stage.mark(side, "hold" if tap else "read", item.noun, "hold", end)
    if tap:
        stage.note(there, end, "tap", item.noun, 1 - side)
    else:
        stage.note(begin, end, "read", item.noun, side)
    down = stage.carry(side, before, end, lift=0.0)
    stage.mark(side, "move", item.noun, "hold", down)
    stage.now = down


def _taps(stage: Stage, side: int, item: Item, phone: np.ndarray, start: float) -> float:
    """The forefinger of a free hand taps on the screen a few times."""
    rng, hand = stage.rng, stage.hands[side]
    aside = outward(side)
    normal, up = phone[:3, 1], phone[:3, 2]
    shape = stage.shape("point loose")
    aim = -0.8 * normal + np.array([-0.8 * aside, 0.0, 0.0]) + 0.25 * up
    palm = np.array([-aside * 0.5, 0.9, 0.2])
    model = stage.shaped.model
    tip = stage.shaped.posed(model.rotations_from_angles(shape)).joints()[8]
    tip = tip * np.array([-1.0, 1, 1]) if side == LEFT else tip
    reach, touch = 0.030, 0.0065

    def over(x: float, z: float, off: float) -> np.ndarray:
        pose = posed(side, np.zeros(3), aim, palm)
        spot = phone[:3, 3] + phone[:3, 0] * x + up * z + normal * (off + item.prop.marks["top"][1])
        pose[:3, 3] = spot - pose[:3, :3] @ tip
        return pose

    time = stage.go(side, stage.air(side, over(0, 0, reach)), max(start, hand.free), lift=0.04)
    stage.form(side, shape, start + 0.05, 0.6 * (time - start))
    for _ in range(int(rng.integers(3, 6))):
        x, z = rng.uniform(-0.02, 0.02), rng.uniform(-0.045, 0.035)
        time = stage.go(side, stage.air(side, over(x, z, reach)), time, seconds=stage.pause(0.22, 0.4))
        time = stage.go(side, stage.air(side, over(x, z, touch)), time, seconds=stage.pause(0.12, 0.18))
        time = stage.go(side, stage.air(side, over(x, z, reach)), time, seconds=stage.pause(0.14, 0.2))
    hand.free = time
    stage.mark(side, "tap", item.noun, "reach", time, start=start)
    end = stage.withdraw(side, time, leaving=item.noun)
    assert end > time
    return time


# --------------------------------------------------------------------------------------------------------- with tools


def write(stage: Stage, side: int, paper: Item) -> None:
    """The pen in the hand writes a line or two."""
    hand = stage.hands[side]
    pen = hand.item
    assert pen is not None
    assert hand.grip is not None
    rng = stage.rng
    aside = outward(side)
    begin = stage.start(side)
    pen.partners.append(paper)
    sheet = paper.path(begin)
    top = sheet[:3, 3] + paper.prop.marks["top"]
    origin = top + np.array([-0.05 + 0.02 * aside, 0.0, rng.uniform(-0.02, 0.04)])
    pose = pen_pose(side, rng)[:3, :3]
    tip = pen.prop.marks["tip"]
    size, hertz = rng.uniform(0.0018, 0.0035), rng.uniform(2.6, 4.4) / stage.tempo
    speed, phase = rng.uniform(0.010, 0.02) / stage.tempo, rng.uniform(0, 2 * np.pi, 3)

    def line(start: np.ndarray, begins: float):
        def writing(time: float) -> np.ndarray:
            a = 2 * np.pi * hertz * time
            run = speed * (time - begins)
            x = run + 0.6 * size * math.sin(a + phase[0]) + 0.3 * size * math.sin(0.5 * a + phase[1])
            z = size * math.sin(a + phase[2]) * (1 + 0.5 * math.sin(0.23 * a))
            lift = 0.0004
            return rigid(pose, start + np.array([x, -lift, z]) - pose @ tip)

        return writing

    time = begin
    for row in range(int(rng.integers(1, 3))):
        start = origin + np.array([0, 0, -0.012 * row])
        anchor = riding(line(start, time + 0.5), hand.grip.part_from_hand)
        there = stage.go(side, anchor, time, lift=0.005 if row else 0.02, arrive=0.012 * UP,
                         seconds=0.45 * stage.tempo if row else None)  # fmt: skip
        if row == 0:
            stage.mark(side, "move", pen.noun, "hold", there, start=begin)
            first = there
        time = there + stage.pause(1.3, 2.4)
        hand.free = time
    stage.mark(side, "write", pen.noun, "hold", time)
    stage.note(first, time, "write", pen.noun, side)
    up = rigid(pose, origin + np.array([aside * 0.08, -0.07, 0.0]) - pose @ tip)
    back = stage.carry(side, up, time, lift=0.02)
    stage.mark(side, "move", pen.noun, "hold", back)
    stage.now = back


def pen_pose(side: int, rng: np.random.Generator) -> np.ndarray:
    """A pen about to write: its tip (+z) looks down, forward and inward; only the rotation counts."""
    aside = outward(side)
    steep = rng.uniform(0.85, 1.05)
    way = np.array([-aside * 0.55 * math.cos(steep), math.sin(steep), 0.85 * math.cos(steep)])
    z = way / np.linalg.norm(way)
    x = np.cross(np.array([0, 0, 1.0]) if abs(z[1]) > 0.99 else np.array([0, 1.0, 0]), z)
    x = x / np.linalg.norm(x)
    return rigid(np.stack([x, np.cross(z, x), z], 1), np.zeros(3))


def stir(stage: Stage, side: int, spoon: Item, vessel: Item) -> None:
    """Take the spoon that leans in a vessel, stir with it, and let it lean again."""
    hand = stage.hands[side]
    rng = stage.rng
    begin = stage.start(side)
    contact = stage.reach(side, spoon, "handle", begin)
    held = contact + stage.pause(0.04, 0.12)
    stage.grab(side, held)
    assert hand.grip is not None
    stage.mark(side, "grasp", spoon.noun, "hold", held)
    start = spoon.path(held)
    base = vessel.path(held)[:3, 3] + vessel.prop.marks["mouth"]
    tip = spoon.prop.marks["tip"]
    bottom = start[:3, :3] @ tip + start[:3, 3]
    wide = 0.42 * vessel.prop.mouth
    hertz, phase = rng.uniform(0.9, 1.6) / stage.tempo, rng.uniform(0, 2 * np.pi)
    middle = np.array([base[0], bottom[1] - 0.006, base[2]])
    upright = start[:3, :3]

    def stirring(time: float) -> np.ndarray:
        a = 2 * np.pi * hertz * time + phase
        low = middle + wide * np.array([math.cos(a), 0.0, math.sin(a)])
        high = base + np.array([0, -0.05, 0]) + 0.3 * wide * np.array([math.cos(a), 0.0, math.sin(a)])
        y = low - high
        y = y / np.linalg.norm(y)
        x = upright[:, 0] - y * (upright[:, 0] @ y)
        x = x / np.linalg.norm(x)
        rotation = np.stack([x, y, np.cross(x, y)], 1)
        return rigid(rotation, low - rotation @ tip)

    there = stage.go(side, riding(stirring, hand.grip.part_from_hand), held, seconds=0.5 * stage.tempo)
    end = there + stage.pause(1.4, 2.6)
    back = stage.go(side, fixed(start @ hand.grip.part_from_hand), end, seconds=0.5 * stage.tempo)
    stage.mark(side, "stir", spoon.noun, "hold", back, into=vessel.noun)
    stage.note(begin, back, "stir", spoon.noun, side, into=vessel.noun)
    stage.now = stage.let_go(side, back + stage.pause(0.02, 0.1))


def lean(stage: Stage, spoon: Item, vessel: Item, side: int) -> None:
    """From the beginning a spoon leans in a vessel, its handle towards the hand's side."""
    base = vessel.path(0.0)[:3, 3]
    inside = vessel.prop.mouth
    floor = base[1] + vessel.prop.low - 0.010
    away = yaw(-outward(side) * stage.rng.uniform(0.5, 1.0)) @ np.array([0.0, 0.0, -1.0])
    tip = np.array([base[0], floor, base[2]]) - 0.35 * inside * away
    rim = base + vessel.prop.marks["mouth"] + (inside - 0.004) * away
    y = tip - rim
    y = y / np.linalg.norm(y)
    x = np.cross(y, np.array([0, 0, 1.0]))
    x = x / np.linalg.norm(x)
    rotation = np.stack([x, y, np.cross(x, y)], 1)
    spoon.path.first = fixed(rigid(rotation, tip - rotation @ spoon.prop.marks["tip"]))
    spoon.inside = vessel
    spoon.partners.append(vessel)


def spray(stage: Stage, side: int) -> None:
    """Aim and pull the trigger a few times."""
    hand = stage.hands[side]
    item = hand.item
    assert item is not None
    assert hand.grip is not None
    rng = stage.rng
    begin = stage.start(side)
    aside = outward(side)
    lift = item.prop.low + rng.uniform(0.04, 0.08)
    at = np.array([aside * rng.uniform(0.06, 0.16), stage.table - lift, rng.uniform(0.34, 0.4)])
    pose = rigid(turned(rng.uniform(0.0, 0.35), 0, 0) @ yaw(aside * rng.uniform(0.0, 0.5)), at)
    there = stage.carry(side, pose, begin, lift=0.0)
    stage.mark(side, "move", item.noun, "hold", there, start=begin)
    time = pulls(stage, side, there + stage.pause(0.05, 0.2), int(rng.integers(2, 5)))
    hand.free = time
    stage.mark(side, "spray", item.noun, "hold", time)
    stage.note(there, time, "spray", item.noun, side)
    stage.now = time


def pulls(stage: Stage, side: int, time: float, count: int) -> float:
    """The trigger of what the hand holds is pulled so many times; gives when that is over."""
    hand = stage.hands[side]
    item = hand.item
    assert item is not None
    assert hand.grip is not None
    pulled = pulled_grip(stage, side, item)
    low = item.prop.thing.joints[0].low
    for _ in range(count):
        pull, back, rest = 0.16 * stage.tempo, 0.2 * stage.tempo, stage.pause(0.05, 0.25)
        stage.form(side, pulled.angles, time, pull)
        item.joints.add(time, pull, np.array([low]))
        stage.form(side, hand.grip.angles, time + pull + 0.05, back)
        item.joints.add(time + pull + 0.05, back, np.array([0.0]))
        stage.sprays.append((time + 0.5 * pull, time + pull + 0.05, item))
        time += pull + 0.05 + back + rest
    return time


def pulled_grip(stage: Stage, side: int, item: Item) -> Grip:
    """The same hand with the trigger pulled: it stays, forefinger and middle finger close further."""
    hand = stage.hands[side]
    assert hand.grip is not None
    way = item.prop.ways["neck"]
    low = item.prop.thing.joints[0].low
    pose = hand.grip.part_from_hand if side == RIGHT else other_hand(hand.grip.part_from_hand)
    shapes = family(stage.shaped, FAMILIES[way.style](way.half))
    grip = close(shapes, item.prop.thing.solid([low]).distance, pose, way.style)
    angles = hand.grip.angles.copy()
    angles[1:3] = grip.angles[1:3]
    return replace(hand.grip, angles=angles)


def cut(stage: Stage, side: int, paper: Item) -> None:
    """The scissors in the hand snip their way into the paper in the other hand."""
    hand, other = stage.hands[side], stage.hands[1 - side]
    item = hand.item
    assert item is not None
    assert hand.grip is not None
    assert other.item is paper
    rng = stage.rng
    aside = outward(side)
    item.partners.append(paper)
    begin = stage.start(LEFT, RIGHT)
    edge = np.array([aside * 0.02, stage.table - rng.uniform(0.14, 0.2), rng.uniform(0.35, 0.39)])
    cutting = scissors_turn(side, rng)
    forward = cutting @ np.array([0, 0, 1.0])
    tip = item.prop.marks["tip"]
    start = rigid(cutting, edge - cutting @ tip - 0.01 * forward)
    there = stage.carry(side, start, begin, lift=0.0)
    # The paper stands across the blades, its face to the person.
    flat = paper_pose(1 - side, edge + 0.03 * forward)
    ready = stage.carry(1 - side, flat, begin, lift=0.0)
    stage.mark(side, "move", item.noun, "hold", there, start=begin)
    stage.mark(1 - side, "hold", paper.noun, "hold", ready, start=begin)
    time = max(there, ready) + stage.pause(0.05, 0.2)
    way = item.prop.ways["bows"]
    pose = hand.grip.part_from_hand if side == RIGHT else other_hand(hand.grip.part_from_hand)
    shapes = family(stage.shaped, FAMILIES[way.style](way.half))
    shut = close(shapes, item.prop.thing.solid([0.0, 0.0]).distance, pose, way.style)
    opened = hand.grip.angles
    step = 0.012
    for k in range(int(rng.integers(3, 6))):
        snip, back = 0.2 * stage.tempo, 0.26 * stage.tempo
        stage.form(side, shut.angles, time, snip)
        item.joints.add(time, snip, np.zeros(2))
        stage.form(side, opened, time + snip + 0.04, back)
        item.joints.add(time + snip + 0.04, back, np.array([-OPEN, -OPEN]))
        nearer = start.copy()
        nearer[:3, 3] += step * (k + 1) * forward
        stage.carry(side, nearer, time + snip + 0.04, lift=0.0, seconds=back)
        time += snip + back + 0.04 + stage.pause(0.02, 0.1)
    hand.free = other.free = time
    stage.mark(side, "cut", item.noun, "hold", time, into=paper.noun)
    stage.mark(1 - side, "hold", paper.noun, "hold", time)
    stage.note(begin, time, "cut", item.noun, side, into=paper.noun)
    apart = start.copy()
    apart[:3, 3] -= 0.06 * forward
    end = stage.carry(side, apart, time, lift=0.0)
    stage.mark(side, "move", item.noun, "hold", end)
    stage.now = end


def scissors_turn(side: int, rng: np.random.Generator) -> np.ndarray:
    """Of scissors that cut from one side to the other: blades inward, the thumb's leg (-y) towards the person."""
    aside = outward(side)
    z = np.array([-aside, rng.uniform(-0.1, 0.2), rng.uniform(0.2, 0.5)])
    z = z / np.linalg.norm(z)
    y = np.array([0.0, 0.35, 1.0])
    y = y - z * (y @ z)
    y = y / np.linalg.norm(y)
    return np.stack([np.cross(y, z), y, z], 1)


def paper_pose(side: int, edge: np.ndarray) -> np.ndarray:
    """world_from_sheet: upright, its far edge (+z) at a place, held from the other end, the thumb's face (-x for a
    right hand, +x for a left one) to the person."""
    aside = outward(side)
    z = np.array([-aside, 0.0, 0.1])
    z = z / np.linalg.norm(z)
    x = aside * np.array([0.0, 0.35, 1.0])
    x = x - z * (x @ z)
    x = x / np.linalg.norm(x)
    return rigid(np.stack([x, np.cross(z, x), z], 1), edge - 0.08 * z)
