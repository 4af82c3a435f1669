"""The scenes of a batch: a hand with its arm and clothes, things, another hand, and the crop that tracking would cut.

The distributions are those of `palmar.synth.sample.crop_sample` and `palmar.synth.scene`. Everything is a right hand's;
left hands are mirrored pictures. Camera frame: x right, y down, z forward, metres.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.render import ambient_occlusion
from palmar.render.batch import MeshBatch
from palmar.synth.device.body import (
    along,
    chain,
    rotations_from_quaternions,
    sleeve,
    upright,
)
from palmar.synth.device.philox import Draws
from palmar.synth.device.resident import resident
from palmar.synth.device.surface import paint, paint_cloth
from palmar.synth.device.world import THINGS, Topology, World
from palmar.synth.pose import PALM_SHARE, VIEWS
from palmar.synth.sample import CROP_SCALE
from palmar.synth.shade import BIAS, REACH

BLENDED = 0.4
"""Share of hands that go part of the way from their pose to another one."""
FARTHEST = 0.35
"""Largest part of that way."""
OVERLAP = 0.0005
"""Metres by which fingers of a new mixture may overlap beyond what is allowed; else the table's own pose is taken, of
the hand it was drawn for."""


def pick_hands(world: World, draw: Draws) -> tuple[Float[Tensor, "b 10"], Float[Tensor, "b 5 3 3"]]:
    """Shapes, and anatomical angles in which no finger runs into another.

    A straight line between two possible poses is possible (`palmar.hand.limits`); whether fingers meet on it, or on a
    hand of another shape, is looked at.
    """
    first, second = draw.integer(len(world.poses)), draw.integer(len(world.poses))
    share = draw.uniform(0.0, FARTHEST) * draw.chance(BLENDED)
    fresh = draw.normal(shape=(10,)).clamp(-2.5, 2.5)
    own_shape, own = world.shapes[first], world.poses[first]
    mixed = torch.lerp(own, world.poses[second], share[:, None, None, None])
    free = world.hand.overlap(fresh, torch.stack([mixed, own], 1)) <= OVERLAP
    shape = torch.where(free.any(1)[:, None], fresh, own_shape)
    return shape, torch.where(free[:, 0, None, None, None], mixed, own)


@resident
def _views(device: torch.device) -> Float[Tensor, "2 3 3"]:
    """camera_from_hand with fingers up: palm to the camera, back to the camera."""
    palm = ((0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
    back = ((0.0, 0.0, -1.0), (1.0, 0.0, 0.0), (0.0, -1.0, 0.0))
    return torch.tensor((palm, back), device=device)


def orientations(draw: Draws) -> Float[Tensor, "b 3 3"]:
    """camera_from_hand, with the distribution of `palmar.synth.pose.sample_orientation`."""
    palm, back = _views(draw.device)
    kind = draw.uniform()
    anyhow = rotations_from_quaternions(draw.normal(shape=(4,)))
    turns = [torch.deg2rad(draw.uniform(-x, x)) for x in (60.0, 70.0, 70.0)]
    facing = torch.where(draw.chance(PALM_SHARE)[:, None, None], palm, back)
    webcam = chain(upright(*turns), facing)
    roll = (draw.normal(45.0) - 20.0).clamp(-120.0, 100.0)
    turns = [torch.deg2rad(t) for t in (roll, draw.uniform(-80.0, 15.0), draw.uniform(-60.0, 60.0))]
    desk = chain(upright(*turns), back)
    first, second = VIEWS["uniform"], VIEWS["uniform"] + VIEWS["webcam"]
    kind = kind[:, None, None]
    return torch.where(kind < first, anyhow, torch.where(kind < second, webcam, desk))


@dataclass(frozen=True, eq=False)
class People:
    """Right hands in the camera frame: what is drawn of them, and the truth."""

    vertices: Float[Tensor, "b p 3"]
    """Hand, arm, cover; NaN where there is no cover."""
    albedo: Float[Tensor, "b p 3"]
    roughness: Float[Tensor, "b p"]
    specular: Float[Tensor, "b p"]
    joints: Float[Tensor, "b 21 3"]
    rotations: Float[Tensor, "b 16 3 3"]
    shape: Float[Tensor, "b 10"]


def make_people(world: World, draw: Draws) -> People:
    """Hands whose middle MCP stands at the origin, with the distribution of `palmar.synth.scene.place_hand`."""
    hand, b = world.hand, draw.count
    shape, angles = pick_hands(world, draw)
    turn = orientations(draw)
    bend = draw.normal(shape=(3,)) * _bend(draw.device)
    skins = world.skins[draw.integer(len(world.skins))]
    rest = hand.rest(shape)
    painted = paint(skins, world.masks, rest)

    posed = hand.pose(shape, angles)
    vertices = hand.skin(shape, posed, bend)
    rest_ring, ring = rest[:, hand.ring], vertices[:, hand.ring]
    axis_at_rest = _x(draw.device).expand(b, 3)
    axis = rotmat_from_rotvec(bend)[..., 0]
    radius = torch.linalg.vector_norm(rest_ring - rest_ring.mean(1, keepdim=True), dim=-1).mean(1)
    scale = radius / 0.025
    length, elbow = scale * draw.uniform(0.16, 0.30), draw.uniform(1.15, 1.7)
    tube = hand.arm(ring, axis, length, elbow)

    # Nothing (50 %), a long sleeve (38 %), or a band, watch or bracelet (12 %).
    kind = draw.pick((0.50, 0.38, 0.12))
    long, none = kind == 1, kind == 0
    start = scale * torch.where(long, draw.uniform(-0.065, 0.06), draw.uniform(-0.055, -0.01))
    extent = torch.where(long, length - start + 0.02, scale * draw.uniform(0.008, 0.03))
    loose = draw.uniform(0.003, 0.014)[:, None, None] + draw.normal(0.0012, (6, 20))
    hem = torch.nn.functional.pad(draw.uniform(0.0, 0.006)[:, None, None].expand(b, 1, 20), (0, 0, 0, 5))
    tight = draw.uniform(0.0015, 0.004)[:, None, None].expand(b, 4, 20)
    tight = torch.nn.functional.pad(tight, (0, 0, 1, 1), value=-0.001)
    gap = torch.where(long[:, None, None], (loose + hem).clamp(min=0.002), tight)
    cloths = world.cloths[draw.integer(len(world.cloths))]
    flat = sleeve(rest_ring, axis_at_rest, start, extent, elbow, length, gap)
    dyed = paint_cloth(cloths, flat) * draw.uniform(0.85, 1.0, (120, 1))
    cover = sleeve(ring, axis, start, extent, elbow, length, gap)
    cover = torch.where(none[:, None, None], torch.nan, cover)
    sheen = draw.uniform(0.0, 0.6)

    place = -along(turn, posed.joints[:, 9])
    everything = torch.cat([vertices, tube, cover], 1)
    rows = hand.ring.repeat(6)
    rotations = torch.cat([turn[:, None], posed.rotations[:, 1:]], 1)
    return People(
        vertices=along(turn[:, None], everything) + place[:, None],
        albedo=torch.cat([painted.albedo, painted.albedo[:, rows], dyed], 1),
        roughness=torch.cat(
            [painted.roughness, painted.roughness[:, rows], cloths.roughness[:, None].expand(b, 120)], 1
        ),
        specular=torch.cat([painted.specular, painted.specular[:, rows], sheen[:, None].expand(b, 120)], 1),
        joints=along(turn[:, None], posed.joints) + place[:, None],
        rotations=rotations,
        shape=shape,
    )


def moved(people: People, rows: slice, place: Float[Tensor, "b 3"]) -> People:
    """Some of the people, carried to where they stand."""
    own = People(*(getattr(people, f.name)[rows] for f in fields(people)))
    return replace(own, vertices=own.vertices + place[:, None], joints=own.joints + place[:, None])


@resident
def _bend(device: torch.device) -> Float[Tensor, " 3"]:
    """Deviations of the arm's rotation vector against the hand."""
    return torch.tensor((0.15, 0.30, 0.45), device=device)


@resident
def _x(device: torch.device) -> Float[Tensor, " 3"]:
    return torch.tensor((1.0, 0.0, 0.0), device=device)


@dataclass(frozen=True, eq=False)
class Solids:
    vertices: Float[Tensor, "b n 3"]
    albedo: Float[Tensor, "b n 3"]
    roughness: Float[Tensor, "b n"]
    specular: Float[Tensor, "b n"]


def place_thing(world: World, draw: Draws, people: People, there: Bool[Tensor, " b"]) -> Solids:
    """An object in or before the hand, with the distribution of `palmar.synth.scene.sample_thing`; NaN where there is
    none."""
    b = draw.count
    kind = draw.pick((0.2, 0.15, 0.15, 0.25, 0.25))  # box, sheet, ball, cylinder, rod
    box = draw.uniform(0.008, 0.06, (3,))
    thin = torch.full_like(kind, 0.002, dtype=torch.float32)
    sheet = torch.stack([draw.uniform(0.03, 0.1), draw.uniform(0.03, 0.08), thin], -1)
    ball = draw.uniform(0.01, 0.045)[:, None].expand(b, 3)
    radius = torch.where(kind == 3, draw.uniform(0.01, 0.04), draw.uniform(0.002, 0.007))
    rod = torch.stack([draw.uniform(0.04, 0.12), radius, radius], -1)
    which = kind[:, None]
    size = torch.where(which == 0, box, torch.where(which == 1, sheet, torch.where(which == 2, ball, rod)))
    solid = world.solids[(kind - 1).clamp(0, 2)]
    turn = rotmat_from_rotvec(draw.normal(2.0, (3,)))
    joints = people.joints
    joint = draw.integer(21)
    one = joints.gather(1, joint[:, None, None].expand(b, 1, 3))[:, 0]
    palm = joints[:, _palm(draw.device)].mean(1)
    anchor = torch.where(draw.chance(0.5)[:, None], one, palm)
    out = -people.rotations[:, 0, :, 1]
    ahead = torch.stack([torch.zeros_like(thin), torch.zeros_like(thin), -torch.ones_like(thin)], -1)
    reach = draw.uniform(0.01, 0.05)
    towards = torch.where(draw.chance(0.6)[:, None], out, ahead)
    place = anchor + towards * reach[:, None] + draw.normal(0.012, (3,))
    vertices = along(turn[:, None], solid * size[:, None]) + place[:, None]
    n = solid.shape[1]
    colour = draw.uniform(shape=(3,)) ** 2 * 0.9 + 0.01
    return Solids(
        vertices=torch.where(there[:, None, None], vertices, torch.nan),
        albedo=colour[:, None].expand(b, n, 3),
        roughness=draw.uniform(0.15, 0.9)[:, None].expand(b, n),
        specular=draw.uniform(0.0, 2.0)[:, None].expand(b, n),
    )


@resident
def _palm(device: torch.device) -> Tensor:
    return torch.tensor((5, 9, 13, 17, 0), device=device)


@dataclass(frozen=True, eq=False)
class Cut:
    """The crop as tracking cuts it, with tracking's errors."""

    turn: Float[Tensor, "b 3 3"]
    """crop's camera from camera: a roll about the optical axis."""
    matrix: Float[Tensor, "b 3 3"]
    """Pixels of the crop from its camera."""
    gone: Bool[Tensor, " b"]
    """Looked beside the hand."""


def cut(draw: Draws, joints: Float[Tensor, "b 21 3"], size: int) -> Cut:
    """Turned so that wrist -> middle MCP points up, around the hull."""
    plane = joints[..., :2] / joints[..., 2:]
    up = plane[:, 9] - plane[:, 0]
    wide = (plane.amax(1) - plane.amin(1)).amax(-1)
    error = torch.where(draw.chance(0.08), draw.uniform(-math.pi, math.pi), draw.normal(0.30))
    roll = torch.atan2(up[:, 0], -up[:, 1]) + error
    roll = torch.where(torch.linalg.vector_norm(up, dim=-1) < 0.25 * wide, draw.normal(0.6), roll)
    c, s = torch.cos(roll), torch.sin(roll)
    zero, one = torch.zeros_like(c), torch.ones_like(c)
    turn = torch.stack([c, s, zero, -s, c, zero, zero, zero, one], -1).reshape(-1, 3, 3)
    turned = along(turn[:, None, :2, :2], plane)
    low, high = turned.amin(1), turned.amax(1)
    longer = (high - low).amax(-1)
    tail = draw.chance(0.06)
    side = CROP_SCALE * longer * torch.exp(draw.normal() * torch.where(tail, 0.25, 0.13))
    shift = draw.normal(shape=(2,)) * torch.where(tail, 0.14, 0.055)[:, None]
    gone = draw.chance(0.03)
    beside = draw.sign((2,)) * draw.uniform(0.9, 1.3, (2,)) * gone[:, None]
    centre = (low + high) / 2 + (shift + beside) * longer[:, None]
    f = size / side
    place = (size - 1) / 2 - f[:, None] * centre
    matrix = torch.stack([f, zero, place[:, 0], zero, f, place[:, 1], zero, zero, one], -1).reshape(-1, 3, 3)
    return Cut(turn, matrix, gone)


@dataclass(frozen=True, eq=False)
class Scene:
    """What a batch of crops shows, in the frame of each crop's camera."""

    mesh: MeshBatch
    matrix: Float[Tensor, "b 3 3"]
    joints: Float[Tensor, "b 21 3"]
    rotations: Float[Tensor, "b 16 3 3"]
    shape: Float[Tensor, "b 10"]
    gone: Bool[Tensor, " b"]


def _occlusion(vertices: Tensor, joints: Tensor, topology: Topology) -> Tensor:
    """Of every vertex [b, v], as `palmar.synth.shade.occluded` has it."""
    low, high = joints.amin(1, keepdim=True) - REACH, joints.amax(1, keepdim=True) + REACH
    near = ((vertices > low) & (vertices < high)).all(-1, keepdim=True)
    close = torch.where(near, vertices, torch.nan)
    return ambient_occlusion(close, topology.faces, closed=topology.closed, bias=BIAS)


def sample_scenes(world: World, draw: Draws, bodies: Draws, size: int) -> Scene:
    """Scenes of a batch. bodies: the draws of 2 b hands, the first b those that the crops are of, then the others."""
    b = draw.count
    distance = draw.log_uniform(0.22, 1.6)
    zero = torch.zeros_like(distance)
    everybody = make_people(world, bodies)
    people = moved(everybody, slice(0, b), torch.stack([zero, zero, distance], -1))
    view = cut(draw, people.joints, size)

    some = draw.chance(0.28)
    there = [some, some & draw.chance(0.25)]
    things = [place_thing(world, draw, people, t) for t in there[:THINGS]]
    other_there = draw.chance(0.10)
    offset = torch.cat([draw.normal(0.09, (2,)), draw.uniform(-0.06, 0.12)[:, None]], -1)
    other = moved(everybody, slice(b, 2 * b), people.joints.mean(1) + offset)
    standing = other.vertices
    # The mirror image about its own middle, mostly: the other hand of a person.
    finite = torch.nan_to_num(standing)
    real = torch.isfinite(standing[..., 0])
    middle = (finite[..., 0] * real).sum(1) / real.sum(1)
    flipped = torch.stack([2 * middle[:, None] - standing[..., 0], standing[..., 1], standing[..., 2]], -1)
    standing = torch.where(draw.chance(0.7)[:, None, None], flipped, standing)
    standing = torch.where(other_there[:, None, None], standing, torch.nan)

    vertices = torch.cat([people.vertices, standing, *[t.vertices for t in things]], 1)
    vertices = along(view.turn[:, None], vertices)
    join = lambda name: torch.cat([getattr(p, name) for p in (people, other, *things)], 1)  # noqa: E731
    topology = world.topology
    joints = along(view.turn[:, None], people.joints)
    mesh = MeshBatch(
        vertices=vertices,
        faces=topology.faces,
        albedo=join("albedo"),
        roughness=join("roughness"),
        specular=join("specular"),
        part=topology.part,
        normals=topology.normals(vertices),
        closed=topology.closed,
        occlusion=_occlusion(vertices, joints, topology),
    )
    rotations = torch.cat([chain(view.turn, people.rotations[:, 0])[:, None], people.rotations[:, 1:]], 1)
    return Scene(mesh, view.matrix, joints, rotations, people.shape, view.gone)
