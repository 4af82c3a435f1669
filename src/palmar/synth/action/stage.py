"""Two hands at a table, and what they can do in small: reach, take hold, carry, put down, let go.

The stage keeps the state of the world (what stands where, who holds what) while a sequence is composed, and writes the
paths of hands and things as it goes. Verbs (`palmar.synth.action.verbs`) are programs of its steps.

The person sits with the eyes at the origin, looks along +z, and the table lies before and below (y is down).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from palmar.geometry.transforms import inverse, rigid
from palmar.hand import ShapedHand, limits
from palmar.synth import gestures
from palmar.synth.action.grip import Distance, Grip, hold, other_hand
from palmar.synth.action.props import UP, Prop, yaw
from palmar.synth.action.track import Anchor, Curve, Move, Path, Sway, fixed, riding
from palmar.synth.action.words import phrase, segment_text
from palmar.synth.collision import Body
from palmar.synth.world import Segment

LEFT, RIGHT = 0, 1
ELBOW = (0.30, 0.03)
"""Where an elbow about is: metres to the side and forward of the eyes. Hands point away from it."""
PEAK = 0.68
"""Share of a reach at which the hand is open widest (Jeannerod 1984: 60 to 70 %)."""


@dataclass(eq=False)
class Item:
    """A thing on the stage."""

    prop: Prop
    path: Path
    """world_from_thing."""
    joints: Curve
    holder: int | None = None
    on: Item | None = None
    """What it is screwed onto or lies in."""
    inside: Item | None = None
    """The container it lies in."""
    partners: list[Item] = field(default_factory=list)
    """What it touches at some time: its container, the bottle of a cap, paper under a pen."""

    @property
    def noun(self) -> str:
        return self.prop.noun


@dataclass(eq=False)
class Hand:
    """One hand's paths so far."""

    side: int
    path: Path
    shape: Curve
    sway: Sway
    free: float = 0.0
    """When it has nothing more to do."""
    item: Item | None = None
    grip: Grip | None = None
    """Of `item`, with `part_from_hand` for this side and this way round."""
    segments: list[Segment] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    """Per segment: row of the thing in the hand where its phase is "hold", else -1."""

    @property
    def anchor(self) -> Anchor:
        """Where it is going or stands."""
        return self.path.moves[-1].to if self.path.moves else self.path.first


@dataclass(frozen=True)
class Done:
    """One action that is over: what a sentence is made of."""

    start: float
    end: float
    verb: str
    noun: str
    side: int
    text: str
    """A predicate: "picks up the mug"."""


def posed(
    side: int, place: Float[np.ndarray, " 3"], fingers: Float[np.ndarray, " 3"], palm: Float[np.ndarray, " 3"]
) -> Float[np.ndarray, "4 4"]:
    """world_from_hand with the fingers and the palm looking in these directions; palm gives way. place: of the middle
    of the hand's MCPs for an average hand."""
    f = np.asarray(fingers, np.float64) / np.linalg.norm(fingers)
    n = np.asarray(palm, np.float64) - f * (f @ np.asarray(palm, np.float64))
    n = n / np.linalg.norm(n)
    first = -f if side == RIGHT else f
    out = np.eye(4)
    out[:3, :3] = np.stack([first, -n, np.cross(first, -n)], 1)
    out[:3, 3] = np.asarray(place) - out[:3, :3] @ np.array([-0.09 if side == RIGHT else 0.09, -0.01, 0.0])
    return out


class Stage:
    """The world while a sequence is composed."""

    def __init__(self, rng: np.random.Generator, shaped: ShapedHand, table: float) -> None:
        self.rng = rng
        self.shaped = shaped
        """The person's right hand; the left is its mirror image."""
        self.body = Body.of(shaped)
        self.table = table
        """y of the table's top, metres."""
        self.tempo = float(np.exp(rng.normal(0.0, 0.16)))
        """Personal: how much longer everything takes."""
        self.now = float(rng.uniform(0.15, 0.6))
        self.items: list[Item] = []
        self.done: list[Done] = []
        self.flows: list[tuple[float, float, Item, Item]] = []
        """When something runs out of one thing into another."""
        self.sprays: list[tuple[float, float, Item]] = []
        """When something is sprayed."""
        self._grips: dict[tuple[int, str, bool], Grip] = {}
        self.rests = [self._rest(side) for side in (LEFT, RIGHT)]
        self.hands = [
            Hand(side, Path(fixed(self.rests[side][0])), Curve(self.rests[side][1]), Sway.sample(rng))
            for side in (LEFT, RIGHT)
        ]

    # ----------------------------------------------------------------------------------------------------- geometry

    def lowest(self, side: int, pose: np.ndarray, angles: np.ndarray) -> float:
        """Largest y of the hand (without forearm) at a pose."""
        right = other_hand(pose) if side == LEFT else pose
        posed_hand = self.shaped.posed(self.shaped.model.rotations_from_angles(angles))
        skin = posed_hand.skin()[self.shaped.model.parts < 16]
        return float((skin @ right[1, :3]).max() + right[1, 3])

    def shape(self, name: str) -> np.ndarray:
        """A named hand shape of `gestures`, its fingers taken apart on this person's hand."""
        return limits.clip(self.body.resolve(gestures.shape(name)))

    def _rest(self, side: int) -> tuple[np.ndarray, np.ndarray]:
        """A pose on the table near its edge, and a shape for it."""
        rng = self.rng
        names = ("rest lying", "rest curled", "rest soft", "fist loose", "typing")
        angles = self.shape(names[int(rng.integers(len(names)))])
        sign = 1.0 if side == RIGHT else -1.0
        place = np.array([sign * rng.uniform(0.13, 0.22), self.table - 0.03, rng.uniform(0.185, 0.225)])
        lead = self.heading(side, place) + sign * rng.normal(0.15, 0.12)
        fingers = np.array([-math.sin(lead), rng.uniform(-0.02, 0.12), math.cos(lead)])
        palm = np.array([-sign * rng.uniform(0.0, 0.45), 1.0, 0.0])
        pose = posed(side, place, fingers, palm)
        pose[1, 3] += self.table - 0.0015 - self.lowest(side, pose, angles)
        return pose, angles

    def heading(self, side: int, place: Float[np.ndarray, " 3"]) -> float:
        """Angle from +z to the left in which a hand at a place points at ease."""
        sign = 1.0 if side == RIGHT else -1.0
        return math.atan2(sign * ELBOW[0] - place[0], max(place[2] - ELBOW[1], 0.08))

    def seconds(self, metres: float, *, careful: float = 1.0) -> float:
        """How long a move takes: a line in the logarithm of distance over precision (Fitts 1954), times the person's
        tempo, give or take a tenth."""
        base = 0.26 + 0.15 * math.log2(metres / (0.025 / careful) + 1.0)
        return base * self.tempo * float(np.exp(self.rng.normal(0.0, 0.1)))

    def pause(self, low: float = 0.08, high: float = 0.35) -> float:
        """A moment of stillness, seconds."""
        return float(self.rng.uniform(low, high)) * self.tempo

    # ------------------------------------------------------------------------------------------------------- things

    def add(self, prop: Prop, place: tuple[float, float], *, side: int = RIGHT, way: str | None = None) -> Item:
        """A thing on the table at (x, z), turned so that the hand of that side can take it (by `way`, the first where
        not given)."""
        height = self.table - prop.low
        at = np.array([place[0], height, place[1]])
        name = way or next(iter(prop.ways), None)
        turn = float(self.rng.uniform(-np.pi, np.pi))
        item = self._new(prop)
        if name is not None and not prop.ways[name].round:
            given = prop.ways[name].lead
            own = self.lead_of(side, self.grip(side, item, name).part_from_hand)
            turn = self.heading(side, at) - (own if given is None else given if side == RIGHT else -given)
            turn += float(self.rng.normal(0.0, 0.12))
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = yaw(turn), at
        item.path.first = fixed(pose)
        return item

    def stand(self, prop: Prop, place: tuple[float, float]) -> Item:
        """A thing that nobody is going to touch, on the table at (x, z), turned any way."""
        item = self._new(prop)
        item.path.first = fixed(
            rigid(yaw(float(self.rng.uniform(-np.pi, np.pi))), np.array([place[0], self.table - prop.low, place[1]]))
        )
        return item

    def attach(self, prop: Prop, on: Item, place: Float[np.ndarray, " 3"]) -> Item:
        """A thing on another, its origin at a place of that: a cap on its bottle."""
        local = np.eye(4)
        local[:3, 3] = place
        item = Item(prop, Path(riding(on.path, local)), Curve(np.zeros(prop.freedoms)), on=on)
        item.partners.append(on)
        self.items.append(item)
        return item

    def give(self, side: int, prop: Prop, way: str, world_from_thing: np.ndarray) -> Item:
        """A thing that is in a hand from the beginning, raised where the hand would be in the table."""
        item, hand = self._new(prop), self.hands[side]
        grip = self.grip(side, item, way)
        pose = world_from_thing @ grip.part_from_hand
        pose[1, 3] -= max(0.0, self.lowest(side, pose, grip.angles) - self.table + 0.02)
        hand.path.first = self.air(side, pose)
        item.path.first = riding(hand.path, inverse(grip.part_from_hand))
        item.holder = side
        self._hold(hand, item, grip)
        return item

    def give_upright(self, side: int, prop: Prop, way: str, place: Float[np.ndarray, " 3"]) -> Item:
        """The same, upright and turned so that the hand is at ease."""
        item = self._new(prop)
        grip = self.grip(side, item, way)
        self.items.pop()
        turn = np.eye(4)
        turn[:3, :3] = yaw(self.heading(side, place) - self.lead_of(side, grip.part_from_hand))
        turn[:3, 3] = place
        self._grips.clear()
        return self.give(side, prop, way, turn)

    def lead(self, prop: Prop, ways: Mapping[int, str], world_from_thing: np.ndarray) -> Item:
        """A thing that both hands hold from the beginning; its own path leads, the hands ride on it."""
        item = self._new(prop)
        item.path.first = self.hands[RIGHT].sway.on(fixed(world_from_thing))
        for side, way in ways.items():
            grip = self.grip(side, item, way)
            self.hands[side].path.first = riding(item.path, grip.part_from_hand)
            self._hold(self.hands[side], item, grip)
        return item

    def _new(self, prop: Prop) -> Item:
        item = Item(prop, Path(fixed(np.eye(4))), Curve(np.zeros(prop.freedoms)))
        self.items.append(item)
        return item

    def _hold(self, hand: Hand, item: Item, grip: Grip) -> None:
        hand.item, hand.grip, hand.shape.first = item, grip, grip.angles

    def grip(self, side: int, item: Item, name: str) -> Grip:
        """How the person's hand of a side holds a thing: `part_from_hand` is that side's."""
        way = item.prop.ways[name]
        lone = side == LEFT and item.prop.mirror == "none"
        key = (self.items.index(item), name, lone)
        if key not in self._grips:
            distance, frame = item.prop.thing.solid(way.at).distance, way.frame.copy()
            if lone:  # a right hand on the thing's mirror image
                frame[0, 3] *= -1.0
                distance = _mirrored(distance)
            floor = None if way.aloft else item.prop.low
            self._grips[key] = hold(self.shaped, way.style, distance, frame, way.half, floor=floor)
        grip = self._grips[key]
        if side == RIGHT:
            return grip
        pose = other_hand(grip.part_from_hand)
        if item.prop.mirror == "turn":
            half_turn = np.eye(4)
            half_turn[:3, :3] = yaw(np.pi)
            pose = half_turn @ pose
        return Grip(grip.style, pose, grip.angles, grip.preshape, grip.tight, grip.touching)

    def fitted(self, side: int, item: Item, name: str, lead: float, time: float) -> Grip:
        """The grip turned about the thing's vertical so that the hand heads `lead` at a time, where that is free."""
        grip = self.grip(side, item, name)
        if not item.prop.ways[name].round:
            return grip
        here = item.path(time)
        now = self.lead_of(side, here[:3, :3] @ grip.part_from_hand[:3, :3])
        turn = np.eye(4)
        turn[:3, :3] = yaw(lead - now)
        return Grip(grip.style, turn @ grip.part_from_hand, grip.angles, grip.preshape, grip.tight, grip.touching)

    def lead_of(self, side: int, rotation: np.ndarray) -> float:
        f = rotation[:3, 0] * (-1.0 if side == RIGHT else 1.0)
        return math.atan2(-f[0], f[2])

    def upright(self, side: int, place: Float[np.ndarray, " 3"], lead: float | None = None) -> np.ndarray:
        """world_from_thing of what the hand holds, upright at a place, turned so that the hand is at ease there."""
        hand = self.hands[side]
        assert hand.grip is not None
        want = self.heading(side, place) if lead is None else lead
        pose = np.eye(4)
        pose[:3, :3] = yaw(want - self.lead_of(side, hand.grip.part_from_hand[:3, :3]))
        pose[:3, 3] = place
        return pose

    # -------------------------------------------------------------------------------------------------------- moves

    def mark(
        self, side: int, verb: str, noun: str, phase: str, end: float, *, start: float | None = None, **slots: str
    ) -> None:
        """The hand does this up to `end`. What lies between its last segment and `start` becomes stillness."""
        hand = self.hands[side]
        last = hand.segments[-1].end if hand.segments else 0.0
        start = last if start is None else start
        self._still(side, start)
        last = max(last, start)
        if end > last + 1e-9:
            text = segment_text(self.rng, verb, side, noun=noun, **slots)
            hand.segments.append(Segment(last, end, verb, noun, side, text, phase))
            hand.rows.append(self.items.index(hand.item) if phase == "hold" and hand.item is not None else -1)

    def _still(self, side: int, end: float) -> None:
        """What has no name up to `end` is rest, or holding."""
        hand = self.hands[side]
        start = hand.segments[-1].end if hand.segments else 0.0
        if end < start + 1e-9:
            return
        held = hand.item is not None
        verb, noun = ("hold", hand.item.noun) if hand.item is not None else ("rest", "")
        phase = "hold" if held else "free"
        text = segment_text(self.rng, verb, side, noun=noun)
        hand.segments.append(Segment(start, end, verb, noun, side, text, phase))
        hand.rows.append(self.items.index(hand.item) if hand.item is not None else -1)

    def note(self, start: float, end: float, verb: str, noun: str, side: int, **slots: str) -> None:
        """An action is over."""
        manner = "slow" if self.tempo > 1.18 else "fast" if self.tempo < 0.86 else ""
        manner = manner if self.rng.random() < 0.4 else ""
        said = phrase(self.rng, verb, manner=manner, noun=noun, **slots)
        self.done.append(Done(start, end, verb, noun, side, said))

    def go(
        self, side: int, to: Anchor, start: float, *, lift: float = 0.0, arrive: np.ndarray | None = None,
        depart: np.ndarray | None = None, seconds: float | None = None, careful: float = 1.0,
    ) -> float:  # fmt: skip
        """Move to an anchor; gives the time of arrival. lift: metres by which it first rises."""
        hand = self.hands[side]
        source, goal = hand.path(start), to(start)
        away = float(np.linalg.norm(goal[:3, 3] - source[:3, 3]))
        turn = math.acos(min(max((np.trace(source[:3, :3].T @ goal[:3, :3]) - 1) / 2, -1.0), 1.0))
        if seconds is None:
            seconds = self.seconds(away + 0.08 * turn + 0.5 * lift, careful=careful)
        leave = lift * UP + (np.zeros(3) if depart is None else depart)
        come = np.zeros(3) if arrive is None else np.asarray(arrive)
        hand.path.add(Move(start, seconds, to, leave, come))
        hand.free = start + seconds
        return hand.free

    def form(self, side: int, angles: np.ndarray, start: float, seconds: float) -> None:
        """Change the shape of the hand."""
        shape = self.hands[side].shape
        start = max(start, shape.end)
        shape.add(start, seconds, limits.clip(angles))
        self.hands[side].free = max(self.hands[side].free, start + seconds)

    def air(self, side: int, pose: np.ndarray) -> Anchor:
        """A pose in the air, held by a living hand."""
        return self.hands[side].sway.on(fixed(pose))

    def start(self, *sides: int) -> float:
        """When the next action of these hands begins."""
        return max(self.now, *(self.hands[side].free for side in sides)) + self.pause(0.0, 0.2)

    # -------------------------------------------------------------------------------------------- taking and leaving

    def reach(
        self, side: int, item: Item, name: str, start: float, *, goal: Anchor | None = None, grip: Grip | None = None
    ) -> float:
        """Go to a thing and close the fingers round it; gives the time of contact. goal: where the hand goes, where
        that is not simply on the thing."""
        hand = self.hands[side]
        self._still(side, start)
        place = item.path(start)
        if grip is None:
            lead = self.heading(side, place[:3, 3]) + float(self.rng.normal(0.0, 0.1))
            grip = self.fitted(side, item, name, lead, start)
        if goal is None:
            goal = riding(self.resting(item), grip.part_from_hand)
        pose = goal(start)
        fingers = pose[:3, 0] * (-1.0 if side == RIGHT else 1.0)
        palm = -pose[:3, 1]
        arrive = -0.045 * palm - 0.05 * fingers + 0.015 * UP if grip.style == "wrap" else 0.075 * UP - 0.02 * fingers
        source = hand.path(start)[:3, 3]
        lift = 0.06 if source[1] > self.table - 0.10 else 0.0
        end = self.go(side, goal, start, lift=lift, arrive=arrive, careful=1.3)
        span = end - start
        self.form(side, grip.preshape, start + 0.03 * span, (PEAK - 0.03) * span)
        self.form(side, grip.angles, start + (PEAK + 0.06) * span, (0.94 - PEAK) * span + 0.13 * self.tempo)
        hand.item, hand.grip = item, grip
        contact = max(end, hand.shape.end)
        hand.free = contact
        self.mark(side, "reach", item.noun, "reach", contact, start=start)
        return contact

    def resting(self, item: Item) -> Anchor:
        """Where the thing is going to be as long as its holder stays where it is now: a path that is not followed any
        further."""
        if item.holder is not None:
            holder = self.hands[item.holder]
            assert holder.grip is not None
            return riding(holder.anchor, inverse(holder.grip.part_from_hand))
        return item.path.moves[-1].to if item.path.moves else item.path.first

    def grab(self, side: int, time: float) -> None:
        """From now on the thing goes with the hand."""
        hand = self.hands[side]
        assert hand.item is not None
        assert hand.grip is not None
        hand.item.path.switch(time, riding(hand.path, inverse(hand.grip.part_from_hand)))
        hand.item.holder, hand.item.on = side, None

    def carry(
        self, side: int, world_from_thing: np.ndarray, start: float, *, lift: float = 0.05,
        arrive: np.ndarray | None = None, swaying: bool = True, seconds: float | None = None, careful: float = 1.0,
    ) -> float:  # fmt: skip
        """Bring what the hand holds to a pose."""
        hand = self.hands[side]
        assert hand.grip is not None
        pose = world_from_thing @ hand.grip.part_from_hand
        to = self.air(side, pose) if swaying else fixed(pose)
        return self.go(side, to, start, lift=lift, arrive=arrive, seconds=seconds, careful=careful)

    def let_go(self, side: int, time: float, *, onto: Anchor | None = None, rest: bool = True) -> float:
        """Open the hand, leave the thing where it is (or riding on `onto`), and go back; gives the time at which the
        hand is clear of it."""
        hand = self.hands[side]
        assert hand.item is not None
        assert hand.grip is not None
        self._still(side, time)
        item, grip = hand.item, hand.grip
        if item.holder == side:
            item.path.switch(time, fixed(item.path(time)) if onto is None else onto)
            item.holder = None
        open_for = 0.24 * self.tempo
        self.form(side, grip.preshape, time, open_for)
        pose = hand.path(time)
        fingers = pose[:3, 0] * (-1.0 if side == RIGHT else 1.0)
        out = 0.06 * pose[:3, 1] - 0.06 * fingers if grip.style == "wrap" else 0.09 * UP - 0.03 * fingers
        hand.item = hand.grip = None
        begin = time + 0.7 * open_for
        if not rest:
            goal = pose.copy()
            goal[:3, 3] += 1.4 * out
            end = self.go(side, self.air(side, goal), begin)
        else:
            end = self.go(side, fixed(self.rests[side][0]), begin, depart=out, lift=0.02, arrive=0.03 * UP)
            self.form(side, self.rests[side][1], begin + 0.4 * (end - begin), 0.6 * (end - begin))
        clear = begin + (0.62 if rest else 1.0) * (end - begin)
        self.mark(side, "release", item.noun, "release", clear, start=time)
        if rest:
            self.mark(side, "rest", "", "free", end)
        return clear

    def withdraw(self, side: int, start: float, *, leaving: str = "") -> float:
        """Back to rest from the air. leaving: the noun that the hand was at without holding it."""
        end = self.go(side, fixed(self.rests[side][0]), start, arrive=0.03 * UP)
        self.form(side, self.rests[side][1], start + 0.2 * (end - start), 0.8 * (end - start))
        if leaving:
            self.mark(side, "release", leaving, "release", start + 0.5 * (end - start), start=start)
            start += 0.5 * (end - start)
        self.mark(side, "rest", "", "free", end, start=start)
        return end

    def finish(self) -> float:
        """Close all timelines; gives the end."""
        end = max(self.now, *(hand.free for hand in self.hands)) + self.pause(0.15, 0.5)
        for side in (LEFT, RIGHT):
            self._still(side, end)
        return end


def _mirrored(distance: Distance) -> Distance:
    """To the mirror image in x."""
    return lambda points: distance(points * np.array([-1.0, 1.0, 1.0]))
