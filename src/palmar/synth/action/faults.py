"""What cannot be: hands in the table, in each other, in things that they do not hold, wrists bent too far."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from palmar.geometry.transforms import inverse
from palmar.hand import ShapedHand
from palmar.synth.action.arm import bend
from palmar.synth.action.grip import other_hand
from palmar.synth.action.script import Script, State

RATE = 8.0
"""Looks per second."""
CLEAR = 0.0065
"""Metres that a free hand keeps from things."""


@dataclass(frozen=True)
class Faults:
    """The worst of each, over a script."""

    table: float = 0.0
    """Metres that a hand or a thing is under the table's top."""
    hands: float = 0.0
    """Metres that the hands are in each other, seen as spheres about their joints."""
    things: float = 0.0
    """Metres that a hand is too near to, or a held thing is in, something else."""
    wrist: float = 0.0
    """Radians that a wrist would have to bend beyond its range."""

    @property
    def cost(self) -> float:
        """Millimetres and degrees, weighted; below 1 nobody sees it."""
        lengths = max(self.table - 0.001, 0.0) * 1.5 + max(self.hands, 0.0) * 0.7 + max(self.things, 0.0)
        return 1000.0 * lengths + 57.3 * max(self.wrist - 0.15, 0.0) * 0.3


def skins(shaped: ShapedHand, state: State) -> tuple[np.ndarray, np.ndarray]:
    """Vertices [2, v, 3] without the forearm, and joints [2, 21, 3] of both hands in the world."""
    rotations = shaped.model.rotations_from_angles(state.angles)
    posed = shaped.posed(rotations)
    skin, joints = posed.skin()[:, shaped.model.parts < 16], posed.joints()
    mirror = np.array([-1.0, 1.0, 1.0])
    skin[0] *= mirror
    joints[0] *= mirror
    turn, place = state.world_from_hand[:, :3, :3], state.world_from_hand[:, None, :3, 3]
    return skin @ turn.transpose(0, 2, 1) + place, joints @ turn.transpose(0, 2, 1) + place


def look(script: Script) -> Faults:
    """The worst of a script, seen `RATE` times a second."""
    shaped, table, items = script.stage.shaped, script.stage.table, script.items
    wrist = shaped.rest_joints[0]
    worst = np.zeros(4)
    some = slice(None, None, 6)
    solids = [(np.full(item.prop.freedoms, np.nan), None) for item in items]
    points = [item.prop.thing.mesh().vertices[:: max(1, len(item.prop.thing.mesh().vertices) // 80)] for item in items]
    for time in np.arange(0.0, script.seconds, 1.0 / RATE):
        state = script.at(time)
        skin, joints = skins(shaped, state)
        worst[0] = max(worst[0], float(skin[..., 1].max()) - table)
        gap = np.linalg.norm(joints[0][:, None] - joints[1][None], axis=-1).min()
        worst[1] = max(worst[1], 0.017 - float(gap))
        for side in (0, 1):
            pose = state.world_from_hand[side]
            worst[3] = max(worst[3], bend(other_hand(pose) if side == 0 else pose, wrist)[1])
        phases = [script.phase(side, time) for side in (0, 1)]
        for row, item in enumerate(items):
            held = row in state.holds
            values = np.zeros(0) if item.prop.soft is not None else state.articulation[row]
            if solids[row][1] is None or not np.array_equal(solids[row][0], values):
                solids[row] = (values, item.prop.thing.solid(values))
            solid = solids[row][1]
            assert solid is not None
            back = inverse(state.world_from_thing[row])
            for side in (0, 1):
                if state.holds[side] == row or (
                    phases[side][0] in ("reach", "release") and phases[side][1] == item.noun
                ):
                    continue
                near = skin[side][some] @ back[:3, :3].T + back[:3, 3]
                reach = np.linalg.norm(item.prop.thing.size) / 2 + 0.03
                near = near[np.linalg.norm(near, axis=1) < reach]
                if len(near):
                    room = CLEAR if phases[side][0] == "free" and phases[side][2] != "tap" else 0.0015
                    worst[2] = max(worst[2], room - float(solid.distance(near).min()))
            if held:
                world = points[row] @ state.world_from_thing[row][:3, :3].T + state.world_from_thing[row][:3, 3]
                worst[0] = max(worst[0], float(world[:, 1].max()) - table)
                for other, what in enumerate(items):
                    if other == row or other in state.holds or _belong(item, what):
                        continue
                    inv = inverse(state.world_from_thing[other])
                    at = world @ inv[:3, :3].T + inv[:3, 3]
                    at = at[np.linalg.norm(at, axis=1) < np.linalg.norm(what.prop.thing.size) / 2 + 0.01]
                    if len(at):
                        worst[2] = max(
                            worst[2], -0.001 - float(what.prop.thing.sdf(at, _rest(what, state, other)).min())
                        )
    return Faults(*worst.tolist())


def _rest(item, state: State, row: int) -> np.ndarray | None:
    return None if item.prop.soft is not None else state.articulation[row]


def _belong(a, b) -> bool:
    """Things that are in or on each other at some time."""
    return b in a.partners or a in b.partners
