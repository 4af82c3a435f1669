"""USD: every followed hand as a skinned, moving mesh (UsdSkel), in text (.usda) or binary (.usdc, .usd).

Metres, y up; time codes are frames of the recording. A hand that is not seen is invisible. Needs the extra `usd`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from palmar.errors import PalmarError, need
from palmar.export.gltf import INFLUENCES, influences
from palmar.export.joints import BONE_NAMES
from palmar.export.motion import Y_UP, Motion, motions, quaternions, times_of
from palmar.export.options import PLAIN, Options
from palmar.hand.joints import MANO_PARENTS
from palmar.media import whole_file
from palmar.types import Clip

SUFFIXES = (".usda", ".usdc", ".usd")


def write(clip: Clip, path: Path, options: Options = PLAIN) -> None:
    """Raises PalmarError where nothing can be exported, for other suffixes, and without the extra."""
    need("pxr", extra="usd")
    if path.suffix.lower() not in SUFFIXES:
        raise PalmarError(f"{path}: a file of USD ends in {', '.join(SUFFIXES)}.")
    hands = motions(clip)
    times = times_of(clip)
    fps = clip.frames.fps or (1 / float(np.median(np.diff(times))) if len(times) > 1 else 30.0)
    with whole_file(path) as part:
        draft = part.with_suffix(path.suffix)  # USD chooses its encoding by the suffix
        try:
            _stage(hands, fps, len(times), draft)
            draft.replace(part)
        finally:
            draft.unlink(missing_ok=True)


def _stage(hands: list[Motion], fps: float, count: int, file: Path) -> None:
    from pxr import Usd, UsdGeom

    stage = Usd.Stage.CreateNew(str(file))
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
    stage.SetTimeCodesPerSecond(fps)
    stage.SetFramesPerSecond(fps)
    stage.SetStartTimeCode(0)
    stage.SetEndTimeCode(max(count - 1, 0))
    top = UsdGeom.Xform.Define(stage, "/Hands")
    stage.SetDefaultPrim(top.GetPrim())
    for motion in hands:
        _hand(stage, motion, count)
    stage.GetRootLayer().Save()


def paths() -> list[str]:
    """Path of every bone below the wrist, as UsdSkel names joints."""
    out: list[str] = []
    for j, parent in enumerate(MANO_PARENTS):
        name = BONE_NAMES[j].replace("-", "_")
        out.append(name if parent < 0 else f"{out[parent]}/{name}")
    return out


def _hand(stage: object, motion: Motion, count: int) -> None:
    from pxr import Gf, Sdf, Usd, UsdGeom, UsdSkel, Vt

    name = motion.name.replace("-", "_")
    root = UsdSkel.Root.Define(stage, f"/Hands/{name}")
    skeleton = UsdSkel.Skeleton.Define(stage, f"/Hands/{name}/Skeleton")
    animation = UsdSkel.Animation.Define(stage, f"/Hands/{name}/Skeleton/Motion")
    mesh = UsdGeom.Mesh.Define(stage, f"/Hands/{name}/Mesh")
    rest = motion.shaped.rest_joints @ Y_UP
    local = rest.copy()
    for j, parent in enumerate(MANO_PARENTS):
        if parent >= 0:
            local[j] = rest[j] - rest[parent]

    def moved(at: np.ndarray) -> Gf.Matrix4d:
        return Gf.Matrix4d(1.0).SetTranslate(Gf.Vec3d(*at.tolist()))

    joints = paths()
    skeleton.CreateJointsAttr(joints)
    skeleton.CreateBindTransformsAttr([moved(at) for at in rest])
    skeleton.CreateRestTransformsAttr([moved(at) for at in local])
    animation.CreateJointsAttr(joints)
    turned = np.stack([quaternions(Y_UP @ motion.rotations[:, j] @ Y_UP) for j in range(16)], 1)
    wrist = (motion.shaped.rest_joints[0] + motion.translation) @ Y_UP
    places, turns = animation.CreateTranslationsAttr(), animation.CreateRotationsAttr()
    animation.CreateScalesAttr([Gf.Vec3h(1, 1, 1)] * 16)
    for frame, at, q in zip(motion.frames.tolist(), wrist, turned, strict=True):
        now = np.concatenate([at[None], local[1:]])
        places.Set(Vt.Vec3fArray.FromNumpy(now.astype(np.float32)), Usd.TimeCode(frame))
        turns.Set([Gf.Quatf(float(w), float(x), float(y), float(z)) for x, y, z, w in q], Usd.TimeCode(frame))

    vertices = motion.shaped.vertices() @ Y_UP
    mesh.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(vertices.astype(np.float32)))
    mesh.CreateFaceVertexCountsAttr(Vt.IntArray.FromNumpy(np.full(len(motion.model.faces), 3, np.int32)))
    mesh.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(motion.model.faces.astype(np.int32).ravel()))
    mesh.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    mesh.CreateDisplayColorAttr([Gf.Vec3f(0.80, 0.58, 0.46)])
    low, high = vertices.min(0), vertices.max(0)
    mesh.CreateExtentAttr([Gf.Vec3f(*low.tolist()), Gf.Vec3f(*high.tolist())])
    uv = motion.model.uv[motion.model.face_uv.ravel()].astype(np.float32)
    st = UsdGeom.PrimvarsAPI(mesh).CreatePrimvar("st", Sdf.ValueTypeNames.TexCoord2fArray, UsdGeom.Tokens.faceVarying)
    st.Set(Vt.Vec2fArray.FromNumpy(uv))
    bones, weights = influences(motion.model.weights)
    binding = UsdSkel.BindingAPI.Apply(mesh.GetPrim())
    indices = binding.CreateJointIndicesPrimvar(False, INFLUENCES)
    indices.Set(Vt.IntArray.FromNumpy(bones.astype(np.int32).ravel()))
    binding.CreateJointWeightsPrimvar(False, INFLUENCES).Set(
        Vt.FloatArray.FromNumpy(weights.astype(np.float32).ravel())
    )
    binding.CreateGeomBindTransformAttr(Gf.Matrix4d(1.0))
    binding.CreateSkeletonRel().SetTargets([skeleton.GetPath()])
    UsdSkel.BindingAPI.Apply(skeleton.GetPrim()).CreateAnimationSourceRel().SetTargets([animation.GetPath()])
    UsdSkel.BindingAPI.Apply(root.GetPrim())

    shown = UsdGeom.Imageable(root).CreateVisibilityAttr()
    seen = np.zeros(count, bool)
    seen[motion.frames] = motion.seen
    for frame in range(count):
        if frame == 0 or seen[frame] != seen[frame - 1]:
            shown.Set(UsdGeom.Tokens.inherited if seen[frame] else UsdGeom.Tokens.invisible, Usd.TimeCode(frame))
