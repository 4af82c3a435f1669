"""A person's own hands: shape, skin, what they wear; and what a hand does at a moment.

`Grip` says where a hand is and how its fingers are bent; `OwnHand` makes a surface of it. Everything is computed in
`local`, the right hand's rest frame; `world_from_local` of a left hand is a reflection.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.hand import HandModel, ShapedHand
from palmar.hand.mirror import SIGN_POINT, mirror_rotmats
from palmar.synth.anatomy import bend_wrist, stub_ring, surface_masks
from palmar.synth.collision import Body
from palmar.synth.skin import Painted, Skin, paint
from palmar.synth.wear.outfit import BARE, Outfit
from palmar.synth.world import HandTruth

REFLECTION = np.diag(SIGN_POINT)


@dataclass(frozen=True, eq=False)
class Grip:
    """What one hand does at a moment."""

    angles: Float[np.ndarray, "5 3 3"]
    """Anatomical, as in `palmar.hand.limits`; fingers that run into each other have been taken apart."""
    world_from_hand: Float[np.ndarray, "3 3"]
    """The hand's own rest frame (a left hand's is that of `HandModel.default(0)`)."""
    wrist: Float[np.ndarray, " 3"]
    """World position of the wrist's joint, about which the hand turns."""
    contact: Float[np.ndarray, " v"] | None = None
    """Per vertex of the hand model, 1 where it touches; None where nobody looked."""

    def moved(self, turn: Float[np.ndarray, "3 3"], about: Float[np.ndarray, " 3"], shift: np.ndarray) -> Grip:
        """Turned about a world point, then shifted."""
        wrist = about + turn @ (self.wrist - about) + shift
        return Grip(self.angles, turn @ self.world_from_hand, wrist, self.contact)


@dataclass(frozen=True, eq=False)
class LocalHand:
    """A posed right hand in its rest frame, the wrist unturned."""

    vertices: Float[np.ndarray, "v 3"]
    joints: Float[np.ndarray, "21 3"]
    bones: Float[np.ndarray, "16 3 3"]
    """Rotations of the bones against the rest frame."""
    origins: Float[np.ndarray, "16 3"]
    rotations: Float[np.ndarray, "16 3 3"]
    """Local ones, the wrist's the identity."""
    bend: Float[np.ndarray, " 3"]

    @functools.cached_property
    def arm(self) -> Float[np.ndarray, "3 3"]:
        """Rotation of the forearm against the rest frame."""
        return rotmat_from_rotvec(self.bend)


@dataclass(frozen=True, eq=False)
class OwnHand:
    """One hand of a person, drawn once. Shape and surface are a right hand's; `side` says which it is."""

    side: int
    shaped: ShapedHand
    body: Body
    painted: Painted
    """Of the bare skin."""
    outfit: Outfit = BARE

    @staticmethod
    def of(side: int, shape: Float[np.ndarray, " 10"], skin: Skin) -> OwnHand:
        """A bare one."""
        model = HandModel.default()
        shaped = model.shaped(shape)
        rest = shaped.vertices().astype(np.float32)
        return OwnHand(side, shaped, Body.of(shaped), paint(skin, surface_masks(model), rest))

    @property
    def wrist(self) -> Float[np.ndarray, " 3"]:
        """Of the right hand's rest frame."""
        return self.shaped.rest_joints[0]

    def local(self, angles: Float[np.ndarray, "5 3 3"], bend: Float[np.ndarray, " 3"] | None = None) -> LocalHand:
        """The posed right hand, its forearm bent by the rotation vector `bend`."""
        model = self.shaped.model
        rotations = model.rotations_from_angles(angles)
        posed = self.shaped.posed(rotations)
        bend = np.zeros(3) if bend is None else bend
        vertices = bend_wrist(posed.skin(), model.behind, bend)
        return LocalHand(vertices, posed.joints(), posed.bone_rotations, posed.bone_origins, rotations, bend)

    def world_from_local(self, grip: Grip) -> Float[np.ndarray, "3 3"]:
        """A rotation for a right hand, a reflection for a left one."""
        return grip.world_from_hand if self.side == 1 else grip.world_from_hand @ REFLECTION

    def to_world(self, grip: Grip, points: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
        """Points of the right hand's rest frame in the world."""
        return (points - self.wrist) @ self.world_from_local(grip).T + grip.wrist

    def truth(self, grip: Grip, local: LocalHand, *, person: int, instance: int, holds: int = 0) -> HandTruth:
        """What the labels say of it."""
        own_wrist = self.wrist if self.side == 1 else self.wrist * np.array(SIGN_POINT)
        rotations = local.rotations.copy() if self.side == 1 else mirror_rotmats(local.rotations)
        rotations[0] = grip.world_from_hand
        return HandTruth(
            side=self.side,
            person=person,
            instance=instance,
            joints=self.to_world(grip, local.joints),
            rotations=rotations,
            shape=np.asarray(self.shaped.shape, np.float64),
            translation=grip.wrist - own_wrist,
            vertices=self.to_world(grip, local.vertices),
            contact=grip.contact,
            holds=holds,
        )


def grip_at(
    hand: OwnHand,
    angles: Float[np.ndarray, "5 3 3"],
    world_from_hand: Float[np.ndarray, "3 3"],
    *,
    knuckle: Float[np.ndarray, " 3"],
) -> Grip:
    """The grip whose middle MCP stands at `knuckle`."""
    grip = Grip(angles, world_from_hand, np.zeros(3))
    middle = hand.to_world(grip, hand.shaped.posed(hand.shaped.model.rotations_from_angles(angles)).joints()[9])
    return Grip(angles, world_from_hand, knuckle - middle)


@functools.cache
def ring_rows(model: HandModel) -> np.ndarray:
    """`stub_ring`, kept."""
    return stub_ring(model)
