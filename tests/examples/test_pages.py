"""The documentation's pages of the notebooks, and of those who come from other programs."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

import palmar
from palmar.clean import Cleaning, clean
from palmar.export import export
from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.media import ArrayFrames

pytest.importorskip("mkdocs")

ROOT = Path(__file__).parents[2]
EXAMPLES = {path.stem: path for path in sorted((ROOT / "examples").glob("*.ipynb"))}
LINK = re.compile(r"\]\(([^)#\s]+)")


@pytest.fixture(scope="module")
def hook(load_tool):
    return load_tool("docs_pages")


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_page_has_all_of_its_notebook(hook, name):
    made = dict(hook.tutorial(EXAMPLES[name]))
    page = made.pop(f"{name}.md")
    cells = json.loads(EXAMPLES[name].read_text(encoding="utf-8"))["cells"]
    for cell in cells:
        if cell["cell_type"] == "code":
            assert f"```python\n{''.join(cell['source'])}\n```" in page
    shown = [out for cell in cells for out in cell.get("outputs", []) if any("image" in k for k in out.get("data", {}))]
    pictures = [file for file in made if file.endswith((".png", ".jpg"))]
    assert len(pictures) == len(shown) > 0
    heads = {".png": b"\x89PNG", ".jpg": b"\xff\xd8\xff"}
    assert all(made[file].startswith(heads[Path(file).suffix]) for file in pictures)
    assert made[f"{name}.ipynb"] == EXAMPLES[name].read_text(encoding="utf-8")


@pytest.mark.parametrize("name", EXAMPLES)
def test_links_of_notebooks_lead_somewhere(hook, name):
    """From the notebook in a copy of the repository, and from its page on the site."""
    cells = json.loads(EXAMPLES[name].read_text(encoding="utf-8"))["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    for link in LINK.findall(text):
        assert link.startswith("https://") or (EXAMPLES[name].parent / link).is_file(), link
    made = dict(hook.tutorial(EXAMPLES[name]))
    others = {f"{other}.md" for other in EXAMPLES}
    for link in LINK.findall(made[f"{name}.md"]):
        here = link in made or link in others or (ROOT / "docs" / "x" / link).resolve().is_file()
        assert here or link.startswith("https://"), link


def test_links_into_the_repository_become_pages(hook):
    """In docs/ they lead to files; on the site, to the pages made of them."""
    for page in sorted((ROOT / "docs").glob("*.md")):
        text = page.read_text(encoding="utf-8")
        for link in LINK.findall(text):
            assert link.startswith("https://") or (page.parent / link).exists(), (page.name, link)
        assert "](../examples/" not in hook.within_the_site(text)
    said = "[a](../examples/gesture.ipynb) [b](../src/palmar/methods/hamba/README.md) [c](app.md)"
    assert hook.within_the_site(said) == "[a](tutorials/gesture.md) [b](methods/hamba.md) [c](app.md)"


FENCE = re.compile(r'^```python title="palmar"\n(.*?)^```$', re.M | re.S)


@pytest.fixture(scope="module")
def clip_mp4(tmp_path_factory):
    """Eight frames of the clip in the package, as a reader's clip.mp4."""
    from importlib.resources import files

    from palmar.media import VideoWriter, read

    path = tmp_path_factory.mktemp("pages") / "clip.mp4"
    with VideoWriter(path, 24.0) as writer:
        for frame in read(str(files("palmar") / "demo" / "demo.mp4")).frames:
            if frame.index == 8:
                break
            writer.add(frame.image)
    return path


def follow(page: str, said: dict, place: Path, monkeypatch: pytest.MonkeyPatch) -> dict:
    """What all of palmar's snippets of a page leave behind, run one after the other where clip.mp4 is."""
    snippets = FENCE.findall((ROOT / "docs" / page).read_text(encoding="utf-8"))
    assert len(snippets) >= 3
    monkeypatch.chdir(place)
    names = dict(said)
    for number, snippet in enumerate(snippets):
        exec(compile(snippet, f"{page}, snippet {number + 1}", "exec"), names)
    return names


def test_coming_from_mediapipe(clip_mp4):
    """Its snippets run as a script that was written for MediaPipe does, after the one line is changed."""
    page = (ROOT / "docs" / "coming-from-mediapipe.md").read_text(encoding="utf-8")
    first, second, third = re.findall(r"^```python\n(.*?)^```$", page, re.M | re.S)
    after = "\n".join(line for line in first.splitlines() if not line.endswith("# before"))
    clip = palmar.track(str(clip_mp4), max_hands=1)
    image = next(iter(clip.frames)).image[..., ::-1].copy()
    optimizer = SimpleNamespace(target_link_human_indices=np.arange(5))
    retargeting = SimpleNamespace(optimizer=optimizer, retarget=np.asarray)
    names = {"cv2": cv2, "image": image.copy(), "row": 0, "retargeting": retargeting}
    exec(after + "\n" + second, names)
    assert (names["image"] != image).any()
    assert len(names["results"].multi_hand_landmarks) == 1
    names |= {"hands": clip.hands}
    exec(third, names)
    assert names["q"].shape == (5, 3)


def test_coming_from_mmpose(clip_mp4, monkeypatch):
    from palmar.hand.joints import JOINTS, ORDERS

    order = ORDERS["interhand"].from_palmar
    points = np.array([[(side, JOINTS[ours])] for side in "rl" for ours in order])[:, 0]  # names in place of numbers
    rng = np.random.default_rng(0)
    people = [
        {"keypoints": rng.uniform(0, 200, (133, 2)).tolist(), "keypoint_scores": rng.uniform(0, 1.2, 133).tolist()}
        for _ in range(3)
    ]
    image = np.zeros((240, 320, 3), np.uint8)
    said = {"points": points, "pictures": [[people[0]], [], people[1:]], "image": image}
    after = follow("coming-from-mmpose.md", said, clip_mp4.parent, monkeypatch)
    assert after["right"].tolist() == [["r", name] for name in JOINTS]
    assert after["left"].tolist() == [["l", name] for name in JOINTS]
    hands = after["hands"]
    assert hands.frame.tolist() == [0, 0, 2, 2, 2, 2]
    assert hands.side.tolist() == [0, 1] * 3
    theirs = np.array(people[2]["keypoints"])
    np.testing.assert_allclose(hands.keypoints[4, :, :2], theirs[91:112], rtol=1e-6)
    np.testing.assert_allclose(hands.keypoints[5, :, :2], theirs[112:133], rtol=1e-6)
    assert hands.keypoints[..., 2].max() == 1
    assert after["picture"].any()
    clip = after["clip"].replace(hands=hands)
    for name in ("clip.csv", "clip.npz", "clip.coco.json"):
        export(clip, clip_mp4.parent / name)
    assert after["from_wholebody"]([[], []]).columns().keys() == palmar.Hands.empty().columns().keys()


def test_mmpose_finds_all_that_it_reads(clip_mp4):
    """The keys that `CocoWholeBodyHandDataset` of MMPose 1.3 asks of every annotation, and what it makes of them."""
    clip = palmar.track(str(clip_mp4), max_hands=1)
    export(clip, clip_mp4.parent / "own.coco.json")
    file = json.loads((clip_mp4.parent / "own.coco.json").read_text())
    hands = [(one, f"{side}hand") for one in file["annotations"] for side in ("left", "right")]
    read = [(one, hand) for one, hand in hands if one[f"{hand}_valid"] and max(one[f"{hand}_kpts"]) > 0]
    assert len(read) == len(clip.hands) == 8
    for row, (one, hand) in enumerate(read):
        assert {"id", "image_id", "iscrowd", "segmentation"} <= one.keys()
        x, y, width, height = one[f"{hand}_box"]
        np.testing.assert_allclose([x, y, x + width, y + height], clip.hands.box[row] + 0.5, atol=2e-3)
        points = np.reshape(one[f"{hand}_kpts"], (21, 3))
        np.testing.assert_allclose(points[:, :2], clip.hands.keypoints[row, :, :2] + 0.5, atol=1e-3)


def hamer_says(joints, side, camera, size):
    """What HaMeR's network would answer of hands at joints [n, 21, 3] metres, and the batch they came from: left hands
    mirrored, the camera of a crop so that it lies where the joints say."""
    sign = np.where(side == 1, 1.0, -1.0)
    place = joints.mean(1) + np.array([0.004, -0.003, 0.01])  # MANO's origin lies somewhere in the hand
    scale = 2 * camera.fx / (size * place[:, 2])
    centre = np.array([[300.0, 200.0], [350.0, 260.0]])  # the box need not have it in the middle
    shift = place[:, :2] - 2 * (centre - (camera.cx, camera.cy)) / (size * scale)[:, None]
    shift[:, 0] *= sign
    about = joints - place[:, None]
    about[..., 0] *= sign[:, None]
    out = {"pred_cam": np.column_stack([scale, shift]), "pred_keypoints_3d": about}
    return out, {"right": side.astype(float), "box_size": size, "box_center": centre}


def test_coming_from_hamer(clip_mp4, monkeypatch):
    from palmar.hand import HandModel
    from palmar.view import vertices_in_camera

    side, camera = np.array([1, 0]), palmar.Camera.from_fov(640, 480, np.radians(60.0))
    rng = np.random.default_rng(3)
    turns = np.stack([rotmat_from_rotvec(rng.normal(0, 0.2, (16, 3))) for _ in side])
    truth = np.stack([
        HandModel.default(int(s)).shaped(rng.normal(0, 1, 10)).posed(turn, np.array([0.05 * s, 0.02, 0.5])).joints()
        for s, turn in zip(side, turns, strict=True)
    ])  # fmt: skip
    out, batch = hamer_says(truth, side, camera, np.array([190.0, 230.0]))
    write_mano(clip_mp4.parent / "MANO_RIGHT.pkl")
    said = {"out": out, "batch": batch, "camera": camera, "image": np.zeros((480, 640, 3), np.uint8)}
    after = follow("coming-from-hamer.md", said, clip_mp4.parent, monkeypatch)
    hands = after["hands"]
    np.testing.assert_allclose(hands.joints, truth, atol=1e-6)
    assert hands.side.tolist() == [1, 0]
    for row, skin in enumerate(vertices_in_camera(hands)):
        model = HandModel.default(int(side[row])).shaped(hands.shape[row].astype(float))
        own = model.posed(rotmat_from_rotvec(hands.pose[row].astype(float)), hands.translation[row].astype(float))
        np.testing.assert_allclose(own.skin(), skin, atol=1e-6)
        assert np.linalg.norm(own.joints() - truth[row], axis=1).mean() < 0.002
    assert after["picture"].any()
    made = palmar.Clip(ArrayFrames([said["image"]]), camera, "known", hands)
    export(made, clip_mp4.parent / "hands.glb")
    assert clean(made, Cleaning(hand_length=0.18)).hands.joints is not None
    assert after["fitted"].error < 0.004
    assert after["fitted"].pose().shape == (48,)
    apart = np.linalg.norm(after["fitted"].posed.skin().mean(0) - after["vertices"][0].mean(0))
    assert apart < 0.05


def write_mano(path: Path) -> None:
    """A file in MANO's layout whose hand is palmar's, 778 of its vertices."""
    spec = importlib.util.spec_from_file_location("mano_files", ROOT / "tests" / "hand" / "conftest.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.write_handlike(path)
