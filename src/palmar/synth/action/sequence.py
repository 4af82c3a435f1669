"""Whole sequences: a main action of a named class, what it needs before, and what a person does besides.

script = compose(np.random.default_rng(5), "pour bottle")
script.text                  # "A person picks up the bottle with the right hand, pours from it into the bowl ..."
script.at(1.5)               # poses of both hands and of everything
script.segments              # what each hand does when
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from palmar.errors import one_of
from palmar.hand import HandModel, ShapedHand
from palmar.synth.action import care, goods, props, tools, verbs
from palmar.synth.action.faults import look
from palmar.synth.action.goods import prop
from palmar.synth.action.props import OPEN
from palmar.synth.action.script import Script
from palmar.synth.action.stage import LEFT, RIGHT, Item, Stage
from palmar.synth.action.verbs import outward
from palmar.synth.action.words import SEEN, joined
from palmar.synth.scene import sample_shape
from palmar.synth.world import Segment

TRIES = 8
"""Draws at most until one has no faults; the best of them is kept."""
GOOD = 1.4
"""Cost of faults (`Faults.cost`) below which no other draw is made."""


@dataclass(frozen=True)
class Action:
    """A class of actions: what a recogniser of actions is asked for."""

    verb: str
    noun: str
    """Empty where there is none."""
    act: Callable[[Stage, int], None]
    """Sets the stage and does it, mostly with the hand of that side."""
    brief: bool = False
    """Nothing is done before or after but what it needs, among goods that nobody touches: a clip of a data set."""
    called: str = ""
    """Its name, where that is not verb and noun."""

    @property
    def name(self) -> str:
        return self.called or f"{self.verb} {self.noun}".strip()


# ------------------------------------------------------------------------------------------------------ setting up


def _spot(stage: Stage, side: int, x: tuple[float, float], z: tuple[float, float], reach: float) -> tuple[float, float]:
    """(x, z) on the table, x counted outward from the middle, away from what stands there."""
    best, most = (0.0, 0.4), -np.inf
    for _ in range(30):
        at = (outward(side) * float(stage.rng.uniform(*x)), float(stage.rng.uniform(*z)))
        room = min(
            (math.dist(at, i.path(0.0)[[0, 2], 3]) - i.prop.reach - reach for i in stage.items if i.on is None),
            default=1.0,
        )
        if room > 0.04:
            return at
        if room > most:
            best, most = at, room
    return best


NEAR, FAR = (0.32, 0.40), (0.38, 0.47)
OWN, MIDDLE, OTHER = (0.08, 0.2), (-0.04, 0.05), (-0.2, -0.06)


def _stand(stage: Stage, side: int, noun: str, x=OWN, z=NEAR, *, way: str | None = None) -> Item:
    thing = prop(stage.rng, noun)
    return stage.add(thing, _spot(stage, side, x, z, thing.reach), side=side, way=way)


def _maybe_place(stage: Stage, side: int, chance: float = 0.75) -> None:
    if stage.rng.random() < chance:
        verbs.place(stage, side)


def _pick_up(noun: str, way: str | None = None) -> Callable[[Stage, int], None]:
    def act(stage: Stage, side: int) -> None:
        item = _stand(stage, side, noun, way=way)
        verbs.take(stage, side, item, way)
        if stage.rng.random() < 0.5:
            verbs.place(stage, side)

    return act


def _move(noun: str) -> Callable[[Stage, int], None]:
    def act(stage: Stage, side: int) -> None:
        item = _stand(stage, side, noun)
        goal = _spot(stage, side, (-0.1, 0.24), NEAR, item.prop.reach)
        verbs.move(stage, side, item, goal)

    return act


def _place(noun: str) -> Callable[[Stage, int], None]:
    """The thing is in the hand from the beginning."""

    def act(stage: Stage, side: int) -> None:
        thing = prop(stage.rng, noun)
        way = next(iter(thing.ways))
        height = stage.table - thing.low - stage.rng.uniform(0.1, 0.16)
        at = np.array([outward(side) * stage.rng.uniform(0.1, 0.2), height, stage.rng.uniform(0.3, 0.38)])
        stage.give_upright(side, thing, way, at)
        verbs.place(stage, side)

    return act


def _pour(noun: str) -> Callable[[Stage, int], None]:
    def act(stage: Stage, side: int) -> None:
        into = _stand(stage, side, ("bowl", "glass", "mug")[int(stage.rng.integers(3))] if noun == "bottle" else "bowl",
                      (-0.10, -0.02), NEAR)  # fmt: skip
        item = _stand(stage, side, noun, (0.10, 0.2))
        verbs.take(stage, side, item)
        verbs.pour(stage, side, into)
        _maybe_place(stage, side)

    return act


def _held(noun: str, *does: Callable[[Stage, int], None], way: str | None = None) -> Callable[[Stage, int], None]:
    """Take it, do these with it, mostly put it back."""

    def act(stage: Stage, side: int) -> None:
        item = _stand(stage, side, noun, way=way)
        verbs.take(stage, side, item, way)
        for do in does:
            do(stage, side)
        _maybe_place(stage, side)

    return act


def _lidded(stage: Stage, side: int, noun: str, *, on: bool = True) -> tuple[Item, Item]:
    """A jar or bottle that stands before both hands, and its lid on it or beside it."""
    base = _stand(stage, 1 - side, noun, (-0.03, 0.04), (0.34, 0.38))
    cover = (props.lid if noun == "jar" else props.cap)(stage.rng, base.prop.mouth)
    if on:
        return base, stage.attach(cover, base, base.prop.marks["mouth"] + 0.2 * cover.top * props.UP)
    lid = stage.add(cover, _spot(stage, side, (0.12, 0.2), NEAR, cover.reach), side=side)
    lid.partners.append(base)
    return base, lid


def _open_jar(stage: Stage, side: int) -> None:
    tools.open_jar(stage, side, *_lidded(stage, side, "jar"))


def _close_jar(stage: Stage, side: int) -> None:
    tools.close_jar(stage, side, *_lidded(stage, side, "jar", on=False))


def _unscrew(stage: Stage, side: int) -> None:
    bottle, cap = _lidded(stage, side, "bottle")
    verbs.steady(stage, 1 - side, bottle, "low")
    verbs.unscrew(stage, side, cap)
    verbs.place(stage, side)
    tools.let_be(stage, 1 - side)


def _screw(stage: Stage, side: int) -> None:
    bottle, cap = _lidded(stage, side, "bottle", on=False)
    verbs.take(stage, side, cap)
    verbs.steady(stage, 1 - side, bottle, "low")
    verbs.screw(stage, side, bottle)
    tools.let_be(stage, 1 - side)


def _open_box(stage: Stage, side: int) -> None:
    box = _stand(stage, side, "chest", (0.03, 0.12), (0.35, 0.38), way="lid")
    tools.swing_lid(stage, side, box, shut=False)
    if stage.rng.random() < 0.3:
        tools.swing_lid(stage, side, box, shut=True)


def _close_box(stage: Stage, side: int) -> None:
    box = _stand(stage, side, "chest", (0.03, 0.12), (0.35, 0.38), way="lid")
    box.joints.first = np.array([stage.rng.uniform(0.95, 1.3)])
    tools.swing_lid(stage, side, box, shut=True)


def _put_in(noun: str) -> Callable[[Stage, int], None]:
    def act(stage: Stage, side: int) -> None:
        tray = _stand(stage, side, "tray", (-0.14, -0.02), FAR)
        item = _stand(stage, side, noun, (0.1, 0.2))
        verbs.take(stage, side, item)
        tools.put_in(stage, side, tray)

    return act


def _take_out(noun: str) -> Callable[[Stage, int], None]:
    def act(stage: Stage, side: int) -> None:
        tray = _stand(stage, side, "tray", (-0.06, 0.06), FAR)
        item = stage.add(prop(stage.rng, noun), (0.0, 0.4), side=side)
        tools.put_into_before(stage, item, tray)
        verbs.take(stage, side, item)
        _maybe_place(stage, side, 0.85)

    return act


def _hand_over(stage: Stage, side: int) -> None:
    item = _stand(stage, side, "bottle", way="low")
    verbs.take(stage, side, item, "low")
    tools.hand_over(stage, side)
    _maybe_place(stage, 1 - side)


def _read_book(stage: Stage, side: int) -> None:
    noun = ("book", "opened book")[int(stage.rng.integers(2))]
    book = stage.lead(prop(stage.rng, noun), {LEFT: "edge", RIGHT: "edge"}, tools.book_pose(stage, high=False))
    tools.read_book(stage, book)


def _phone(stage: Stage, side: int) -> None:
    at = np.array([outward(side) * stage.rng.uniform(0.08, 0.16), stage.table - 0.12, stage.rng.uniform(0.29, 0.34)])
    stage.give(side, prop(stage.rng, "phone"), "edges", tools.phone_pose(side, at))


def _read_phone(stage: Stage, side: int) -> None:
    _phone(stage, side)
    tools.read_phone(stage, side)


def _tap_phone(stage: Stage, side: int) -> None:
    _phone(stage, 1 - side)
    tools.read_phone(stage, 1 - side, tap=True)


def _write(stage: Stage, side: int) -> None:
    paper = _stand(stage, side, "paper", (-0.03, 0.06), (0.34, 0.38))
    turn = outward(side) * stage.rng.uniform(-0.1, 0.35)
    flat = paper.path(0.0).copy()
    flat[:3, :3] = props.yaw(turn)
    paper.path.first = _fixed(flat)
    pose = tools.pen_pose(side, stage.rng)
    pose[:3, 3] = [outward(side) * 0.15, stage.table - 0.12, 0.30]
    stage.give(side, prop(stage.rng, "pen"), "write", pose)
    tools.write(stage, side, paper)


def _fixed(pose: np.ndarray):
    return lambda time: pose


def _stir(stage: Stage, side: int) -> None:
    vessel = _stand(stage, side, ("mug", "glass")[int(stage.rng.integers(2))], (0.02, 0.12), (0.34, 0.4))
    spoon = stage.add(prop(stage.rng, "spoon"), (0.0, 0.4))
    tools.lean(stage, spoon, vessel, side)
    tools.stir(stage, side, spoon, vessel)


def _cut(stage: Stage, side: int) -> None:
    aside = outward(side)
    edge = np.array([-aside * 0.04, stage.table - 0.17, 0.38])
    paper = stage.give(1 - side, prop(stage.rng, "sheet"), "edge", tools.paper_pose(1 - side, edge))
    pose = np.eye(4)
    pose[:3, :3] = tools.scissors_turn(side, stage.rng)
    pose[:3, 3] = [aside * 0.21, stage.table - 0.14, 0.31]
    item = stage.give(side, prop(stage.rng, "scissors"), "bows", pose)
    item.joints.first = np.array([-OPEN, -OPEN])
    tools.cut(stage, side, paper)


def _lifted(noun: str) -> Callable[[Stage, int], None]:
    """Taken, and nothing more."""

    def act(stage: Stage, side: int) -> None:
        verbs.take(stage, side, _stand(stage, side, noun))

    return act


def _apart(stage: Stage, side: int, noun: str, *, on: bool) -> tuple[Item, Item]:
    """A thing of `goods.BASES` before both hands, and its cap on it or beside it."""
    thing, cover = goods.capped(stage.rng, noun)
    base = stage.add(thing, _spot(stage, 1 - side, (-0.03, 0.04), (0.34, 0.38), thing.reach), side=1 - side)
    if on:
        return base, stage.attach(cover, base, base.prop.marks["mouth"] + goods.SEAT * cover.top * props.UP)
    lid = stage.add(cover, _spot(stage, side, (0.12, 0.2), NEAR, cover.reach), side=side)
    lid.partners.append(base)
    return base, lid


def _open(noun: str) -> Callable[[Stage, int], None]:
    def act(stage: Stage, side: int) -> None:
        (care.pull_off if noun == "chips" else tools.open_jar)(stage, side, *_apart(stage, side, noun, on=True))

    return act


def _close(noun: str) -> Callable[[Stage, int], None]:
    def act(stage: Stage, side: int) -> None:
        (care.press_on if noun == "chips" else tools.close_jar)(stage, side, *_apart(stage, side, noun, on=False))

    return act


def _from_crate(noun: str) -> Callable[[Stage, int], None]:
    def act(stage: Stage, side: int) -> None:
        crate = _stand(stage, side, "crate", (-0.02, 0.06), FAR)
        item = stage.add(prop(stage.rng, noun), (0.0, 0.4), side=side)
        tools.put_into_before(stage, item, crate)
        verbs.take(stage, side, item)
        _maybe_place(stage, side, 0.3)

    return act


def _into_crate(noun: str) -> Callable[[Stage, int], None]:
    def act(stage: Stage, side: int) -> None:
        crate = _stand(stage, side, "crate", (-0.16, -0.08), FAR)
        thing = prop(stage.rng, noun)
        at = np.array([outward(side) * stage.rng.uniform(0.14, 0.22), stage.table - thing.low - 0.09, 0.34])
        stage.give_upright(side, thing, next(iter(thing.ways)), at)
        tools.put_in(stage, side, crate)

    return act


def _from_hand(noun: str, *does: Callable[[Stage, int], None], chance: float = 0.4) -> Callable[[Stage, int], None]:
    """It is in the hand, or taken first; these are done with it; mostly it stays in the hand."""

    def act(stage: Stage, side: int) -> None:
        thing = prop(stage.rng, noun)
        if stage.rng.random() < 0.5:
            verbs.take(stage, side, stage.add(thing, _spot(stage, side, OWN, NEAR, thing.reach), side=side))
        else:
            height = stage.table - thing.low - stage.rng.uniform(0.08, 0.13)
            at = np.array([outward(side) * stage.rng.uniform(0.1, 0.18), height, stage.rng.uniform(0.3, 0.38)])
            stage.give_upright(side, thing, next(iter(thing.ways)), at)
        for do in does:
            do(stage, side)
        if stage.hands[side].item is not None:
            _maybe_place(stage, side, chance)

    return act


def _pour_milk(stage: Stage, side: int) -> None:
    noun = ("bowl", "glass", "mug")[int(stage.rng.integers(3))]
    into = _stand(stage, side, noun, (-0.12, -0.04), NEAR)
    _from_hand("uncapped milk", lambda stage, side: verbs.pour(stage, side, into))(stage, side)


def _point(stage: Stage, side: int) -> None:
    nouns = ("mug", "bottle", "bowl", "can", "jar", "ball", "glass")
    item = _stand(stage, side, nouns[int(stage.rng.integers(len(nouns)))], (-0.06, 0.2), FAR)
    verbs.point(stage, side, item)


GOODS = ("book", "espresso", "lotion", "spray", "milk", "cocoa", "chips", "cappuccino")
"""The objects of H2O in the order of its labels 1 to 8."""
KEPT = {"book": "closed book"}
"""What is asked of `goods.prop` for a noun, where that is another word."""

ACTIONS: Mapping[str, Action] = {
    action.name: action
    for action in (
        Action("pick up", "mug", _pick_up("mug", "rim")),
        Action("pick up", "ball", _pick_up("ball")),
        Action("place", "can", _place("can")),
        Action("place", "glass", _place("glass")),
        Action("move", "block", _move("block")),
        Action("move", "bottle", _move("bottle")),
        Action("move", "mug", _move("mug")),
        Action("pick up", "apple", _pick_up("apple")),
        Action("place", "remote control", _place("remote control")),
        Action("move", "screwdriver", _move("screwdriver")),
        Action("move", "banana", _move("banana")),
        Action("put in", "orange", _put_in("orange")),
        Action("pour", "bottle", _pour("bottle")),
        Action("pour", "mug", _pour("mug")),
        Action("pour", "can", _pour("can")),
        Action("drink", "mug", _held("mug", tools.drink)),
        Action("drink", "glass", _held("glass", tools.drink)),
        Action("shake", "bottle", _held("bottle", verbs.shake)),
        Action("shake", "can", _held("can", verbs.shake)),
        Action("read the label of", "bottle", _held("bottle", tools.read_label)),
        Action("read the label of", "can", _held("can", tools.read_label)),
        Action("unscrew", "bottle cap", _unscrew),
        Action("screw", "bottle cap", _screw),
        Action("open", "jar", _open_jar),
        Action("close", "jar", _close_jar),
        Action("open", "box", _open_box),
        Action("close", "box", _close_box),
        Action("put in", "block", _put_in("block")),
        Action("put in", "ball", _put_in("ball")),
        Action("take out", "block", _take_out("block")),
        Action("take out", "ball", _take_out("ball")),
        Action("hand over", "bottle", _hand_over),
        Action("squeeze", "sponge", _held("sponge", verbs.squeeze)),
        Action("squeeze", "ball", _held("ball", verbs.squeeze)),
        Action("wipe", "sponge", _held("sponge", verbs.wipe)),
        Action("spray", "spray bottle", _held("spray bottle", tools.spray)),
        Action("read", "book", _read_book),
        Action("read", "phone", _read_phone),
        Action("tap", "phone", _tap_phone),
        Action("write", "pen", _write),
        Action("stir", "spoon", _stir),
        Action("cut", "scissors", _cut),
        Action("point", "thing", _point),
        Action("wave", "", verbs.wave),
        Action("count", "", verbs.count),
        Action("sign", "", verbs.sign),
        *(Action("grab", noun, _lifted(KEPT.get(noun, noun)), brief=True) for noun in GOODS),
        *(Action("place", noun, _place(KEPT.get(noun, noun)), brief=True) for noun in GOODS),
        *(Action("open", noun, _open(noun), brief=True) for noun in ("lotion", "milk", "chips")),
        *(Action("close", noun, _close(noun), brief=True) for noun in ("lotion", "milk", "chips")),
        Action("pour", "milk", _pour_milk, brief=True),
        *(Action("take out", n, _from_crate(n), brief=True) for n in ("espresso", "cocoa", "chips", "cappuccino")),
        *(Action("put in", noun, _into_crate(noun), brief=True) for noun in ("espresso", "cocoa", "cappuccino")),
        Action("apply", "lotion", _from_hand("uncapped lotion", care.apply), brief=True),
        Action("apply", "spray", _from_hand("spray", care.apply), brief=True),
        Action("read", "espresso", _from_hand("espresso", tools.read_label), brief=True),
        Action("spray", "spray", _from_hand("spray", tools.spray), brief=True),
        Action("squeeze", "lotion", _from_hand("uncapped lotion", care.squeeze_out), brief=True),
    )
}
"""All classes by name."""


def action_names() -> tuple[str, ...]:
    """The classes of actions, in their order: a class of number k is the k-th."""
    return tuple(ACTIONS)


# ------------------------------------------------------------------------------------------------------- composing


def compose(
    rng: np.random.Generator,
    name: str | None = None,
    *,
    shaped: ShapedHand | None = None,
    side: int | None = None,
    alone: bool = False,
    tries: int = TRIES,
    among: Mapping[str, Action] = ACTIONS,
) -> Script:
    """A sequence of one to five actions around one of a class.

    name: of `action_names()`, any where not given. shaped: the person's right hand, drawn where not given. side: of the
    hand that does most, right in seven of eight where not given. alone: nothing before or after but what the action
    needs. among: the classes that there are, such as `palmar.synth.action.daily.DAILY`. Raises PalmarError for an
    unknown name.
    """
    names = tuple(among)
    name = names[int(rng.integers(len(names)))] if name is None else one_of("action", name, names)
    shaped = HandModel.default().shaped(sample_shape(rng)) if shaped is None else shaped
    side = (RIGHT if rng.random() < 0.875 else LEFT) if side is None else side
    table = float(rng.uniform(0.40, 0.45))
    best, least = None, np.inf
    for seed in rng.integers(2**62, size=tries).tolist():
        script = _draw(np.random.default_rng(seed), among[name], shaped, side, table, alone)
        cost = look(script).cost
        if cost < least:
            best, least = script, cost
        if cost < GOOD:
            break
    assert best is not None
    return best


def _draw(rng: np.random.Generator, action: Action, shaped: ShapedHand, side: int, table: float, alone: bool) -> Script:
    stage = Stage(rng, shaped, table)
    if not alone and not action.brief and rng.random() < 0.2 and action.noun and action.name not in HELD:
        (verbs.wave, verbs.sign)[int(rng.integers(2))](stage, side if rng.random() < 0.7 else 1 - side)
    action.act(stage, side)
    wanted = int(rng.choice(5, p=(0.25, 0.25, 0.25, 0.15, 0.10))) + 1
    if action.brief and not alone:
        _neighbours(stage)
    alone = alone or action.brief
    others = [] if alone else _bystanders(stage)
    while not alone and len(stage.done) < wanted:
        free = [s for s in (side, 1 - side) if stage.hands[s].item is None]
        if not free or not _besides(stage, free[int(rng.integers(len(free)))], others):
            break
    seconds = stage.finish()
    segments: list[Segment] = [segment for hand in stage.hands for segment in hand.segments]
    done = sorted(stage.done, key=lambda d: (d.start, d.side))
    return Script(
        stage,
        seconds,
        action.name,
        tuple(done),
        tuple(sorted(segments, key=lambda s: (s.start, s.side))),
        joined(rng, [(d.text, None if d.verb in SEEN else d.side) for d in done]),
    )


HELD = (
    "place remote control",
    "read book",
    "read phone",
    "tap phone",
    "write pen",
    "cut scissors",
    "place can",
    "place glass",
)
"""Actions that begin with something in a hand."""


def _bystanders(stage: Stage) -> list[Item]:
    """Things that have no part in the main action, at the far side of the table."""
    nouns = ("mug", "can", "bottle", "jar", "glass", "bowl", "ball", "block", *props.ADOPTED)
    out = []
    for _ in range(int(stage.rng.integers(0, 3))):
        noun = nouns[int(stage.rng.integers(len(nouns)))]
        if any(item.noun == noun for item in stage.items):
            continue
        thing = prop(stage.rng, noun)
        at = _spot(stage, RIGHT, (-0.3, 0.3), (0.43, 0.52), thing.reach)
        out.append(stage.add(thing, at, side=RIGHT if at[0] > 0 else LEFT))
    return out


def _neighbours(stage: Stage) -> None:
    """Some of the goods stand at the far side of the table."""
    nouns = ("closed book", "espresso", "lotion", "spray", "milk", "cocoa", "chips", "cappuccino")
    for row in stage.rng.permutation(len(nouns))[: int(stage.rng.integers(0, 5))]:
        if not any(item.noun in nouns[row] for item in stage.items):
            thing = prop(stage.rng, nouns[row])
            stage.stand(thing, _spot(stage, RIGHT, (-0.34, 0.34), (0.46, 0.60), thing.reach))


def _besides(stage: Stage, side: int, others: list[Item]) -> bool:
    """One thing more, with a free hand; whether there was any to do."""
    rng = stage.rng
    draw = rng.random()
    known = {done.verb for done in stage.done}
    if others and draw < 0.55:
        item = others[int(rng.integers(len(others)))]
        if item.path(1e6)[0, 3] * outward(side) < -0.08:
            side = 1 - side
        if stage.hands[side].item is not None:
            return False
        if rng.random() < 0.6 and item.noun != "bowl" and item.holder is None:
            verbs.move(stage, side, item, tuple(verbs.free_spot(stage, side, item).tolist()))
        else:
            verbs.point(stage, side, item)
    elif draw < 0.8 and "wave" not in known:
        verbs.wave(stage, side)
    elif "sign" not in known:
        verbs.sign(stage, side)
    elif "count" not in known and len({hand.item for hand in stage.hands} - {None}) == 0:
        verbs.count(stage, side)
    else:
        return False
    return True
