"""Crops made on the device: labels where the picture shows them, hands that can be, the same sample in every batch."""

from dataclasses import fields, is_dataclass, replace

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("numba")
pytest.importorskip("skimage")

import torch

from palmar.errors import PalmarError
from palmar.hand import HandModel, limits
from palmar.render import MeshBatch, deferred, render
from palmar.synth.anatomy import RING, joined_normals, stub_ring, tube_faces
from palmar.synth.collision import Body
from palmar.synth.device import SMALL, World, crops, crops_of, device_crops
from palmar.synth.device.crops import SCENE, body_draws, project
from palmar.synth.device.light import sample_light
from palmar.synth.device.philox import Draws
from palmar.synth.device.scene import OVERLAP, orientations, pick_hands, sample_scenes
from palmar.synth.pose import sample_orientation
from palmar.synth.sample import crop_sample

SEED = 4


@pytest.fixture(scope="module")
def world():
    return World.of("cpu", SMALL)


@pytest.fixture(scope="module")
def few(world):
    """Six full crops."""
    return device_crops(SEED, 10, 6, of=world, strength=0.7)


@pytest.fixture(scope="module")
def many(world):
    """Two hundred small crops, for counting."""
    return device_crops(SEED, 0, 200, of=world, strength=0.7, size=32)


def scenes(world, count, size=128):
    index = torch.arange(count)
    return sample_scenes(world, Draws(SEED, index, SCENE, 160), body_draws(SEED, index), size)


def test_a_sample_is_the_same_in_every_batch(world, few):
    """To the last bit, on a CPU, beside others, in another order of batches, and alone."""
    for first, count in ((12, 3), (15, 1)):
        part = device_crops(SEED, first, count, of=world, strength=0.7)
        for name, values in part.items():
            assert torch.equal(values, few[name][first - 10 : first - 10 + count]), name
    other = device_crops(SEED + 1, 12, 1, of=world, strength=0.7)
    assert not torch.equal(other["image"], few["image"][2:3])


def test_the_labels_of_one_sample_agree(many):
    """Joints come from pose and shape; flags are flags; what is outside or not there is not visible."""
    model = HandModel.default()
    assert set(many["visible"].unique().tolist()) == {0.0, 1.0}
    posed = model.shaped(many["shape"].double()).posed(many["rotations"].double()).joints()
    there = many["shape"].abs().sum(1) > 0
    off = (posed - posed[:, :1] - many["joints"])[there].abs().max()
    assert off < 2e-4
    inside = ((many["keypoints"] > -0.5) & (many["keypoints"] < 31.5)).all(-1)
    assert not many["visible"][~inside].any()
    assert not many["visible"][~there].any()
    assert not many["presence"][~there].any()
    assert 0.01 < (~there).float().mean() < 0.12
    r = many["rotations"]
    torch.testing.assert_close(r @ r.mT, torch.eye(3).expand_as(r), atol=1e-5, rtol=0)
    assert (torch.linalg.det(r) > 0.99).all()


def test_joints_that_are_drawn_are_found_where_the_labels_say(world):
    """A small ball at every joint: the middle of what it covers is the label, to a twentieth of a pixel."""
    scene = scenes(world, 2, 64)
    keypoints = project(scene.joints, scene.matrix)
    polar, turn = np.meshgrid(np.linspace(0, np.pi, 13), np.linspace(0, 2 * np.pi, 25)[:-1], indexing="ij")
    ball = np.stack([np.sin(polar) * np.cos(turn), np.sin(polar) * np.sin(turn), np.cos(polar)], -1).reshape(-1, 3)
    rows = np.arange(13 * 24).reshape(13, 24)
    a, b = rows[:-1], rows[1:]
    faces = np.concatenate(
        [np.stack([a, b, np.roll(a, -1, 1)], -1), np.stack([b, np.roll(b, -1, 1), np.roll(a, -1, 1)], -1)]
    ).reshape(-1, 3)
    matrix = scene.matrix[:, None].expand(-1, 21, 3, 3).reshape(-1, 3, 3)
    centre = scene.joints.reshape(-1, 3)
    radius = 3.0 * centre[:, 2] / matrix[:, 0, 0]
    vertices = centre[:, None] + radius[:, None, None] * torch.from_numpy(ball).float()
    mesh = MeshBatch(vertices, torch.from_numpy(faces).int(), torch.ones_like(vertices))
    light = sample_light(Draws(SEED, torch.arange(len(matrix)), 9, 160))
    alpha = render(mesh, matrix, 64, 64, light, supersample=4).alpha
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    mass = alpha.sum((1, 2))
    found = torch.stack([(alpha * x).sum((1, 2)), (alpha * y).sum((1, 2))], -1) / mass[:, None]
    truth = keypoints.reshape(-1, 2)
    whole = ((truth > 5) & (truth < 58)).all(1)
    assert whole.sum() > 20
    assert (found - truth)[whole].abs().max() < 0.05


@pytest.fixture(scope="module")
def silhouettes(world):
    """Crops whose picture is white where anything is drawn, the scenes without things and second hands."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crops, "sample_backgrounds", lambda plates, draw, size: torch.zeros(draw.count, 3, size, size))
        patch.setattr(
            crops,
            "expose",
            lambda light, *_: ((light.sum(1) > 0) * 255).to(torch.uint8)[..., None].expand(-1, -1, -1, 3),
        )
        return device_crops(SEED, 0, 40, of=world, strength=0.0, size=64)


@pytest.mark.parametrize("side", [0.0, 1.0])
def test_left_hands_are_mirrored_with_their_labels(silhouettes, side):
    """Joints lie on what is drawn, in pictures of either side; the 3D of a left hand is of the mirrored one."""
    s = silhouettes
    rows = torch.nonzero((s["side"] == side) & (s["presence"] > 0))[:, 0]
    assert len(rows) > 8
    hits = total = 0
    for i in rows.tolist():
        points = s["keypoints"][i].round().long()
        inside = ((points >= 0) & (points < 64)).all(1)
        x, y = points[inside].unbind(1)
        hits, total = hits + int((s["image"][i, y, x, 0] > 0).sum()), total + int(inside.sum())
        flat = s["keypoints"][i] - s["keypoints"][i, :1]
        flat = flat * torch.tensor([1.0 if side else -1.0, 1.0])
        bone = s["joints"][i, :, :2]
        assert (flat * bone).sum() / (flat.norm() * bone.norm()) > 0.9
    assert hits / total > 0.97


def test_hands_can_be(world):
    """Inside the limits of lax hands, no finger in another, and varied beyond the table."""
    draw = Draws(SEED, torch.arange(300), 2, 64)
    shape, angles = pick_hands(world, draw)
    assert limits.inside(angles.double().numpy(), lax=True, tolerance=1e-4).all()
    model = HandModel.default()
    worst = max(
        Body.of(model.shaped(s)).overlap(a)
        for s, a in zip(shape.double().numpy()[:80], angles.double().numpy()[:80], strict=True)
    )
    assert worst <= OVERLAP + 1e-5
    assert len(torch.unique(shape[:, 0])) > 200
    assert len(torch.unique(angles[:, 1, 0, 0])) > 1.5 * len(world.poses)


def test_orientations_are_those_of_the_host():
    rng = np.random.default_rng(0)
    mine = np.stack([sample_orientation(rng) for _ in range(3000)])
    found = orientations(Draws(1, torch.arange(6000), 0, 32)).numpy()
    np.testing.assert_allclose(np.linalg.det(found), 1.0, atol=1e-5)
    np.testing.assert_allclose(found.mean(0), mine.mean(0), atol=0.04)
    np.testing.assert_allclose(found.std(0), mine.std(0), atol=0.03)


def test_normals_are_those_of_the_renderer(world):
    from palmar.render.batch import vertex_normals_batch

    mesh = scenes(world, 3).mesh
    assert mesh.normals is not None
    mine = vertex_normals_batch(mesh.vertices, mesh.faces)
    model = HandModel.default()
    v, n = len(model.parts), 6 * RING
    seam = np.concatenate([np.flatnonzero(model.behind == 1.0), np.arange(v, v + RING)])
    shown = torch.isfinite(mesh.vertices).all(-1)
    shown[:, np.concatenate([seam, seam + v + 2 * n])] = False
    torch.testing.assert_close(mesh.normals[shown], mine[shown], atol=1e-3, rtol=0)
    for row in range(3):  # arm and hand as one surface, as on the host
        points = mesh.vertices[row].numpy().astype(float)
        stub, arm = joined_normals(model, points[:v], points[v : v + n], tube_faces(6, RING))
        ring = stub_ring(model)
        torch.testing.assert_close(mesh.normals[row, ring], torch.from_numpy(stub[ring]), atol=1e-3, rtol=0)
        torch.testing.assert_close(mesh.normals[row, v : v + n], torch.from_numpy(arm), atol=1e-3, rtol=0)
    hand = slice(0, 1690)
    outward = mesh.vertices[:, hand] - mesh.vertices[:, hand].mean(1, keepdim=True)
    assert ((outward * mesh.normals[:, hand]).sum(-1) > 0).float().mean() > 0.6


def test_things_and_people_come_as_often_as_on_the_host(world):
    mesh = scenes(world, 400, 32).mesh
    shown = torch.isfinite(mesh.vertices).all(-1).float()
    cover, other, thing = shown[:, 1810].mean(), shown[:, 1930].mean(), shown[:, -1 - 144].mean()
    assert abs(cover - 0.5) < 0.06
    assert abs(other - 0.10) < 0.04
    assert abs(thing - 0.28) < 0.06
    assert abs(shown[:, -1].mean() - 0.07) < 0.04


def test_crops_have_the_statistics_of_the_host(many):
    """Labels in shares of the crop, so that small crops do."""
    mine = [crop_sample(SEED, i, 0.7) for i in range(200)]
    here = {
        name: np.stack([np.asarray(getattr(s, name), float) for s in mine])
        for name in ("presence", "side", "visible", "keypoints", "joints", "shape", "rotations")
    }
    there = {name: many[name].double().numpy() for name in here}
    here["keypoints"], there["keypoints"] = (here["keypoints"] + 0.5) / 128, (there["keypoints"] + 0.5) / 32
    seen = {"mine": here["presence"] > 0, "found": there["presence"] > 0}
    assert abs(here["presence"].mean() - there["presence"].mean()) < 0.08
    assert abs(here["side"][seen["mine"]].mean() - there["side"][seen["found"]].mean()) < 0.15
    assert abs(here["visible"][seen["mine"]].mean() - there["visible"][seen["found"]].mean()) < 0.07
    for name in ("keypoints", "joints", "shape", "rotations"):
        a, b = here[name][seen["mine"]], there[name][seen["found"]]
        error = np.maximum(a.std(0), b.std(0)) * np.sqrt(1 / len(a) + 1 / len(b)) + 1e-3  # of the difference of means
        assert (np.abs(a.mean(0) - b.mean(0)) / error).max() < 5, name
        assert (np.abs(a.std(0) - b.std(0)) / error).max() < 6, name
    light = lambda images: np.percentile(images.mean((1, 2, 3)), (10, 50, 90))  # noqa: E731
    np.testing.assert_allclose(
        light(many["image"].double().numpy()), light(np.stack([s.image for s in mine]).astype(float)), atol=22
    )


def moved(value, device):
    """A dataclass of tensors, and of others, on another device."""
    if isinstance(value, torch.Tensor):
        return value.to(device)
    if isinstance(value, torch.device):
        return torch.device(device)
    if type(value) is dict:
        return {name: moved(v, device) for name, v in value.items()}
    if is_dataclass(value):
        return replace(value, **{f.name: moved(getattr(value, f.name), device) for f in fields(value)})
    return value


def test_the_host_asks_nothing_of_the_device(world, monkeypatch):
    """On a device whose tensors have shapes and no values: asking for one would raise, branching on one too. The
    z-buffer, a kernel where there are values, is left out."""

    here = device_crops(SEED, 0, 1, of=world)

    def blank(snapped, key, faces, cull, height, width):
        shape = (len(key), height, width)
        return torch.empty(shape, dtype=torch.int32, device=key.device), torch.empty(shape, device=key.device)

    monkeypatch.setattr(deferred, "z_buffer", blank)
    there = moved(world, "meta")
    found = crops_of(there, SEED, torch.arange(5, device="meta"), 0.7)
    assert set(found) == set(here)
    for name, values in found.items():
        assert values.device.type == "meta"
        assert values.dtype == here[name].dtype
        assert values.shape == (5, *here[name].shape[1:])


@pytest.mark.plain
def test_bad_input(world):
    with pytest.raises(PalmarError, match="count"):
        device_crops(1, 0, 0, of=world)
    with pytest.raises(PalmarError, match="first"):
        device_crops(1, -1, 3, of=world)
    with pytest.raises(PalmarError, match="strength"):
        device_crops(1, 0, 3, of=world, strength=float("nan"))
