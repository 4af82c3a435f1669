"""Labelled motion without pictures: where both hands and the object are while something is done, as the wearer's
camera would see it. A thousandth of what pictures cost, for recognisers of actions that see joints only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int32

from palmar.geometry.camera import Camera
from palmar.synth.action import Script
from palmar.synth.scenes.acting import PLAYS
from palmar.types.firstperson import box_points
from palmar.types.hands import LEFT


@dataclass(frozen=True, eq=False)
class Sequence:
    """T frames of one acted clip, in the wearer's camera as it is at each of them."""

    camera: Camera
    times: Float32[np.ndarray, " t"]
    joints: Float32[np.ndarray, "t 2 21 3"]
    """Metres, left hand first; the left hand's are its own."""
    objects: Int32[np.ndarray, " t"]
    """Row of `things`: of the thing in hand; where there is none, of the one that the action is about; -1 for none."""
    points: Float32[np.ndarray, "t 21 3"]
    """Of that thing's box, metres; NaN for none."""
    things: tuple[str, ...]
    action: str
    script: Script


def sequence(scene: str, seed: int, index: int, fps: float, seconds: float | None = None) -> Sequence:
    """The clip of a scene of `palmar.synth.scenes.acting.PLAYS`: the same that its pictures would show."""
    play = PLAYS[scene](seed, index)
    script, view = play.script, play.scene.views[0]
    length = script.seconds if seconds is None else min(seconds, script.seconds)
    times = np.arange(max(1, int(np.ceil(length * fps - 1e-6)))) / fps
    states = [script.at(time) for time in times]
    held = [state.holds for state in states]
    rows = which(held)
    boxes = [box_points(*item.prop.thing.bounds) for item in script.items]
    shaped = script.stage.shaped
    joints, points = np.empty((len(times), 2, 21, 3)), np.full((len(times), 21, 3), np.nan)
    for t, state in enumerate(states):
        pose = view.world_from_camera(times[t])
        turn, place = pose[:3, :3].T, pose[:3, 3]
        local = shaped.posed(shaped.model.rotations_from_angles(state.angles)).joints()
        local[LEFT] *= np.array([-1.0, 1.0, 1.0])
        world = (
            np.einsum("sij,skj->ski", state.world_from_hand[:, :3, :3], local) + state.world_from_hand[:, None, :3, 3]
        )
        joints[t] = (world - place) @ turn.T
        if rows[t] >= 0:
            thing = state.world_from_thing[rows[t]]
            points[t] = (boxes[rows[t]] @ thing[:3, :3].T + thing[:3, 3] - place) @ turn.T
    return Sequence(
        view.camera,
        times.astype(np.float32),
        joints.astype(np.float32),
        rows,
        points.astype(np.float32),
        tuple(item.noun for item in script.items),
        script.name,
        script,
    )


def which(held: list[tuple[int, int]]) -> Int32[np.ndarray, " t"]:
    """The object of every frame from what the left and right hand hold (-1 for nothing): the one held longest over the
    clip where a hand has it, else what the right or the left hand has, else that one again; -1 where none is ever
    held."""
    rows = np.array(held, np.int32).reshape(-1, 2)
    counts = np.bincount(rows[rows >= 0]) if (rows >= 0).any() else np.zeros(0, int)
    if not len(counts):
        return np.full(len(rows), -1, np.int32)
    main = int(counts.argmax())
    has = np.where(rows[:, 1] >= 0, rows[:, 1], rows[:, 0])
    return np.where((rows == main).any(1) | (has < 0), main, has).astype(np.int32)
