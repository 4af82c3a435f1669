"""USD: opened again with pxr, skinned by UsdSkel, seen through its own camera."""

from __future__ import annotations

import numpy as np
import pytest

from palmar.errors import PalmarError
from palmar.export import Options
from palmar.export.usd import write
from palmar.geometry.camera import Camera

pxr = pytest.importorskip("pxr", reason="the extra usd is not installed")
from pxr import Usd, UsdGeom, UsdShade, UsdSkel  # noqa: E402

FPS = 25.0


@pytest.fixture(scope="module")
def path(clip, tmp_path_factory):
    path = tmp_path_factory.mktemp("usd") / "hands.usda"
    write(clip, path, Options())
    return path


@pytest.fixture(scope="module")
def stage(path):
    return Usd.Stage.Open(str(path))


def skinned(stage, side, code):
    """Points [V, 3] of the hand's mesh in the stage's space, by UsdSkel itself."""
    (root,) = [p for p in stage.Traverse() if p.IsA(UsdSkel.Root) and side in p.GetName()]
    cache = UsdSkel.Cache()
    cache.Populate(UsdSkel.Root(root), Usd.PrimDefaultPredicate)
    (binding,) = cache.ComputeSkelBindings(UsdSkel.Root(root), Usd.PrimDefaultPredicate)
    (query,) = binding.GetSkinningTargets()
    skeleton = cache.GetSkelQuery(binding.GetSkeleton())
    matrices = skeleton.ComputeSkinningTransforms(Usd.TimeCode(code))
    points = UsdGeom.Mesh(query.GetPrim()).GetPointsAttr().Get()
    assert query.ComputeSkinnedPoints(matrices, points, Usd.TimeCode(code))
    return np.array(points)


def visible(stage, side, code):
    (root,) = [p for p in stage.Traverse() if p.IsA(UsdSkel.Root) and side in p.GetName()]
    return UsdGeom.Imageable(root).ComputeVisibility(Usd.TimeCode(code)) != UsdGeom.Tokens.invisible


def test_skinned_by_usd_the_hands_are_where_the_model_puts_them(stage, clip, truth):
    for row in range(len(clip.hands)):
        side = ("left", "right")[clip.hands.side[row]]
        found = skinned(stage, side, float(clip.hands.frame[row]))
        np.testing.assert_allclose(found, truth.vertices[row] * [1, -1, -1], atol=1e-5)


def test_the_stage_says_its_units_axes_and_rate(stage):
    assert UsdGeom.GetStageMetersPerUnit(stage) == 1.0
    assert UsdGeom.GetStageUpAxis(stage) == "Y"
    assert stage.GetTimeCodesPerSecond() == FPS
    assert (stage.GetStartTimeCode(), stage.GetEndTimeCode()) == (0.0, 9.0)
    assert stage.GetDefaultPrim().GetPath() == "/Hands"


def test_a_hand_is_visible_in_the_frames_in_which_it_was_seen(stage, clip):
    seen = set(clip.hands.frame[clip.hands.side == 0].tolist())
    for frame in range(10):
        for late in (0.0, 0.9):
            assert visible(stage, "left", frame + late) == (frame in seen)
            assert visible(stage, "right", frame + late)


def test_a_hand_that_is_about_to_vanish_moves_no_further(stage):
    np.testing.assert_allclose(skinned(stage, "left", 4.0), skinned(stage, "left", 4.9), atol=1e-6)


def test_skeletons_and_bindings_are_whole(stage):
    skeletons = [UsdSkel.Skeleton(p) for p in stage.Traverse() if p.IsA(UsdSkel.Skeleton)]
    assert len(skeletons) == 2
    for skeleton in skeletons:
        joints = list(skeleton.GetJointsAttr().Get())
        assert len(joints) == 21
        assert UsdSkel.Topology(joints).Validate()[0]
        assert joints[0] == "wrist"
        assert "wrist/thumb_metacarpal/thumb_phalanx_proximal/thumb_phalanx_distal/thumb_tip" in joints
        assert len(skeleton.GetBindTransformsAttr().Get()) == 21
        rest = [np.array(m) for m in skeleton.GetRestTransformsAttr().Get()]
        bind = [np.array(m) for m in skeleton.GetBindTransformsAttr().Get()]
        for i, name in enumerate(joints):
            above = joints.index(name.rpartition("/")[0]) if "/" in name else None
            world = rest[i] if above is None else rest[i] @ bind[above]  # rows: the nearer one first
            np.testing.assert_allclose(world, bind[i], atol=1e-7)
    for prim in stage.Traverse():
        if prim.IsA(UsdGeom.Mesh):
            binding = UsdSkel.BindingAPI(prim)
            weights = np.array(binding.GetJointWeightsAttr().Get()).reshape(-1, 4)
            np.testing.assert_allclose(weights.astype(np.float64).sum(1), 1, atol=1e-6)
            mesh = UsdGeom.Mesh(prim)
            assert UsdGeom.Mesh.ValidateTopology(
                mesh.GetFaceVertexIndicesAttr().Get(), mesh.GetFaceVertexCountsAttr().Get(), len(weights)
            )[0]
            assert mesh.GetNormalsInterpolation() == "vertex"


def complaints(stage):
    """Of all of USD's own validators: shading, skinning, geometry, metadata."""
    validation = pytest.importorskip("pxr.UsdValidation", reason="this USD has no validators")
    every = validation.ValidationRegistry().GetOrLoadAllValidators()
    return [error.GetMessage() for error in validation.ValidationContext(every).Validate(stage)]


def test_usds_own_validators_find_nothing(stage):
    assert complaints(stage) == []
    broken = Usd.Stage.CreateInMemory()
    broken.GetRootLayer().TransferContent(stage.GetRootLayer())
    broken.GetPrimAtPath("/Hands/right_0").SetTypeName("Xform")  # a skeleton must stand below a SkelRoot
    broken.ClearMetadata("metersPerUnit")
    assert len(complaints(broken)) >= 2


def test_what_renders_finds_skin_on_every_hand(stage):
    meshes = [p for p in stage.Traverse() if p.IsA(UsdGeom.Mesh)]
    assert len(meshes) == 2
    for mesh in meshes:
        material, _ = UsdShade.MaterialBindingAPI(mesh).ComputeBoundMaterial()
        surface, _, _ = material.ComputeSurfaceSource()
        assert surface.GetIdAttr().Get() == "UsdPreviewSurface"
        red, green, blue = surface.GetInput("diffuseColor").Get()
        assert 1 > red > green > blue > 0


def test_its_camera_sees_the_hands_where_the_picture_has_them(stage, clip, truth):
    """With the principal point: USD can say it."""
    frustum = UsdGeom.Camera(stage.GetPrimAtPath("/Hands/Camera")).GetCamera().frustum
    see = np.array(frustum.ComputeViewMatrix() * frustum.ComputeProjectionMatrix())
    points = truth.vertices[0][::50] * [1, -1, -1]
    clipped = np.concatenate([points, np.ones((len(points), 1))], 1) @ see
    ndc = clipped[:, :2] / clipped[:, 3:]
    camera: Camera = clip.camera
    found = np.stack([(ndc[:, 0] + 1) / 2 * camera.width - 0.5, (1 - ndc[:, 1]) / 2 * camera.height - 0.5], 1)
    np.testing.assert_allclose(found, camera.project(truth.vertices[0][::50]), atol=1e-3)


def test_the_hand_stays_within_its_extent(stage):
    for side, frames in (("right", range(10)), ("left", (2, 3, 4, 7, 8))):
        (root,) = [p for p in stage.Traverse() if p.IsA(UsdSkel.Root) and side in p.GetName()]
        low, high = (np.array(v) for v in UsdGeom.Boundable(root).GetExtentAttr().Get())
        for frame in frames:
            points = skinned(stage, side, frame)
            at_hand = points[np.linalg.norm(points - points.mean(0), axis=1) < 0.09]
            assert (at_hand > low - 0.02).all()
            assert (at_hand < high + 0.02).all()


@pytest.mark.parametrize("ending", [".usdc", ".usd"])
def test_binary_files_say_the_same(clip, stage, tmp_path, ending):
    write(clip, tmp_path / f"hands{ending}", Options())
    raw = (tmp_path / f"hands{ending}").read_bytes()
    assert raw.startswith(b"PXR-USDC")
    other = Usd.Stage.Open(str(tmp_path / f"hands{ending}"))
    np.testing.assert_array_equal(skinned(other, "right", 3.0), skinned(stage, "right", 3.0))
    assert [p.name for p in tmp_path.iterdir()] == [f"hands{ending}"]


def test_uneven_times_lie_between_the_codes(clip, truth, tmp_path):
    times = [0.0, 0.05, 0.07, 0.13, 0.16, 0.2, 0.21, 0.31, 0.32, 0.36]
    write(clip.replace(info={**clip.info, "times": times}), tmp_path / "a.usda", Options())
    stage = Usd.Stage.Open(str(tmp_path / "a.usda"))
    row = int(np.flatnonzero((clip.hands.frame == 3) & (clip.hands.side == 1))[0])
    code = times[3] * stage.GetTimeCodesPerSecond()
    np.testing.assert_allclose(skinned(stage, "right", code), truth.vertices[row] * [1, -1, -1], atol=1e-5)


def test_what_cannot_be_written_leaves_nothing(clip, tmp_path, monkeypatch):
    with pytest.raises(PalmarError, match="ends in"):
        write(clip, tmp_path / "hands.obj", Options())
    with pytest.raises(PalmarError, match="no pose"):
        write(clip.replace(hands=clip.hands.select("joints")), tmp_path / "a.usda", Options())
    with pytest.raises(PalmarError, match="cannot write here"):
        write(clip, tmp_path / "nowhere" / "a.usda", Options())
    monkeypatch.setitem(__import__("sys").modules, "pxr", None)
    with pytest.raises(PalmarError, match=r"palmar\[usd\]"):
        write(clip, tmp_path / "a.usda", Options())
    assert not list(tmp_path.iterdir())
