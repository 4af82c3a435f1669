"""What a hand touches: signed distance from its skin to the nearest thing or other hand, on vertices and in pictures.

Distances are exact on triangles, negative inside a closed mesh; signs hold within 20 mm (`grasp.contact`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int32, UInt8

from palmar.render import Mesh
from palmar.synth.grasp.contact import mesh_distance
from palmar.synth.grasp.take import CONTACT
from palmar.synth.sense.geometry import Surface, surface
from palmar.synth.world import HandTruth, Kind, Moment, Shot


class Touch(NamedTuple):
    """Of every vertex of a hand: metres to the nearest other surface, inf where there is none; and whose that is, as an
    instance number, 0 for none."""

    distance: Float[np.ndarray, " v"]
    instance: Int32[np.ndarray, " v"]


def touch(moment: Moment, hand: HandTruth, *, among: tuple[Kind, ...] = (Kind.THING, Kind.HAND)) -> Touch:
    """How near each vertex of a hand is to things and other hands. Each individual is taken as one closed mesh."""
    distance = np.full(len(hand.vertices), np.inf)
    instance = np.zeros(len(hand.vertices), np.int32)
    vertices = hand.vertices.astype(np.float64)
    others = {p.instance for p in moment.pieces if p.kind in among and p.instance != hand.instance}
    for number in sorted(others):
        mesh = Mesh.concatenate([_bare(p.mesh) for p in moment.pieces if p.instance == number and p.kind in among])
        found = mesh_distance(mesh.vertices.astype(np.float64), mesh.faces, vertices)
        nearer = found < distance
        distance[nearer], instance[nearer] = found[nearer], number
    return Touch(distance, instance)


def _bare(mesh: Mesh) -> Mesh:
    return Mesh(mesh.vertices, mesh.faces, mesh.albedo)


def distance_map(
    shot: Shot, touches: dict[int, Touch], surface_: Surface | None = None
) -> tuple[Float32[np.ndarray, "h w"], UInt8[np.ndarray, "h w"]]:
    """Metres from the skin that each pixel shows to what it is nearest to, NaN where no hand is; and a map of contact:
    1 touching (nearer than `CONTACT`), 0 a hand that does not, 255 no hand.

    touches: of each hand, by instance number. Hands that are drawn with another mesh than the model's own are left out.
    """
    seen = surface(shot) if surface_ is None else surface_
    out = np.full(seen.face.shape, np.nan, np.float32)
    piece = np.where(seen.face >= 0, shot.piece_of_face[seen.face], -1)
    for number, part in enumerate(shot.moment.pieces):
        found = touches.get(part.instance) if part.kind == Kind.HAND else None
        if found is None or len(part.mesh.vertices) != len(found.distance):
            continue
        at = piece == number
        corners = shot.mesh.faces[seen.face[at]] - shot.first_vertex[number]
        out[at] = (seen.weights[at] * np.minimum(found.distance, 1e3)[corners]).sum(1)
    with np.errstate(invalid="ignore"):
        near = np.where(np.isnan(out), 255, out < CONTACT).astype(np.uint8)
    return np.where(out > 100, np.inf, out).astype(np.float32), near
