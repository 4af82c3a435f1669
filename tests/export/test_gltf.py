"""GLB: read back by another reader, skinned in plain NumPy, and judged by the Khronos validator."""

from __future__ import annotations

import json
import subprocess

import numpy as np
import pygltflib
import pytest
from scipy.spatial.transform import Rotation, Slerp

from palmar.errors import PalmarError
from palmar.export import export
from palmar.export.gltf import influences, normals, seconds
from palmar.export.motion import motions
from palmar.geometry.camera import Camera
from palmar.hand import HandModel
from palmar.types import Hands

VALIDATOR = "gltf-validator@2.0.0-dev.3.10"
TYPES = {5121: np.uint8, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}


class Reader:
    """What a player of glTF does, without any of the writer's code."""

    def __init__(self, path):
        self.doc = pygltflib.GLTF2().load(str(path))
        self.blob = self.doc.binary_blob()
        self.moves = {}
        for animation in self.doc.animations or []:
            for channel in animation.channels:
                sampler = animation.samplers[channel.sampler]
                times, values = self.array(sampler.input)[:, 0].astype(float), self.array(sampler.output).astype(float)
                self.moves[channel.target.node, channel.target.path] = times, values, sampler.interpolation
        self.parent = {child: i for i, node in enumerate(self.doc.nodes) for child in node.children or []}

    def array(self, index):
        accessor = self.doc.accessors[index]
        view = self.doc.bufferViews[accessor.bufferView]
        n = WIDTHS[accessor.type]
        kind = TYPES[accessor.componentType]
        at = (view.byteOffset or 0) + (accessor.byteOffset or 0)
        return np.frombuffer(self.blob, kind, accessor.count * n, at).reshape(accessor.count, n)

    def value(self, node, what, time, default):
        if (node, what) not in self.moves:
            given = getattr(self.doc.nodes[node], what)
            return np.array(default if given is None else given, float)
        times, values, how = self.moves[node, what]
        at = int(np.clip(np.searchsorted(times, time + 1e-6, "right") - 1, 0, len(times) - 1))
        if how == "STEP" or at == len(times) - 1:
            return values[at]
        share = np.clip((time - times[at]) / (times[at + 1] - times[at]), 0, 1)
        if what == "rotation":
            return Slerp([0, 1], Rotation.from_quat(values[at : at + 2]))(share).as_quat()
        return values[at] + share * (values[at + 1] - values[at])

    def world(self, node, time):
        local = np.eye(4)
        local[:3, :3] = Rotation.from_quat(self.value(node, "rotation", time, [0, 0, 0, 1])).as_matrix()
        local[:3, :3] *= self.value(node, "scale", time, [1, 1, 1])
        local[:3, 3] = self.value(node, "translation", time, [0, 0, 0])
        return self.world(self.parent[node], time) @ local if node in self.parent else local

    def size(self, name, time):
        """Of the hand's joints: how much they scale what they move; the same for all of them."""
        (node,) = [n for n in self.doc.nodes if n.name == f"{name}-mesh"]
        scales = [np.linalg.norm(self.world(j, time)[:3, :3], axis=0) for j in self.doc.skins[node.skin].joints[::5]]
        assert np.ptp(scales) < 1e-6
        return float(np.mean(scales))

    def skinned(self, name, time):
        """Corners of the mesh of this name at a time, y up."""
        (node,) = [n for n in self.doc.nodes if n.name == f"{name}-mesh"]
        skin, mesh = self.doc.skins[node.skin], self.doc.meshes[node.mesh]
        inverse = self.array(skin.inverseBindMatrices).reshape(-1, 4, 4).transpose(0, 2, 1).astype(float)
        bones = np.array([self.world(j, time) for j in skin.joints]) @ inverse
        at = json.loads(mesh.primitives[0].attributes.to_json())
        rest = self.array(at["POSITION"]).astype(float)
        out = np.zeros_like(rest)
        for block in range(4):
            if at.get(f"JOINTS_{block}") is None:
                break
            for j, w in zip(self.array(at[f"JOINTS_{block}"]).T, self.array(at[f"WEIGHTS_{block}"]).T, strict=True):
                moved = np.einsum("nij,nj->ni", bones[j][:, :3, :3], rest) + bones[j][:, :3, 3]
                out += w[:, None] * moved
        return out


def corners(model):
    """The model's vertex of each corner of the file's mesh: one for each pair of vertex and texture coordinate."""
    return np.unique(np.stack([model.faces.ravel(), model.face_uv.ravel()], 1), axis=0)[:, 0]


@pytest.fixture(scope="module")
def path(clip, tmp_path_factory):
    return export(clip, tmp_path_factory.mktemp("glb") / "two.glb")


def test_skinned_by_another_reader_the_hands_are_where_the_model_puts_them(path, clip, truth):
    reader = Reader(path)
    names = {0: "right-0", 5: "left-5"}
    for row in range(len(clip.hands)):
        track, side = int(clip.hands.track[row]), int(clip.hands.side[row])
        vertex = corners(HandModel.default(side))
        found = reader.skinned(names[track], clip.info["times"][clip.hands.frame[row]])
        np.testing.assert_allclose(found, (truth.vertices[row] * [1, -1, -1])[vertex], atol=1e-5)


def test_a_hand_is_there_in_the_frames_in_which_it_was_seen_and_in_no_other(path, clip):
    reader = Reader(path)
    seen = set(clip.hands.frame[clip.hands.track == 5].tolist())
    for frame, time in enumerate(clip.info["times"]):
        for late in (0.0, 0.03):  # and until the next frame
            assert reader.size("left-5", time + late) == pytest.approx(float(frame in seen)), (frame, late)
            assert reader.size("right-0", time + late) == pytest.approx(1)


def test_a_hand_that_is_about_to_vanish_moves_no_further(path, clip):
    reader = Reader(path)
    last = clip.info["times"][4]
    a, b = reader.skinned("left-5", last), reader.skinned("left-5", last + 0.039)
    np.testing.assert_allclose(a, b, atol=1e-6)


def test_the_mesh_is_closed_and_looks_outwards_on_both_sides(path):
    doc = Reader(path)
    for mesh in doc.doc.meshes:
        at = mesh.primitives[0].attributes
        points, triangles = doc.array(at.POSITION).astype(float), doc.array(mesh.primitives[0].indices).reshape(-1, 3)
        a, b, c = points[triangles].transpose(1, 0, 2)
        assert 1e-4 < np.einsum("ni,ni->", a, np.cross(b, c)) / 6 < 1e-3  # cubic metres, positive: outwards
        facing = np.cross(b - a, c - a)
        assert (np.einsum("ni,ni->n", facing, doc.array(at.NORMAL)[triangles].mean(1)) > 0).mean() > 0.99
        uv = doc.array(at.TEXCOORD_0)
        assert uv.min() >= 0
        assert uv.max() <= 1


def test_weights_sum_to_one_and_no_influence_is_lost(path):
    doc = Reader(path)
    at = doc.doc.meshes[0].primitives[0].attributes
    weights = doc.array(at.WEIGHTS_0)
    np.testing.assert_allclose(weights.astype(np.float64).sum(1), 1, atol=2e-7)
    assert (doc.array(at.JOINTS_0)[weights == 0] == 0).all()
    model = HandModel.default(1)
    bones, kept = influences(model.weights)
    dense = np.zeros_like(model.weights)
    np.add.at(dense, (np.arange(len(dense))[:, None], bones), kept)
    np.testing.assert_allclose(dense, model.weights, atol=1e-7)


def test_the_file_says_its_units_axes_and_how_the_times_came(path, clip):
    doc = Reader(path).doc
    extras = doc.asset.extras
    assert "metre" in extras["units"]
    assert "y up" in extras["axes"]
    assert extras["camera"] == "given"
    assert len(doc.animations) == 1  # players play one
    (camera,) = doc.cameras
    assert camera.perspective.yfov == pytest.approx(2 * np.arctan(60 / 142))
    assert {"wrist", "thumb-tip", "index-finger-phalanx-proximal"} <= {node.name for node in doc.nodes}


def test_the_camera_of_the_file_sees_the_hands_where_the_picture_has_them(path, clip, truth):
    """Through the file's own camera, up to the principal point, which glTF cannot say."""
    camera = Reader(path).doc.cameras[0].perspective
    point = Reader(path).skinned("right-0", 0.0)[0]
    vertex = corners(HandModel.default(1))[0]
    tan = np.tan(camera.yfov / 2)
    x, y = point[0] / (-point[2] * tan * camera.aspectRatio), point[1] / (-point[2] * tan)  # -1 to 1
    centred = Camera(160, 120, 140.0, 142.0, 79.5, 59.5)
    u, v = centred.project(truth.vertices[0][vertex])
    np.testing.assert_allclose([(x + 1) * 80 - 0.5, (1 - y) * 60 - 0.5], [u, v], atol=1e-3)


def test_one_picture_gives_a_hand_that_stands_still(clip, tmp_path):
    single = clip.replace(hands=clip.hands.filter(frame=0), info={"frames": 1, "times": None, "stills": True})
    reader = Reader(export(single, tmp_path / "one.glb"))
    assert not reader.doc.animations
    assert np.ptp(reader.skinned("right-0", 0.0), axis=0).max() > 0.05


def test_times_stay_distinct_in_single_precision():
    times = seconds(np.array([90_000.0, 90_000.001, 90_000.002, 90_000.02]))
    assert (np.diff(times) > 0).all()
    np.testing.assert_allclose(times, 90_000.0, atol=0.05)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda clip: clip.replace(hands=Hands.empty()), "no hand was found"),
        (lambda clip: clip.replace(hands=clip.hands.select("joints")), "no pose, shape and place"),
        (lambda clip: clip.replace(info={**clip.info, "times": [0, 1]}), "damaged"),
        (lambda clip: clip.replace(info={**clip.info, "times": "x"}), "damaged"),
        (lambda clip: clip.replace(info={"frames": 10**12}), "are more than"),
        (lambda clip: clip.replace(info={**clip.info, "times": [0, 1, 2, 3, 4, 5, 6, 7, 8, 3]}), "damaged"),
        (lambda clip: clip.replace(info={"frames": 10, "stills": True}), "unrelated pictures"),
        (
            lambda clip: clip.replace(hands=clip.hands.with_columns(pose=clip.hands.pose * np.nan)),
            "finite pose",
        ),
    ],
)
def test_what_cannot_move_is_an_error_and_leaves_nothing(clip, tmp_path, change, words):
    with pytest.raises(PalmarError, match=words):
        export(change(clip), tmp_path / "no.glb")
    assert not list(tmp_path.iterdir())


def test_rows_with_nan_and_doubles_are_gaps_and_the_better_row(clip):
    hands = clip.hands
    pose = hands.pose.copy()
    pose[0] = np.nan
    doubled = Hands.concat([hands.with_columns(pose=pose), hands[[3]].with_columns(score=[0.01])])
    (right,) = [m for m in motions(clip.replace(hands=doubled)) if m.side == 1]
    assert right.frames.tolist() == list(range(1, 10))
    assert right.seen.all()
    worse = Hands.concat([hands[[3]].with_columns(score=[0.01], translation=[[9, 9, 9]]), hands])
    for found, kept in zip(motions(clip.replace(hands=worse)), motions(clip), strict=True):
        np.testing.assert_array_equal(found.translation, kept.translation)


def test_normals_of_a_tetrahedron_point_away_from_its_middle():
    points = np.array([[1.0, 1, 1], [-1, -1, 1], [-1, 1, -1], [1, -1, -1]])
    faces = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    np.testing.assert_allclose(normals(points, faces), points / np.sqrt(3), atol=1e-12)


def test_the_khronos_validator_finds_nothing(path, npm):
    folder = npm(VALIDATOR)
    script = (
        "require('gltf-validator').validateBytes(new Uint8Array(require('fs').readFileSync(process.argv[1])))"
        ".then(r => console.log(JSON.stringify(r.issues)))"
    )
    said = subprocess.run(["node", "-e", script, str(path)], check=True, capture_output=True, timeout=60, cwd=folder)
    issues = json.loads(said.stdout)
    assert issues["numErrors"] == issues["numWarnings"] == 0, issues
    assert {issue["code"] for issue in issues["messages"]} <= {"UNUSED_OBJECT"}  # texture coordinates without a texture
