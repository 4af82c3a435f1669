"""Actions of FPHA (Garcia-Hernando et al. 2018) on the goods of `wares`: `DAILY`, by FPHA's own names.

40 of its 45: giving and receiving a coin or a card, a handshake and a high five need a second person, whom a stage does
not have. "use flash" is a cleaning spray's name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.geometry.transforms import inverse, rigid
from palmar.synth.action import goods, tools, verbs, wares
from palmar.synth.action.props import UP, Prop, yaw
from palmar.synth.action.sequence import (
    ACTIONS,
    NEAR,
    OWN,
    Action,
    _held,
    _spot,
    _stand,
    _write,
)
from palmar.synth.action.stage import LEFT, RIGHT, Item, Stage
from palmar.synth.action.track import fixed, riding
from palmar.synth.action.verbs import outward
from palmar.synth.things.material import material

Act = Callable[[Stage, int], None]


def _put(stage: Stage, side: int, thing: Prop, x=OWN, z=NEAR, *, way: str | None = None) -> Item:
    return stage.add(thing, _spot(stage, side, x, z, thing.reach), side=side, way=way)


def _ware(stage: Stage, side: int, noun: str, x=OWN, z=NEAR) -> Item:
    return _put(stage, side, wares.WARES[noun](stage.rng), x, z)


def _end(stage: Stage, *sides: int) -> None:
    """Nothing is put down: hands keep what they hold."""
    stage.now = max(stage.now, *(stage.hands[side].free for side in sides))


# ------------------------------------------------------------------------------------------------------ bottles, jars


def _apart(stage: Stage, side: int, noun: str, *, on: bool) -> tuple[Item, Item]:
    """A thing of `wares.CAPPED` before both hands, and its cap on it or beside it."""
    thing, radius, high, style = wares.CAPPED[noun](stage.rng)
    cover = goods._cap(stage.rng, f"{noun} {'lid' if style == 'top' else 'cap'}", radius, high, style)
    base = stage.add(thing, _spot(stage, 1 - side, (-0.03, 0.04), (0.34, 0.38), thing.reach), side=1 - side)
    if on:
        return base, stage.attach(cover, base, base.prop.marks["mouth"] + goods.SEAT * cover.top * UP)
    lid = stage.add(cover, _spot(stage, side, (0.12, 0.2), NEAR, cover.reach), side=side)
    lid.partners.append(base)
    return base, lid


def _open(noun: str) -> Act:
    return lambda stage, side: tools.open_jar(stage, side, *_apart(stage, side, noun, on=True))


def _close(noun: str) -> Act:
    return lambda stage, side: tools.close_jar(stage, side, *_apart(stage, side, noun, on=False))


def _pour(noun: str, *into: str) -> Act:
    def act(stage: Stage, side: int) -> None:
        name = into[int(stage.rng.integers(len(into)))]
        vessel = (
            _ware(stage, side, name, (-0.12, -0.04))
            if name in wares.WARES
            else _stand(stage, side, name, (-0.12, -0.04))
        )
        verbs.take(stage, side, _ware(stage, side, noun, (0.10, 0.2)), quiet=True)
        verbs.pour(stage, side, vessel)

    return act


def _salt(stage: Stage, side: int) -> None:
    """Tipped over a bowl and shaken."""
    rng, aside = stage.rng, outward(side)
    into = _stand(stage, side, "bowl", (-0.12, -0.04), NEAR)
    item = _ware(stage, side, "salt", (0.08, 0.18))
    verbs.take(stage, side, item, quiet=True)
    hand = stage.hands[side]
    assert hand.grip is not None
    begin = stage.start(side)
    goal = into.path(begin)[:3, 3] + into.prop.marks["mouth"] + rng.uniform(0.05, 0.08) * UP
    lead = stage.heading(side, goal + np.array([aside * 0.1, 0, 0])) + aside * 0.1
    upright = stage.upright(side, np.zeros(3), lead)[:3, :3]
    axis = np.cross(UP, np.array([-aside, 0.0, 0.15]))
    turn = rotmat_from_rotvec(axis / np.linalg.norm(axis) * rng.uniform(1.5, 1.75)) @ upright
    pose = rigid(turn, goal - turn @ item.prop.marks["mouth"])
    swing = verbs._swinging(stage, side, pose, np.array([0.002, 0.013, 0.004]), rng.uniform(2.4, 3.4) / stage.tempo,
                            np.array([0.0, 0.0, aside * 0.07]))  # fmt: skip
    there = stage.go(side, riding(swing, hand.grip.part_from_hand), begin, lift=0.03, arrive=0.03 * UP)
    stage.mark(side, "move", "salt", "hold", there, start=begin)
    end = there + stage.pause(0.9, 1.8)
    hand.free = end
    stage.mark(side, "put", "salt", "hold", end, into=into.noun)
    stage.note(there, end, "put", "salt", side, into=into.noun)
    high = np.array([aside * 0.15, stage.table - item.prop.low - 0.08, 0.34])
    stage.now = stage.carry(side, stage.upright(side, high), end, lift=0.02)
    stage.mark(side, "move", "salt", "hold", stage.now)


def _soda(stage: Stage, side: int) -> None:
    can = _put(stage, 1 - side, wares.soda_can(stage.rng), (-0.03, 0.04), (0.33, 0.37))
    turn = stage.heading(side, can.path(0.0)[:3, 3]) - 0.3 * outward(side)
    can.path.first = fixed(rigid(yaw(turn), can.path(0.0)[:3, 3]))
    verbs.steady(stage, 1 - side, can, "body")
    swing(stage, side, can, "tab", 0, 1.15, verb="open", share=0.15, first=0.25)
    tools.let_be(stage, 1 - side)


def _toast(stage: Stage, side: int) -> None:
    """The glass goes up and forward, and a little further once more."""
    rng, aside = stage.rng, outward(side)
    item = _ware(stage, side, "wine glass", (0.06, 0.16))
    verbs.take(stage, side, item, quiet=True)
    begin = stage.start(side)
    at = np.array([aside * rng.uniform(0.0, 0.08), rng.uniform(0.14, 0.2), rng.uniform(0.42, 0.5)])
    pose = stage.upright(side, at)
    end = stage.carry(side, pose, begin, lift=0.02)
    lean = pose.copy()
    lean[:3, :3] = rotmat_from_rotvec(np.array([-rng.uniform(0.1, 0.3), 0, 0])) @ pose[:3, :3]
    lean[:3, 3] += np.array([-aside * 0.03, -0.02, 0.045])
    for _ in range(int(rng.integers(1, 3))):
        end = stage.carry(side, lean, end + stage.pause(0.05, 0.25), lift=0.0, seconds=stage.pause(0.25, 0.4))
        end = stage.carry(side, pose, end + stage.pause(0.0, 0.1), lift=0.0, seconds=stage.pause(0.3, 0.5))
    stage.mark(side, "toast", item.noun, "hold", end, start=begin)
    stage.note(begin, end, "toast", item.noun, side)
    low = np.array([aside * 0.14, stage.table - item.prop.low - 0.06, 0.36])
    stage.now = stage.carry(side, stage.upright(side, low), end, lift=0.0)
    stage.mark(side, "move", item.noun, "hold", stage.now)


# ------------------------------------------------------------------------------------------------------- with cutlery


def _cutlery(stage: Stage, side: int, noun: str) -> tuple[Item, np.ndarray]:
    """In the hand from the beginning; and how it is turned."""
    rng, aside = stage.rng, outward(side)
    steep = rng.uniform(0.75, 0.95) if noun == "fork" else rng.uniform(0.9, 1.05)
    turn = _tool_turn(side, steep, rng.uniform(0.45, 0.7))
    place = np.array([aside * rng.uniform(0.1, 0.16), stage.table - rng.uniform(0.12, 0.16), rng.uniform(0.29, 0.33)])
    return stage.give(side, wares.WARES[noun](rng), "use", rigid(turn, place)), turn


def _tool_turn(side: int, steep: float, inward: float) -> np.ndarray:
    """A tool whose tip (+z) looks down at this angle, forward and inward, its hollow (-y) up."""
    z = np.array([-outward(side) * inward * math.cos(steep), math.sin(steep), math.cos(steep)])
    z = z / np.linalg.norm(z)
    x = np.cross(np.array([0, 1.0, 0]), z)
    x = x / np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z], 1)


def _tip(stage: Stage, side: int, turn: np.ndarray, at: np.ndarray, start: float, seconds: float | None = None,
         **how) -> float:  # fmt: skip
    """The tip of the tool in the hand goes to a place."""
    item = stage.hands[side].item
    assert item is not None
    goal = rigid(turn, at - turn @ item.prop.marks["tip"])
    return stage.carry(side, goal, start, lift=0.0, seconds=seconds, **how)


def _prick(stage: Stage, side: int) -> None:
    """The fork goes into a piece on a plate and lifts it."""
    rng = stage.rng
    dish = _ware(stage, side, "plate", (-0.06, 0.02), (0.34, 0.37))
    food = stage.add(wares.bite(rng), (0.0, 0.4))
    base = dish.path(0.0)[:3, 3] + dish.prop.marks["floor"]
    place = base + np.array([rng.uniform(-0.03, 0.03), -food.prop.low, rng.uniform(-0.03, 0.02)])
    food.path.first = fixed(rigid(yaw(rng.uniform(-3, 3)), place))
    food.partners.append(dish)
    fork, turn = _cutlery(stage, side, "fork")
    fork.partners += [food, dish]
    hand = stage.hands[side]
    begin = stage.start(side)
    above = _tip(stage, side, turn, place - 0.055 * turn[:, 2] + 0.01 * UP, begin)
    into = _tip(stage, side, turn, place + 0.004 * turn[:, 2], above, stage.pause(0.2, 0.35), swaying=False)
    held = into + stage.pause(0.05, 0.2)
    hand.free = held
    food.path.switch(held, riding(fork.path, inverse(fork.path(held)) @ food.path(held)))
    up = _tip(stage, side, turn, place + 0.10 * UP - 0.03 * np.array([0, 0, 1.0]), held)
    end = up + stage.pause(0.2, 0.6)
    hand.free = end
    stage.mark(side, "prick", fork.noun, "hold", end, start=begin)
    stage.note(begin, end, "prick", fork.noun, side)
    _end(stage, side)


def _scooped(stage: Stage, side: int, spoon: Item, turn: np.ndarray, bowl: Item, start: float) -> float:
    """Down into a bowl, through what is in it, and up."""
    spoon.partners.append(bowl)
    rng, aside = stage.rng, outward(side)
    heap = bowl.path(start)[:3, 3] + np.array([0, 0.1 * bowl.prop.low - 0.004, 0])
    stroke = np.array([-aside * 0.012, 0.0, 0.02])
    steep = turn @ np.eye(3)
    flat = _tool_turn(side, 0.6, 0.55)
    end = _tip(stage, side, steep, heap - stroke + 0.075 * UP, start)
    end = _tip(stage, side, steep, heap - stroke, end, stage.pause(0.3, 0.45), swaying=False)
    end = _tip(stage, side, flat, heap + stroke + 0.012 * UP, end, stage.pause(0.3, 0.45))
    return _tip(stage, side, flat, heap + stroke + rng.uniform(0.08, 0.1) * UP, end, stage.pause(0.35, 0.5))


def _scoop(stage: Stage, side: int) -> None:
    bowl = _ware(stage, side, "filled bowl", (-0.08, 0.0), (0.34, 0.38))
    spoon, turn = _cutlery(stage, side, "spoon")
    begin = stage.start(side)
    end = begin
    for _ in range(int(stage.rng.integers(1, 3))):
        end = _scooped(stage, side, spoon, turn, bowl, end)
    end += stage.pause(0.2, 0.5)
    stage.hands[side].free = end
    stage.mark(side, "scoop", "spoon", "hold", end, start=begin)
    stage.note(begin, end, "scoop", "spoon", side)
    _end(stage, side)


def _sugar(stage: Stage, side: int) -> None:
    """From the sugar into a mug or glass."""
    rng = stage.rng
    bowl = _ware(stage, side, "filled bowl", (0.02, 0.08), (0.35, 0.38))
    vessel = _stand(stage, side, ("mug", "glass")[int(rng.integers(2))], (-0.16, -0.09), NEAR)
    spoon, turn = _cutlery(stage, side, "spoon")
    spoon.partners.append(vessel)
    begin = stage.start(side)
    end = _scooped(stage, side, spoon, turn, bowl, begin)
    over = vessel.path(end)[:3, 3] + vessel.prop.marks["mouth"] + 0.022 * UP
    flat = _tool_turn(side, 0.6, 0.55)
    end = _tip(stage, side, flat, over, end)
    roll = rotmat_from_rotvec(flat[:, 2] * -outward(side) * rng.uniform(0.9, 1.3)) @ flat
    end = _tip(stage, side, roll, over + 0.004 * UP, end + stage.pause(0.0, 0.1), stage.pause(0.3, 0.5))
    end = _tip(stage, side, flat, over + 0.05 * UP, end + stage.pause(0.15, 0.4), stage.pause(0.35, 0.5))
    stage.hands[side].free = end
    stage.mark(side, "put", "spoon", "hold", end, start=begin, into=vessel.noun)
    stage.note(begin, end, "put", "spoon", side, into=vessel.noun)
    _end(stage, side)


def _sprinkle(stage: Stage, side: int) -> None:
    """What is on the spoon is shaken off over a bowl or plate, here and there."""
    rng, aside = stage.rng, outward(side)
    dish = _ware(stage, side, ("plate", "filled bowl")[int(rng.integers(2))], (-0.08, 0.0), (0.34, 0.38))
    spoon, _ = _cutlery(stage, side, "spoon")
    hand = stage.hands[side]
    assert hand.grip is not None
    flat = _tool_turn(side, 0.25, 0.55)
    flat = rotmat_from_rotvec(flat[:, 2] * -aside * rng.uniform(0.2, 0.5)) @ flat
    over = dish.path(0.0)[:3, 3] + np.array([0, -dish.prop.top, 0]) + rng.uniform(0.06, 0.09) * UP
    pose = rigid(flat, over - flat @ spoon.prop.marks["tip"])
    begin = stage.start(side)
    hertz, slow, phase = rng.uniform(3.0, 4.5) / stage.tempo, rng.uniform(0.25, 0.4), rng.uniform(0, 6.28)
    wide = rng.uniform(0.02, 0.04)

    def shaking(time: float) -> np.ndarray:
        out = pose.copy()
        a, b = 2 * np.pi * hertz * time, 2 * np.pi * slow * time + phase
        out[:3, :3] = rotmat_from_rotvec(pose[:3, 2] * 0.16 * math.sin(a)) @ pose[:3, :3]
        out[:3, 3] += np.array([wide * math.sin(b), 0.005 * math.sin(a), 0.6 * wide * math.cos(b)])
        return out

    there = stage.go(side, hand.sway.on(riding(shaking, hand.grip.part_from_hand)), begin, lift=0.02)
    stage.mark(side, "move", "spoon", "hold", there, start=begin)
    end = there + stage.pause(1.3, 2.4)
    hand.free = end
    stage.mark(side, "sprinkle", "spoon", "hold", end)
    stage.note(there, end, "sprinkle", "spoon", side)
    _end(stage, side)


def _stir(stage: Stage, side: int) -> None:
    ACTIONS["stir spoon"].act(stage, side)


def _tea(stage: Stage, side: int) -> None:
    """Let down into a mug by its tag, and dipped."""
    rng, aside = stage.rng, outward(side)
    mug = _stand(stage, side, ("mug", "glass")[int(rng.integers(2))], (-0.06, 0.02), NEAR)
    thing = wares.tea_bag(rng)
    at = np.array([aside * rng.uniform(0.1, 0.16), stage.table - thing.low - 0.05, 0.32])
    item = stage.give_upright(side, thing, "tag", at)
    item.partners.append(mug)
    begin = stage.start(side)
    mouth = mug.path(begin)[:3, 3] + mug.prop.marks["mouth"]
    over = stage.upright(side, mouth + (thing.low + 0.03) * UP)
    end = stage.carry(side, over, begin, lift=0.04)
    deep = over.copy()
    deep[1, 3] = mouth[1] + rng.uniform(0.05, 0.06) - thing.low
    for k in range(int(rng.integers(1, 4))):
        end = stage.carry(side, deep, end, lift=0.0, seconds=stage.pause(0.4, 0.7))
        if k == 0 or rng.random() < 0.7:
            half = deep.copy()
            half[1, 3] -= 0.02
            end = stage.carry(side, half, end, lift=0.0, seconds=stage.pause(0.25, 0.45))
    end = stage.carry(side, deep, end, lift=0.0, seconds=stage.pause(0.25, 0.45))
    stage.hands[side].free = end
    stage.mark(side, "put", item.noun, "hold", end, start=begin, into=mug.noun)
    stage.note(begin, end, "put", item.noun, side, into=mug.noun)
    _end(stage, side)


# ------------------------------------------------------------------------------------------------------------- sponges


def _on_plate(verb: str) -> Act:
    """Circles (washing) or short strokes (scratching) of a sponge in a plate."""

    def act(stage: Stage, side: int) -> None:
        rng = stage.rng
        dish = _ware(stage, side, "plate", (-0.03, 0.04), (0.35, 0.37))
        sponge = _stand(stage, side, "sponge", (0.19, 0.25), NEAR)
        sponge.partners.append(dish)
        verbs.take(stage, side, sponge, quiet=True)
        hand = stage.hands[side]
        assert hand.grip is not None
        begin = stage.start(side)
        place = dish.path(begin)[:3, 3] + dish.prop.marks["floor"] + (sponge.prop.low + 0.0003) * UP
        pose = stage.upright(side, place)
        washing = verb == "wash"
        wide = rng.uniform(0.015, 0.024) if washing else rng.uniform(0.012, 0.02)
        deep = wide * (rng.uniform(0.6, 1.0) if washing else 0.1)
        hertz = (rng.uniform(0.8, 1.2) if washing else rng.uniform(2.4, 3.4)) / stage.tempo
        phase, way = rng.uniform(0, 6.28), rng.uniform(-0.5, 0.5)

        def rubbing(time: float) -> np.ndarray:
            out, a = pose.copy(), 2 * np.pi * hertz * time + phase
            u, v = wide * math.sin(a), deep * math.cos(a)
            out[:3, 3] += np.array([u * math.cos(way) - v * math.sin(way), 0.0, u * math.sin(way) + v * math.cos(way)])
            return out

        there = stage.go(side, riding(rubbing, hand.grip.part_from_hand), begin, lift=0.01, arrive=0.04 * UP)
        stage.mark(side, "move", sponge.noun, "hold", there, start=begin)
        end = there + stage.pause(1.6, 2.8)
        hand.free = end
        stage.mark(side, verb, sponge.noun, "hold", end)
        stage.note(there, end, verb, sponge.noun, side)
        _end(stage, side)

    return act


def _flip(stage: Stage, side: int) -> None:
    """Lifted, turned over by the forearm, and back."""
    rng, aside = stage.rng, outward(side)
    sponge = _stand(stage, side, "sponge", (0.04, 0.14), NEAR)
    verbs.take(stage, side, sponge, quiet=True)
    hand = stage.hands[side]
    assert hand.grip is not None
    begin = stage.start(side)
    at = np.array([aside * rng.uniform(0.05, 0.12), stage.table - rng.uniform(0.13, 0.18), rng.uniform(0.31, 0.36)])
    end = begin
    for _ in range(int(rng.integers(1, 3))):
        pose = stage.upright(side, at)
        lead = stage.heading(side, at)
        axis = np.array([-math.sin(lead), 0.0, math.cos(lead)])  # of the forearm
        over = pose.copy()
        over[:3, :3] = rotmat_from_rotvec(axis * aside * rng.uniform(2.2, 2.6)) @ pose[:3, :3]
        end = stage.carry(side, over, end, lift=0.03, seconds=stage.pause(0.7, 1.0))
        end = stage.carry(side, pose, end + stage.pause(0.15, 0.5), lift=0.02, seconds=stage.pause(0.6, 0.9))
    hand.free = end
    stage.mark(side, "flip", sponge.noun, "hold", end, start=begin)
    stage.note(begin, end, "flip", sponge.noun, side)
    _end(stage, side)


# ------------------------------------------------------------------------------------------- what the other hand holds


def swing(stage: Stage, side: int, item: Item, way: str, joint: int, goal: float, *, verb: str, share: float,
          first: float | None = None, rest: bool = True) -> None:  # fmt: skip
    """Pinch what turns about a joint of a thing that stands or is in the other hand, and turn it to `goal`: the pinch
    stays on its place there, the hand turns only by a share of the angle. first: where it stands off at first, as the
    way to hold it says if not given."""
    hand = stage.hands[side]
    begin = stage.start(LEFT, RIGHT)
    hold = item.prop.ways[way]
    assert hold.at is not None
    at = hold.at[0]
    value = at if first is None else first
    start = item.joints.first.copy()
    start[joint] = value
    item.joints.first = start
    axis_of = item.prop.thing.joints[joint]
    grip = stage.grip(side, item, way)
    local = hold.frame[:3, 3] * np.array([1.0 if side == RIGHT else -1.0, 1.0, 1.0])
    pulp = inverse(grip.part_from_hand) @ np.append(local, 1.0)
    base = item.path
    back = inverse(rigid(*axis_of.motion(at)))

    def on(time: float) -> np.ndarray:
        angle = float(item.joints(time)[joint])
        moved = rigid(*axis_of.motion(angle)) @ back
        turn = rotmat_from_rotvec(share * (angle - at) * axis_of.axis) @ grip.part_from_hand[:3, :3]
        place = (moved @ np.append(local, 1.0))[:3] - turn @ pulp[:3]
        return base(time) @ rigid(turn, place)

    time = stage.reach(side, item, way, begin, goal=on, grip=grip) + stage.pause(0.04, 0.12)
    stage.mark(side, "grasp", item.noun, "hold", time)
    target = start.copy()
    target[joint] = goal
    span = stage.seconds(0.10 * abs(goal - value) + 0.03)
    item.joints.add(time, span, target)
    time += span + stage.pause(0.02, 0.12)
    hand.free = time
    stage.mark(side, verb, item.noun, "hold", time)
    clear = stage.let_go(side, time, rest=rest)
    stage.hands[1 - side].free = max(stage.hands[1 - side].free, clear)
    stage.note(begin, clear, verb, item.noun, side)
    stage.now = clear


def _before_me(stage: Stage, side: int) -> np.ndarray:
    """A place in the air where one hand holds something for the other."""
    rng, aside = stage.rng, outward(side)
    return np.array([aside * rng.uniform(0.03, 0.07), stage.table - rng.uniform(0.16, 0.2), rng.uniform(0.33, 0.37)])


def _in_other(stage: Stage, side: int, thing: Prop) -> Item:
    """Upright in the other hand, its face to the person."""
    edge = _before_me(stage, side)
    return stage.give(1 - side, thing, "edge", tools.paper_pose(1 - side, edge))


def _open_letter(stage: Stage, side: int) -> None:
    item = _in_other(stage, side, wares.envelope(stage.rng, side))
    swing(stage, side, item, "flap", 0, -stage.rng.uniform(2.1, 2.6), verb="open", share=0.25)


def _open_wallet(stage: Stage, side: int) -> None:
    item = _in_other(stage, side, wares.wallet(stage.rng, side))
    swing(stage, side, item, "flap", 0, stage.rng.uniform(1.7, 2.3), verb="open", share=0.35)


def _take_letter(stage: Stage, side: int) -> None:
    """Drawn out of the envelope in the other hand."""
    rng, aside = stage.rng, outward(side)
    outside, inside = wares.open_envelope(rng)
    cover = _in_other(stage, side, outside)
    shift = np.eye(4)
    shift[2, 3] = rng.uniform(0.026, 0.034)
    item = stage._new(inside)
    item.path.first = riding(cover.path, shift)
    item.partners.append(cover)
    begin = stage.start(LEFT, RIGHT)
    grip = stage.grip(side, item, "end")
    contact = stage.reach(side, item, "end", begin, goal=riding(cover.path, shift @ grip.part_from_hand), grip=grip)
    held = contact + stage.pause(0.04, 0.14)
    stage.grab(side, held)
    stage.mark(side, "grasp", item.noun, "hold", held)
    out = item.path(held).copy()
    along = out[:3, 2].copy()
    out[:3, 3] += rng.uniform(0.15, 0.165) * along
    end = stage.carry(side, out, held, lift=0.0, seconds=stage.pause(0.7, 1.1))
    stage.mark(side, "take out", item.noun, "hold", end, into="envelope")
    stage.note(begin, end, "take out", item.noun, side, into="envelope")
    up = out.copy()
    up[:3, 3] += np.array([aside * 0.03, -0.03, 0.0])
    stage.now = stage.carry(side, up, end, lift=0.0, seconds=0.4 * stage.tempo)
    stage.mark(side, "move", item.noun, "hold", stage.now)


def _tear(stage: Stage, side: int) -> None:
    """Both hands hold a sheet and pull its halves apart, one towards the person."""
    rng = stage.rng
    size = np.array([rng.uniform(0.12, 0.18), rng.uniform(0.075, 0.1)])
    of = material(rng, "paper", "printed")
    middle = np.array([0.0, stage.table - rng.uniform(0.16, 0.22), rng.uniform(0.33, 0.38)])
    items = []
    for s in (side, 1 - side):
        pose = tools.paper_pose(s, middle)
        pose[:3, 3] = middle - pose[:3, :3] @ np.array([0, 0, size[1] / 2])
        items.append(stage.give(s, wares.half_sheet(rng, size, of), "edge", pose))
    items[0].partners.append(items[1])
    begin = stage.start(LEFT, RIGHT)
    ends, first = [], stage.pause(0.4, 0.7)
    ways = (np.array([0.0, 0.03, -0.07]), np.array([0.0, -0.01, 0.03]))
    for s, item, way in zip((side, 1 - side), items, ways, strict=True):
        pose = item.path(begin).copy()
        out = outward(s)
        lean = pose.copy()  # the tear begins above: both halves turn in their plane, about the lower end of the tear
        foot = middle + pose[:3, 1] * size[0] / 2
        turn = rotmat_from_rotvec(np.array([0, 0, out * 0.16]))
        lean[:3, :3] = turn @ pose[:3, :3]
        lean[:3, 3] = foot + turn @ (pose[:3, 3] - foot) + np.array([out * 0.004, 0, 0])
        time = stage.carry(s, lean, begin, lift=0.0, seconds=first)
        apart = lean.copy()
        apart[:3, 3] += way + np.array([out * 0.085, 0, 0])
        apart[:3, :3] = rotmat_from_rotvec(np.array([0.15, 0, out * 0.3])) @ pose[:3, :3]
        ends.append(stage.carry(s, apart, time, lift=0.0, seconds=0.9 * first))
    end = max(ends) + stage.pause(0.1, 0.3)
    for s in (LEFT, RIGHT):
        stage.hands[s].free = end
        stage.mark(s, "tear", "paper", "hold", end, start=begin)
    stage.note(begin, end, "tear", "paper", 2)
    stage.now = end


def _read_letter(stage: Stage, side: int) -> None:
    item = stage.lead(wares.letter(stage.rng), {LEFT: "edge", RIGHT: "edge"}, tools.book_pose(stage, high=False))
    tools.read_book(stage, item)


def _crumple(stage: Stage, side: int) -> None:
    item = _put(stage, side, wares.crumpled(stage.rng))
    verbs.take(stage, side, item, quiet=True)
    verbs.squeeze(stage, side)


def _flip_pages(stage: Stage, side: int) -> None:
    rng = stage.rng
    item = stage._new(wares.paged_book(rng, side))
    place = np.array([-outward(side) * rng.uniform(0.02, 0.05), stage.table - item.prop.low, rng.uniform(0.34, 0.38)])
    item.path.first = fixed(rigid(yaw(rng.normal(0.0, 0.08)), place))
    swing(stage, side, item, "page", 0, rng.uniform(2.7, 2.95), verb="flip", share=0.22, first=0.3)


# -------------------------------------------------------------------------------------------------------------- devices


def _calculator(stage: Stage, side: int) -> None:
    at = np.array(
        [outward(1 - side) * stage.rng.uniform(0.08, 0.14), stage.table - 0.12, stage.rng.uniform(0.29, 0.34)]
    )
    stage.give(1 - side, wares.calculator(stage.rng), "edges", tools.phone_pose(1 - side, at))
    tools.read_phone(stage, 1 - side, tap=True)


def _candle(stage: Stage, side: int) -> None:
    """A burning match is brought to the wick of a candle."""
    rng, aside = stage.rng, outward(side)
    candle = _ware(stage, side, "candle", (-0.06, 0.02), (0.35, 0.39))
    turn = _tool_turn(side, rng.uniform(0.1, 0.3), rng.uniform(0.7, 1.0))
    at = np.array([aside * rng.uniform(0.12, 0.18), stage.table - rng.uniform(0.13, 0.17), rng.uniform(0.29, 0.32)])
    item = stage.give(side, wares.match(rng), "end", rigid(turn, at))
    item.partners.append(candle)
    begin = stage.start(side)
    wick = candle.path(begin)[:3, 3] + candle.prop.marks["wick"]
    end = _tip(stage, side, turn, wick + np.array([aside * 0.004, -0.001, -0.003]), begin, arrive=0.02 * UP)
    end += stage.pause(0.7, 1.5)
    stage.hands[side].free = end
    stage.mark(side, "light", item.noun, "hold", end, start=begin)
    stage.note(begin, end, "light", item.noun, side)
    away = _tip(stage, side, turn, wick + np.array([aside * 0.1, -0.03, -0.05]), end)
    stage.mark(side, "move", item.noun, "hold", away)
    stage.now = away


def _charge(stage: Stage, side: int) -> None:
    """The phone is in the other hand; the plug goes into its lower end."""
    rng, aside = stage.rng, outward(side)
    at = np.array([-aside * rng.uniform(0.05, 0.09), stage.table - rng.uniform(0.17, 0.2), rng.uniform(0.34, 0.38)])
    pose = tools.phone_pose(1 - side, at)
    pose[:3, :3] = rotmat_from_rotvec(np.array([0, aside * 0.35, 0])) @ pose[:3, :3]  # its lower end to the plug
    phone = stage.give(1 - side, goods.prop(rng, "phone"), "edges", pose)
    pose = phone.path(0.0)
    turn = pose[:3, :3] @ np.diag([-1.0, -1.0, 1.0])
    plug = wares.charger(rng)
    port = pose[:3, 3] + pose[:3, :3] @ np.array([0, 0, phone.prop.thing.bounds[0, 2] - 0.0005])
    far = np.array([aside * rng.uniform(0.13, 0.17), stage.table - 0.14, 0.28])
    item = stage.give(side, plug, "plug", rigid(turn, far))
    item.partners.append(phone)
    begin = stage.start(LEFT, RIGHT)
    ready = _tip(stage, side, turn, port - 0.04 * turn[:, 2], begin)
    hand = stage.hands[side]
    assert hand.grip is not None
    in_phone = np.eye(4)
    in_phone[:3, :3] = np.diag([-1.0, -1.0, 1.0])
    in_phone[:3, 3] = inverse(pose)[:3, :3] @ (port - pose[:3, 3]) - np.array([0, 0, plug.marks["tip"][2]])
    goal = riding(phone.path, in_phone @ hand.grip.part_from_hand)
    end = stage.go(side, goal, ready + stage.pause(0.0, 0.15), seconds=stage.pause(0.45, 0.8))
    end += stage.pause(0.2, 0.6)
    for s in (LEFT, RIGHT):
        stage.hands[s].free = end
    stage.mark(side, "charge", item.noun, "hold", end, start=begin)
    stage.note(begin, end, "charge", item.noun, side)
    stage.now = end


def _glasses(stage: Stage, side: int, *, folded: bool) -> Item:
    """In the other hand, by its open temple, before the person and looking away."""
    at = _before_me(stage, side)
    at[0] = 0.0
    turn = yaw(-outward(side) * 0.25) @ rotmat_from_rotvec(np.array([0.3, 0, 0]))
    item = stage.give(1 - side, wares.glasses(stage.rng), "open", rigid(turn, at))
    joints = np.zeros(2)
    joints[0 if side == RIGHT else 1] = wares.FOLDED if folded else 0.0
    item.joints.first = joints
    return item


def _unfold(stage: Stage, side: int) -> None:
    item = _glasses(stage, side, folded=True)
    swing(stage, side, item, "temple", 0 if side == RIGHT else 1, 0.0, verb="unfold", share=0.3)


def _clean(stage: Stage, side: int) -> None:
    """A cloth goes round on a lens."""
    rng, aside = stage.rng, outward(side)
    item = _glasses(stage, side, folded=True)
    pose = item.path(0.0)
    cloth = wares.cloth(rng)
    lead = np.array([-aside * rng.uniform(0.35, 0.6), rng.uniform(0.0, 0.15), 1.0])
    z = lead / np.linalg.norm(lead)
    x = np.cross(np.array([0, 1.0, 0]), z)
    x = x / np.linalg.norm(x)
    turn = np.stack([x, np.cross(z, x), z], 1)
    far = np.array([aside * rng.uniform(0.14, 0.18), stage.table - 0.14, 0.27])
    rag = stage.give(side, cloth, "tips", rigid(turn, far))
    rag.partners.append(item)
    item.joints.first = np.zeros(2)
    item.joints.first[0 if side == RIGHT else 1] = 0.0
    hand = stage.hands[side]
    assert hand.grip is not None
    lens = item.prop.marks["lens"] * np.array([aside, 1, 1])
    spot = pose[:3, 3] + pose[:3, :3] @ lens - pose[:3, 2] * 0.002
    goal = rigid(turn, spot - turn @ cloth.marks["front"])
    hertz, r, phase = rng.uniform(1.3, 2.0) / stage.tempo, rng.uniform(0.006, 0.010), rng.uniform(0, 6.28)

    def rubbing(time: float) -> np.ndarray:
        a, out = 2 * np.pi * hertz * time + phase, goal.copy()
        out[:3, 3] += r * (math.cos(a) * pose[:3, 0] + math.sin(a) * pose[:3, 1])
        return out

    begin = stage.start(LEFT, RIGHT)
    there = stage.go(side, riding(rubbing, hand.grip.part_from_hand), begin, arrive=-0.03 * z)
    stage.mark(side, "move", rag.noun, "hold", there, start=begin)
    end = there + stage.pause(1.5, 2.6)
    for s in (LEFT, RIGHT):
        stage.hands[s].free = end
    stage.mark(side, "clean", item.noun, "hold", end)
    stage.note(there, end, "clean", item.noun, side)
    stage.now = end


def _action(name: str, verb: str, noun: str, act: Act) -> Action:
    return Action(verb, noun, act, brief=True, called=name)


def _as(name: str, other: str) -> Action:
    """What the world has already."""
    return replace(ACTIONS[other], brief=True, called=name)


DAILY: Mapping[str, Action] = {
    action.name: action
    for action in (
        _action("open juice bottle", "open", "juice bottle", _open("juice bottle")),
        _action("close juice bottle", "close", "juice bottle", _close("juice bottle")),
        _action("pour juice bottle", "pour", "juice bottle", _pour("uncapped juice bottle", "glass", "mug", "bowl")),
        _action("open peanut butter", "open", "peanut butter", _open("peanut butter")),
        _action("close peanut butter", "close", "peanut butter", _close("peanut butter")),
        _action("prick", "prick", "fork", _prick),
        _action("sprinkle", "sprinkle", "spoon", _sprinkle),
        _action("scoop spoon", "scoop", "spoon", _scoop),
        _action("put sugar", "put", "spoon", _sugar),
        _action("stir", "stir", "spoon", _stir),
        _as("open milk", "open milk"),
        _as("close milk", "close milk"),
        _as("pour milk", "pour milk"),
        _action("drink mug", "drink", "mug", _held("mug", tools.drink)),
        _action("put tea bag", "put", "tea bag", _tea),
        _action("put salt", "put", "salt", _salt),
        _action("open liquid soap", "open", "liquid soap", _open("liquid soap")),
        _action("close liquid soap", "close", "liquid soap", _close("liquid soap")),
        _action("pour liquid soap", "pour", "liquid soap", _pour("uncapped liquid soap", "bowl")),
        _action("wash sponge", "wash", "sponge", _on_plate("wash")),
        _action("flip sponge", "flip", "sponge", _flip),
        _action("scratch sponge", "scratch", "sponge", _on_plate("scratch")),
        _as("squeeze sponge", "squeeze sponge"),
        _action("open soda can", "open", "soda can", _soda),
        _action("use flash", "spray", "spray bottle", _held("spray bottle", tools.spray)),
        _action("write", "write", "pen", _write),
        _action("tear paper", "tear", "paper", _tear),
        _action("squeeze paper", "squeeze", "paper", _crumple),
        _action("open letter", "open", "letter", _open_letter),
        _action("take letter from enveloppe", "take out", "letter", _take_letter),
        _action("read letter", "read", "paper", _read_letter),
        _action("flip pages", "flip", "book", _flip_pages),
        _action("use calculator", "tap", "calculator", _calculator),
        _action("light candle", "light", "match", _candle),
        _action("charge cell phone", "charge", "cell charger", _charge),
        _action("unfold glasses", "unfold", "glasses", _unfold),
        _action("clean glasses", "clean", "glasses", _clean),
        _action("open wallet", "open", "wallet", _open_wallet),
        _action("pour wine", "pour", "wine bottle", _pour("wine bottle", "wine glass", "glass")),
        _action("toast wine", "toast", "wine glass", _toast),
    )
}
"""By name, in the order of FPHA."""
