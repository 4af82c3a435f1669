"""What is squeezed or sprayed onto a hand, and rubbed in by both; and lids that are pulled off and pressed on."""

from __future__ import annotations

import math

import numpy as np

from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.geometry.transforms import inverse, rigid
from palmar.synth.action.goods import SEAT
from palmar.synth.action.props import UP, yaw
from palmar.synth.action.stage import LEFT, RIGHT, Item, Stage, posed
from palmar.synth.action.tools import let_be, pulls
from palmar.synth.action.track import riding
from palmar.synth.action.verbs import outward, place, presses, steady, take


def pull_off(stage: Stage, side: int, base: Item, lid: Item) -> None:
    """One hand steadies, the other pulls the lid up, tips it and puts it down."""
    begin = stage.start(LEFT, RIGHT)
    steady(stage, 1 - side, base)
    contact = stage.reach(side, lid, "top", stage.start(side))
    held = max(contact, stage.hands[1 - side].free) + stage.pause(0.05, 0.2)
    stage.hands[side].free = held
    stage.grab(side, held)
    stage.mark(side, "grasp", lid.noun, "hold", held)
    goal = lid.path(held).copy()
    goal[:3, 3] += 0.012 * UP
    goal[:3, :3] = rotmat_from_rotvec(np.array([stage.rng.uniform(0.05, 0.25), 0, 0])) @ goal[:3, :3]
    off = stage.carry(side, goal, held, lift=0.01, seconds=0.4 * stage.tempo)
    stage.mark(side, "open", base.noun, "hold", off)
    stage.note(begin, off, "open", base.noun, 2)
    stage.now = off
    place(stage, side)
    let_be(stage, 1 - side)


def press_on(stage: Stage, side: int, base: Item, lid: Item) -> None:
    """The lid lies beside; it is put onto what the other hand steadies."""
    take(stage, side, lid)
    begin = stage.start(LEFT, RIGHT)
    steady(stage, 1 - side, base)
    time = max(stage.start(side), stage.hands[1 - side].free - 0.3)
    under = base.path(time)
    seat = under[:3, 3] + under[:3, :3] @ (base.prop.marks["mouth"] + SEAT * lid.prop.top * UP)
    end = stage.carry(side, stage.upright(side, seat), time, lift=0.04, arrive=0.07 * UP, swaying=False, careful=1.4)
    end += stage.pause(0.05, 0.2)
    stage.hands[side].free = end
    stage.mark(side, "close", base.noun, "hold", end, start=time)
    lid.on = base
    clear = stage.let_go(side, end, onto=riding(base.path, inverse(under) @ lid.path(end)))
    stage.note(begin, clear, "close", base.noun, 2)
    stage.now = clear
    let_be(stage, 1 - side)


# ---------------------------------------------------------------------------------------------------- onto the hand


def _palm(stage: Stage, side: int, at: np.ndarray, start: float, noun: str) -> float:
    """The free hand is held open at a place, its palm up; gives when it is there."""
    rng, aside = stage.rng, outward(side)
    fingers = np.array([-aside * rng.uniform(0.35, 0.75), rng.uniform(-0.1, 0.1), 1.0])
    pose = posed(side, at, fingers, np.array([-aside * rng.uniform(-0.1, 0.25), -1.0, -0.15]))
    there = stage.go(side, stage.air(side, pose), start, lift=0.05)
    stage.form(side, stage.shape(("flat", "open")[int(rng.integers(2))]), start + 0.05, 0.7 * (there - start))
    stage.mark(side, "wait for", noun, "free", there, start=start)
    return there


def onto_palm(stage: Stage, side: int) -> float:
    """What the hand holds is squeezed or sprayed onto the other palm; gives when that is over. Both hands stay."""
    hand, rng, aside = stage.hands[side], stage.rng, outward(side)
    item = hand.item
    assert item is not None
    begin = stage.start(LEFT, RIGHT)
    middle = np.array(
        [-aside * rng.uniform(0.03, 0.07), stage.table - rng.uniform(0.09, 0.13), rng.uniform(0.30, 0.35)]
    )
    # The middle of the palm is nearer to the wrist than the knuckles, which `posed` places.
    open_ = _palm(stage, 1 - side, middle, begin, item.noun)
    palm = middle + np.array([-aside * 0.02, -0.012, -0.03])
    if "nozzle" in item.prop.marks:
        turn = rotmat_from_rotvec(np.array([rng.uniform(0.25, 0.5), 0, 0]))
        turn = yaw(aside * rng.uniform(0.45, 0.75)) @ turn
        from_ = palm + turn @ np.array([0, 0, -rng.uniform(0.09, 0.13)]) + 0.05 * UP
        goal = rigid(turn, from_ - turn @ item.prop.marks["nozzle"])
    else:
        lead = stage.heading(side, palm + np.array([aside * 0.14, 0, 0])) + aside * 0.15
        axis = np.cross(UP, np.array([-aside, 0.0, rng.uniform(-0.1, 0.3)]))
        axis = axis / np.linalg.norm(axis)
        turn = rotmat_from_rotvec(axis * rng.uniform(1.7, 2.1)) @ stage.upright(side, np.zeros(3), lead)[:3, :3]
        mouth = item.prop.marks.get("mouth", np.array([0.0, -item.prop.top, 0.0]))
        goal = rigid(turn, palm + rng.uniform(0.04, 0.06) * UP - turn @ mouth)
    there = stage.carry(side, goal, begin, lift=0.03)
    stage.mark(side, "move", item.noun, "hold", there, start=begin)
    start = max(open_, there) + stage.pause(0.05, 0.2)
    end = (pulls if "nozzle" in item.prop.marks else presses)(stage, side, start, int(rng.integers(1, 4)))
    end += stage.pause(0.05, 0.25)
    hand.free = stage.hands[1 - side].free = end
    stage.now = end
    return end


def squeeze_out(stage: Stage, side: int, verb: str = "squeeze") -> None:
    """Onto the palm; then the thing goes up again, and the other hand stays open or goes."""
    hand = stage.hands[side]
    item = hand.item
    assert item is not None
    begin = stage.start(LEFT, RIGHT)
    end = onto_palm(stage, side)
    stage.mark(side, verb, item.noun, "hold", end)
    stage.mark(1 - side, "wait for", item.noun, "free", end)
    stage.note(begin, end, verb, item.noun, side)
    high = np.array([outward(side) * 0.14, stage.table - item.prop.low - 0.08, 0.34])
    back = stage.carry(side, stage.upright(side, high), end, lift=0.02)
    stage.mark(side, "move", item.noun, "hold", back)
    stage.now = back


def apply(stage: Stage, side: int) -> None:
    """Onto the palm, put down, and rubbed in with both hands."""
    item = stage.hands[side].item
    assert item is not None
    begin = stage.start(LEFT, RIGHT)
    squeeze_out(stage, side, "spray" if "nozzle" in item.prop.marks else "squeeze")
    place(stage, side, quiet=True)
    rub(stage, side, item.noun)
    stage.done.clear()
    stage.note(begin, stage.now, "apply", item.noun, 2)


def rub(stage: Stage, side: int, noun: str) -> None:
    """Palm on palm, to and fro or in circles; then palm on back."""
    rng, aside, other = stage.rng, outward(side), 1 - side
    begin = stage.start(LEFT, RIGHT)
    middle = np.array([-aside * rng.uniform(0.0, 0.04), stage.table - rng.uniform(0.14, 0.2), rng.uniform(0.29, 0.34)])
    apart = rng.uniform(0.030, 0.033)
    lead = rng.uniform(0.45, 0.7)
    under_way = np.array([aside * lead, 0.0, 1.0 - 0.3 * lead])  # the other hand's fingers point to this hand's side
    over_way = under_way * np.array([-1.0, 1.0, 1.0])
    lower = posed(other, middle, under_way, np.array([0.0, -1.0, 0.0]))
    upper = posed(side, middle + apart * UP, over_way, np.array([0.0, 1.0, 0.0]))
    hertz, phase = rng.uniform(1.2, 2.0) / stage.tempo, rng.uniform(0, 2 * np.pi)
    long, wide = rng.uniform(0.018, 0.03), rng.uniform(0.0, 0.015)
    along = over_way / np.linalg.norm(over_way)
    across = np.cross(UP, along)

    def rubbing(time: float) -> np.ndarray:
        a = 2 * np.pi * hertz * time + phase
        out = upper.copy()
        out[:3, 3] += long * math.sin(a) * along + wide * math.cos(a) * across
        return out

    counter = stage.air(other, lower)
    ends = [stage.go(side, stage.hands[side].sway.on(rubbing), begin, lift=0.02, arrive=0.05 * UP),
            stage.go(other, counter, begin, lift=0.01)]  # fmt: skip
    for hand in (side, other):
        stage.form(hand, stage.shape("flat"), begin + 0.05, 0.6 * (ends[0] - begin))
    end = max(ends) + stage.pause(1.4, 2.6)
    for hand in (side, other):
        stage.hands[hand].free = end
        stage.mark(hand, "apply", noun, "free", end, start=begin)
    away = upper.copy()
    away[:3, 3] += 0.05 * UP + 0.05 * aside * np.array([1.0, 0, 0])
    clear = stage.go(side, stage.air(side, away), end, seconds=0.35 * stage.tempo)
    stage.withdraw(side, clear)
    stage.now = max(end, stage.withdraw(other, end))
