"""USD: every followed hand as a skinned, moving mesh (UsdSkel), and the camera that saw it, in text (.usda) or binary
(.usdc, .usd). Needs the extra `usd`.

Axes: x right, y up, z backward, the recording's camera at the origin; metersPerUnit 1. Time codes are seconds times
timeCodesPerSecond, the recording's rate, so they are frame numbers where the rate is even, and between them where not.
The bind pose is the flat hand with identity rotations; a joint's rotation is its own, the wrist's takes in the axes.
A hand that is not seen is invisible. The tips of the fingers are joints without weight, so that the last bones have an
end. UsdSkel's matrices stand on the left (rows), its quaternions begin with the real part.
"""

# pyright: reportAttributeAccessIssue=false
# pxr comes without types.

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import palmar
from palmar.errors import PalmarError, need
from palmar.export.gltf import ROUGHNESS, SKIN_COLOUR, influences, normals
from palmar.export.joints import BONE_NAMES, TIP_NAMES, TIP_PARENTS
from palmar.export.motion import Y_UP, Motion, motions, quaternions, times_of
from palmar.export.options import PLAIN, Options
from palmar.geometry.camera import Camera
from palmar.hand.joints import MANO_PARENTS, TIPS
from palmar.media import whole_file
from palmar.types import Clip

if TYPE_CHECKING:
    from pxr import Usd

SUFFIXES = (".usda", ".usdc", ".usd")
PARENTS = (*MANO_PARENTS, *TIP_PARENTS)
APERTURE = 24.0
"""Width of the camera's film. Only its ratio to the focal length means anything here."""


def write(clip: Clip, path: Path, options: Options = PLAIN) -> None:
    """Raises PalmarError where there is no motion to write, for other suffixes, and without the extra."""
    need("pxr", extra="usd")
    if path.suffix.lower() not in SUFFIXES:
        raise PalmarError(f"{path}: a file of USD ends in {', '.join(SUFFIXES)}.")
    hands = motions(clip)
    times = times_of(clip)
    rate = _rate(clip.frames.fps, times)
    with whole_file(path) as part:
        draft = part.with_name(part.name + path.suffix.lower())  # USD chooses its encoding by the suffix
        try:
            _stage(clip, hands, _codes(times, rate), rate, draft)
            draft.replace(part)
        finally:
            draft.unlink(missing_ok=True)


def _rate(fps: float | None, times: np.ndarray) -> float:
    if len(times) > 1:
        found = (len(times) - 1) / float(times[-1] - times[0])
        return float(fps) if fps and abs(found / fps - 1) < 1e-3 else found
    return float(fps or 30.0)


def _codes(times: np.ndarray, rate: float) -> np.ndarray:
    """Times as time codes; whole where they are within a thousandth of it: times are stored to a microsecond."""
    codes = (times - times[0]) * rate
    near = np.round(codes)
    return np.where(np.abs(codes - near) < 1e-3, near, codes)


def _stage(clip: Clip, hands: list[Motion], codes: np.ndarray, rate: float, file: Path) -> None:
    from pxr import Usd, UsdGeom

    stage = Usd.Stage.CreateNew(str(file))
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
    stage.SetTimeCodesPerSecond(rate)
    stage.SetFramesPerSecond(rate)
    stage.SetStartTimeCode(float(codes[0]))
    stage.SetEndTimeCode(float(codes[-1]))
    top = UsdGeom.Xform.Define(stage, "/Hands")
    stage.SetDefaultPrim(top.GetPrim())
    stage.GetRootLayer().comment = (
        f"palmar {palmar.__version__}: metres, y up, the recording's camera at the origin looking along -z"
    )
    for motion in hands:
        _hand(stage, motion, codes)
    _skin(stage, hands)
    if clip.camera is not None:
        _camera(stage, clip.camera)
    stage.GetRootLayer().Save()


def paths() -> list[str]:
    """Of every joint below the wrist, as UsdSkel names them: 16 bones in MANO's tree order, then the tips."""
    out: list[str] = []
    for name, parent in zip((*BONE_NAMES, *TIP_NAMES), PARENTS, strict=True):
        word = name.replace("-", "_")
        out.append(word if parent < 0 else f"{out[parent]}/{word}")
    return out


def _hand(stage: Usd.Stage, motion: Motion, codes: np.ndarray) -> None:
    from pxr import Gf, Sdf, Usd, UsdGeom, UsdSkel, Vt

    place = _place(motion)
    root = UsdSkel.Root.Define(stage, place)
    skeleton = UsdSkel.Skeleton.Define(stage, f"{place}/Skeleton")
    animation = UsdSkel.Animation.Define(stage, f"{place}/Skeleton/Motion")
    mesh = UsdGeom.Mesh.Define(stage, f"{place}/Mesh")
    shaped, model = motion.shaped, motion.model
    rest = np.concatenate([shaped.rest_joints, shaped.rest_landmarks[list(TIPS)]])
    local = rest - np.where(np.array(PARENTS)[:, None] < 0, 0.0, rest[list(PARENTS)])

    def moved(at: np.ndarray) -> Gf.Matrix4d:
        return Gf.Matrix4d(1.0).SetTranslate(Gf.Vec3d(*at.tolist()))

    joints = paths()
    skeleton.CreateJointsAttr(joints)
    skeleton.CreateBindTransformsAttr([moved(at) for at in rest])
    skeleton.CreateRestTransformsAttr([moved(at) for at in local])
    animation.CreateJointsAttr(joints)
    animation.CreateScalesAttr([Gf.Vec3h(1, 1, 1)] * len(joints))
    turned = motion.rotations.copy()
    turned[:, 0] = Y_UP @ turned[:, 0]
    q = np.stack([quaternions(turned[:, j]) for j in range(16)], 1)
    still = Gf.Quatf(1.0)
    wrist = (shaped.rest_joints[0] + motion.translation) @ Y_UP.T
    places, turns = animation.CreateTranslationsAttr(), animation.CreateRotationsAttr()
    for code, at, now in zip(codes[motion.frames].tolist(), wrist, q.tolist(), strict=True):
        where = np.concatenate([at[None], local[1:]]).astype(np.float32)
        places.Set(Vt.Vec3fArray.FromNumpy(where), Usd.TimeCode(code))
        turns.Set([*(Gf.Quatf(w, x, y, z) for x, y, z, w in now), *[still] * len(TIPS)], Usd.TimeCode(code))

    vertices = shaped.vertices()
    mesh.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(vertices.astype(np.float32)))
    mesh.CreateFaceVertexCountsAttr(Vt.IntArray.FromNumpy(np.full(len(model.faces), 3, np.int32)))
    mesh.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(model.faces.astype(np.int32).ravel()))
    mesh.CreateNormalsAttr(Vt.Vec3fArray.FromNumpy(normals(vertices, model.faces).astype(np.float32)))
    mesh.SetNormalsInterpolation(UsdGeom.Tokens.vertex)
    mesh.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    mesh.CreateDisplayColorAttr([Gf.Vec3f(*SKIN_COLOUR[:3])])
    mesh.CreateExtentAttr([Gf.Vec3f(*vertices.min(0).tolist()), Gf.Vec3f(*vertices.max(0).tolist())])
    uv = model.uv[model.face_uv.ravel()].astype(np.float32)
    st = UsdGeom.PrimvarsAPI(mesh).CreatePrimvar("st", Sdf.ValueTypeNames.TexCoord2fArray, UsdGeom.Tokens.faceVarying)
    st.Set(Vt.Vec2fArray.FromNumpy(uv))

    bones, weights = influences(model.weights)
    binding = UsdSkel.BindingAPI.Apply(mesh.GetPrim())
    width = bones.shape[1]
    binding.CreateJointIndicesPrimvar(False, width).Set(Vt.IntArray.FromNumpy(bones.astype(np.int32).ravel()))
    binding.CreateJointWeightsPrimvar(False, width).Set(Vt.FloatArray.FromNumpy(weights.astype(np.float32).ravel()))
    binding.CreateGeomBindTransformAttr(Gf.Matrix4d(1.0))
    binding.CreateSkeletonRel().SetTargets([skeleton.GetPath()])
    UsdSkel.BindingAPI.Apply(skeleton.GetPrim()).CreateAnimationSourceRel().SetTargets([animation.GetPath()])
    UsdSkel.BindingAPI.Apply(root.GetPrim())
    root.CreateExtentAttr(_extent(motion))

    seen = np.zeros(len(codes), bool)
    seen[motion.frames] = motion.seen
    shown = UsdGeom.Imageable(root).CreateVisibilityAttr()
    for frame in np.flatnonzero(np.diff(seen, prepend=not seen[0])).tolist():
        word = UsdGeom.Tokens.inherited if seen[frame] else UsdGeom.Tokens.invisible
        shown.Set(word, Usd.TimeCode(float(codes[frame])))


def _skin(stage: Usd.Stage, hands: list[Motion]) -> None:
    """One material for all: programs that render do not look at a mesh's display colour."""
    from pxr import Gf, Sdf, UsdShade

    skin = UsdShade.Material.Define(stage, "/Hands/Skin")
    surface = UsdShade.Shader.Define(stage, "/Hands/Skin/Surface")
    surface.CreateIdAttr("UsdPreviewSurface")
    surface.CreateInput("diffuseColor", Sdf.ValueTypeNames.Color3f).Set(Gf.Vec3f(*SKIN_COLOUR[:3]))
    surface.CreateInput("metallic", Sdf.ValueTypeNames.Float).Set(0.0)
    surface.CreateInput("roughness", Sdf.ValueTypeNames.Float).Set(ROUGHNESS)
    skin.CreateSurfaceOutput().ConnectToSource(surface.ConnectableAPI(), "surface")
    for motion in hands:
        mesh = stage.GetPrimAtPath(f"{_place(motion)}/Mesh")
        UsdShade.MaterialBindingAPI.Apply(mesh).Bind(skin)


def _place(motion: Motion) -> str:
    """Where a hand stands in the stage."""
    return f"/Hands/{motion.name.replace('-', '_')}"


def _extent(motion: Motion) -> list[tuple[float, float, float]]:
    """A box around the hand wherever it goes: around its joints, wider by 3 cm of flesh."""
    points = motion.joints().reshape(-1, 3) @ Y_UP.T
    return [tuple((points.min(0) - 0.03).tolist()), tuple((points.max(0) + 0.03).tolist())]


def _camera(stage: Usd.Stage, camera: Camera) -> None:
    """The pinhole, with its principal point; USD has no lens distortion."""
    from pxr import Gf, UsdGeom

    made = UsdGeom.Camera.Define(stage, "/Hands/Camera")
    focal = APERTURE * camera.fx / camera.width
    made.CreateFocalLengthAttr(focal)
    made.CreateHorizontalApertureAttr(APERTURE)
    made.CreateVerticalApertureAttr(focal * camera.height / camera.fy)
    made.CreateHorizontalApertureOffsetAttr(focal * ((camera.width - 1) / 2 - camera.cx) / camera.fx)
    made.CreateVerticalApertureOffsetAttr(focal * (camera.cy - (camera.height - 1) / 2) / camera.fy)
    made.CreateClippingRangeAttr(Gf.Vec2f(0.01, 100.0))
