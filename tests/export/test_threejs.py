"""GLB in three.js, in a browser: joints and skin where the model has them, a picture as the recording's camera saw it.

three.js comes from the npm registry and the browser is a Chromium without a screen that draws in software; where either
is missing the tests are skipped.
"""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from palmar.export import export
from palmar.export.joints import BONE_NAMES, TIP_NAMES
from palmar.geometry.camera import Camera
from palmar.hand import HandModel

playwright = pytest.importorskip("playwright.sync_api")

THREE = "three@0.187.0"
BROWSER = next((p for n in ("chromium", "google-chrome", "chromium-browser") if (p := shutil.which(n))), None)
FLAGS = (
    "--no-sandbox --disable-gpu --use-gl=angle --use-angle=swiftshader --enable-unsafe-swiftshader --disable-quic "
    "--no-first-run --disable-background-networking --disable-component-update --disable-sync"
)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on the PATH to open the page with")

WIDTH, HEIGHT = 160, 120
TIMES = (0.0, 0.12, 0.3)
"""Frames 0 and 3 of the recording, and the middle between 7 and 8."""
PAGE = """<!doctype html><style>body{margin:0}</style><canvas></canvas>
<script type="importmap">{"imports": {"three": "/build/three.module.js"}}</script>
<script type="module">
import * as THREE from "three";
import {GLTFLoader} from "/examples/jsm/loaders/GLTFLoader.js";
const gltf = await new GLTFLoader().loadAsync("/hands.glb");
const renderer = new THREE.WebGLRenderer({canvas: document.querySelector("canvas"), preserveDrawingBuffer: true});
renderer.setSize(WIDTH, HEIGHT);
const scene = new THREE.Scene();
scene.background = new THREE.Color(0, 0, 1);
scene.add(gltf.scene, new THREE.HemisphereLight(0xffffff, 0x888888, 3));
const meshes = [];
gltf.scene.traverse(o => { if (o.isSkinnedMesh) { o.frustumCulled = false; meshes.push(o); } });
const mixer = new THREE.AnimationMixer(gltf.scene);
for (const clip of gltf.animations) mixer.clipAction(clip).play();
window.at = time => {
  mixer.setTime(time);
  scene.updateMatrixWorld(true);
  renderer.render(scene, gltf.cameras[0]);
  return Object.fromEntries(meshes.map(mesh => {
    const place = bone => new THREE.Vector3().setFromMatrixPosition(bone.matrixWorld).toArray();
    const points = [];
    for (let i = 0; i < mesh.geometry.attributes.position.count; i++)
      points.push(mesh.getVertexPosition(i, new THREE.Vector3()).applyMatrix4(mesh.matrixWorld).toArray());
    const joints = mesh.skeleton.bones.map(bone => [bone.name.replace(/_\\d+$/, ""), place(bone)]);
    return [mesh.name, {joints, points}];
  }));
};
window.ready = true;
</script>""".replace("WIDTH, HEIGHT", f"{WIDTH}, {HEIGHT}")


@pytest.fixture(scope="module")
def three(npm):
    """The package's folder."""
    return npm(THREE) / "node_modules" / "three"


@pytest.fixture(scope="module")
def seen(three, clip, tmp_path_factory):
    """time -> what three.js says of every hand, and the picture it draws [H, W, 3]."""
    path = export(clip, tmp_path_factory.mktemp("glb") / "hands.glb")
    kinds = {".js": "text/javascript", ".glb": "model/gltf-binary"}

    def answer(route):
        name = route.request.url.removeprefix("http://palmar.test/")
        file = path if name == "hands.glb" else three / name
        if not name:
            route.fulfill(body=PAGE, content_type="text/html")
        elif file.is_file() and Path(name).suffix in kinds:
            route.fulfill(body=file.read_bytes(), content_type=kinds[file.suffix])
        else:
            route.fulfill(status=404)

    wrong = []
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=BROWSER, args=FLAGS.split())
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        page.route("**/*", answer)
        page.goto("http://palmar.test/")
        page.wait_for_function("window.ready", timeout=60_000)
        out = {}
        for time in TIMES:
            hands = page.evaluate("time => window.at(time)", time)
            picture = np.array(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
            out[time] = hands, picture
        browser.close()
    assert [text for text in wrong if "favicon" not in text and "404" not in text] == []
    return out


def place(hands, name):
    return {joint: np.array(at) for joint, at in hands[f"{name}-mesh"]["joints"]}


@pytest.mark.parametrize(("time", "frame"), [(0.0, 0), (0.12, 3)])
def test_joints_and_skin_are_where_the_model_puts_them(seen, clip, truth, time, frame):
    hands, _ = seen[time]
    for row in np.flatnonzero(clip.hands.frame == frame):
        side = int(clip.hands.side[row])
        name = ("left-5", "right-0")[side]
        joints = place(hands, name)
        assert set(joints) == {*BONE_NAMES, *TIP_NAMES}
        for k, bone in enumerate(BONE_NAMES):
            np.testing.assert_allclose(joints[bone], truth.origins[row, k] * [1, -1, -1], atol=1e-6)
        for k, tip in enumerate(TIP_NAMES):
            np.testing.assert_allclose(joints[tip], truth.joints[row, 4 * k + 4] * [1, -1, -1], atol=1e-6)
        model = HandModel.default(side)
        cut = np.unique(np.stack([model.faces.ravel(), model.face_uv.ravel()], 1), axis=0)[:, 0]
        points = np.array(hands[f"{name}-mesh"]["points"])
        np.testing.assert_allclose(points, (truth.vertices[row] * [1, -1, -1])[cut], atol=1e-6)


def test_between_two_frames_every_joint_has_turned_by_half(seen, clip):
    joints = place(seen[0.3][0], "right-0")
    hands = clip.hands.filter(side=1)
    turns = Rotation.from_rotvec(hands.pose[[7, 8]].reshape(-1, 3).astype(float))
    half = (turns[:16] * Rotation.from_rotvec((turns[:16].inv() * turns[16:]).as_rotvec() / 2)).as_matrix()
    shaped = HandModel.default(1).shaped(hands.shape[0].astype(float))
    posed = shaped.posed(half, hands.translation[[7, 8]].astype(float).mean(0))
    for k, bone in enumerate(BONE_NAMES):
        np.testing.assert_allclose(joints[bone], posed.bone_origins[k] * [1, -1, -1], atol=1e-6)


def test_the_picture_shows_skin_where_the_joints_are_and_nothing_of_a_hand_that_is_not_seen(seen, clip, truth):
    """Through the file's camera, whose principal point is the picture's middle. Blue is the background."""
    camera = Camera(WIDTH, HEIGHT, 140.0, 142.0, 79.5, 59.5)
    for time, frame in ((0.0, 0), (0.12, 3)):
        picture = seen[time][1].astype(int)
        skin = picture[..., 0] > picture[..., 2]
        allowed = np.zeros_like(skin)
        for row in np.flatnonzero(clip.hands.frame == frame):
            for x, y in np.round(camera.project(truth.origins[row])).astype(int):
                if 0 <= x < WIDTH and 0 <= y < HEIGHT:
                    assert skin[y, x], (frame, x, y)
            u, v = np.round(camera.project(truth.vertices[row])).astype(int).T
            box = slice(max(v.min() - 1, 0), v.max() + 2), slice(max(u.min() - 1, 0), u.max() + 2)
            allowed[box] = True
        assert skin.any()
        assert not (skin & ~allowed).any(), json.dumps(np.argwhere(skin & ~allowed)[:5].tolist())
