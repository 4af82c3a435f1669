"""Open palmar's exports in the programs they are for, and compare what those say with palmar.

    python tools/check_exports.py make FOLDER          files and truth.npz (palmar's environment)
    python tools/check_exports.py blender FOLDER       glb, usd, bvh (a Python with bpy, which is Blender)
    python tools/check_exports.py lerobot FOLDER       the data set (one with lerobot[dataset], Apache-2.0)
    python tools/check_exports.py dex FOLDER URDF      an Allegro hand moved by dex-retargeting (one with it, MIT)

The recording is the demo with the hand that is found in it, one size over time, and its mirror image as a left hand
that is missing for a while. URDF: of the right Allegro hand with a link `wrist`, 95 mm below the palm's. Each prints
its largest differences and fails above 0.1 mm; docs/exports.md says what came out, and with which versions.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

LIMIT = 1e-4
"""Metres."""
GAP = range(40, 60)
"""Frames without the left hand."""
SHOWN = (0, 37, 90)
"""Frames that are compared: three, in which both hands are."""
TIPS = {"thumb": 4, "index-finger": 8, "middle-finger": 12, "ring-finger": 16, "pinky-finger": 20}
VECTORS = np.array([[0, 0, 0, 0], [4, 8, 12, 16]])
"""Wrist to the tips of thumb, index, middle and ring finger: the Allegro hand has no little one."""
ALLEGRO = 1.6
"""Its size over a person's."""


def make(folder: Path) -> None:
    from importlib.resources import files

    import palmar
    from palmar.clean import Cleaning, clean
    from palmar.compat.dex_retargeting import reference
    from palmar.export import Options, export
    from palmar.export.joints import BONE_NAMES
    from palmar.geometry.rotations import rotmat_from_rotvec
    from palmar.hand import HandModel
    from palmar.types import Hands

    clip = clean(palmar.track(str(files("palmar") / "demo" / "demo.mp4")), Cleaning(fix_bones=True))
    right = clip.hands.filter(side=1)
    left = right.with_columns(
        side=np.zeros(len(right)), track=right.track + 1, pose=right.pose * [1, -1, -1],
        translation=right.translation * [-1, 1, 1] + [0, 0.05, 0.1],
        joints=right.joints * [-1, 1, 1] + [0, 0.05, 0.1],
    )  # fmt: skip
    hands = Hands.concat([right, left[~np.isin(left.frame, list(GAP))]])
    clip = clip.replace(hands=hands)
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("hands.glb", "hands.usda", "hands.usdc"):
        export(clip, folder / name)
    export(clip, folder / "bvh", "bvh", Options(overwrite=True))
    export([clip, clip], folder / "set", "lerobot", Options(task="point", overwrite=True))
    truth: dict[str, Any] = {"fps": clip.frames.fps, "bones": np.array(BONE_NAMES), "frames": np.array(SHOWN)}
    for side, name in enumerate(("left", "right")):
        model, rows = HandModel.default(side), hands.filter(side=side)
        rows = rows[np.isin(rows.frame, SHOWN)]
        posed = model.shaped(rows.shape.astype(float)).posed(
            rotmat_from_rotvec(rows.pose.astype(float)), rows.translation
        )
        pairs = np.unique(np.stack([model.faces.ravel(), model.face_uv.ravel()], 1), axis=0)
        truth |= {f"{name}_vertices": posed.skin(), f"{name}_joints": posed.bone_origins, f"{name}_cut": pairs[:, 0]}
        truth |= {f"{name}_tips": posed.joints()[:, list(TIPS.values())]}
    truth["vectors"] = np.stack([reference(joints, 1, VECTORS) for joints in right.joints])
    np.savez(folder / "truth.npz", **truth)


def blender(folder: Path) -> None:
    import bpy

    truth = np.load(folder / "truth.npz")
    print("Blender", bpy.app.version_string)

    def from_camera(points: np.ndarray) -> np.ndarray:
        """x right, y down, z forward to Blender's x right, y forward, z up."""
        return points[..., [0, 2, 1]] * [1, 1, -1]

    def named(bone: str) -> str:
        return re.sub(r"\.\d+$", "", bone).replace("_", "-")

    def of(kind: str, side: str) -> list[Any]:
        """Objects of a kind that are below something with the side in its name."""

        def line(one: Any) -> str:
            return "" if one is None else one.name + line(one.parent)

        return [one for one in bpy.data.objects if one.type == kind and side in line(one)]

    def compare(what: str, first: int) -> None:
        """first: the frame of Blender's at which the recording's first is shown."""
        for side in ("left", "right"):
            worst = {"joints": 0.0, "vertices": 0.0, "tips": 0.0}
            for k, frame in enumerate(truth["frames"]):
                bpy.context.scene.frame_set(int(frame) + first)
                graph = bpy.context.evaluated_depsgraph_get()
                (armature,) = (one.evaluated_get(graph) for one in of("ARMATURE", side))
                heads = {named(bone.name): armature.matrix_world @ bone.head for bone in armature.pose.bones}
                found = np.array([heads[str(name)] for name in truth["bones"]])
                away = np.abs(found - from_camera(truth[f"{side}_joints"][k])).max()
                worst["joints"] = max(worst["joints"], away)
                if what == "bvh":  # the end of the last bones, which the other formats have as bones
                    ends = {named(bone.name): armature.matrix_world @ bone.tail for bone in armature.pose.bones}
                    tips = np.array([ends[f"{finger}-phalanx-distal"] for finger in TIPS])
                else:
                    tips = np.array([heads[f"{finger}-tip"] for finger in TIPS])
                worst["tips"] = max(worst["tips"], np.abs(tips - from_camera(truth[f"{side}_tips"][k])).max())
                for one in of("MESH", side):
                    mesh = one.evaluated_get(graph).to_mesh()
                    points = np.array([one.evaluated_get(graph).matrix_world @ vertex.co for vertex in mesh.vertices])
                    wanted = from_camera(truth[f"{side}_vertices"][k])
                    wanted = wanted if len(points) == len(wanted) else wanted[truth[f"{side}_cut"]]
                    worst["vertices"] = max(worst["vertices"], np.abs(points - wanted).max())
            if what == "bvh":
                del worst["vertices"]  # it has no skin
            print(f"{what} {side}: " + ", ".join(f"{name} {away:.1e} m" for name, away in worst.items()))
            assert max(worst.values()) < LIMIT

    for what in ("glb", "usda", "usdc", "bvh"):
        bpy.ops.wm.read_factory_settings(use_empty=True)
        bpy.context.scene.render.fps = round(float(truth["fps"]))
        if what == "glb":
            bpy.ops.import_scene.gltf(filepath=str(folder / "hands.glb"))
            for one in [one for one in bpy.data.objects if one.name.startswith("Icosphere")]:
                bpy.data.objects.remove(one)  # the importer's picture of a bone
        elif what == "bvh":
            for path in sorted((folder / "bvh").glob("*.bvh")):
                bpy.ops.import_anim.bvh(filepath=str(path), global_scale=0.01)
        else:
            bpy.ops.wm.usd_import(filepath=str(folder / f"hands.{what}"))
        compare(what, int(what == "bvh"))


def lerobot(folder: Path) -> None:
    from importlib.metadata import version

    import pyarrow.parquet as pq
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    table = pq.read_table(folder / "set/data/chunk-000/file-000.parquet").to_pylist()
    print("lerobot", version("lerobot"))
    for backend in ("pyav", "torchcodec"):
        rows = LeRobotDataset("palmar/check", root=folder / "set", video_backend=backend)
        step = 1 / rows.fps
        rows = LeRobotDataset(
            "palmar/check",
            root=folder / "set",
            video_backend=backend,
            delta_timestamps={"action": [0.0, step, 2 * step]},
        )
        assert len(rows) == len(table)
        try:
            some = {i: rows[i] for i in range(0, len(rows), 40)}
        except (ImportError, RuntimeError) as err:
            print(f"{backend}: not here ({str(err).splitlines()[0]})")
            continue
        for i, row in some.items():
            for name, value in table[i].items():
                found = row[name][0] if name == "action" else row[name]
                np.testing.assert_array_equal(np.asarray(found), np.asarray(value))
            assert row["task"] == "point"
            assert row["observation.images.camera"].shape == (3, 480, 640)
        assert rows[len(rows) - 1]["action_is_pad"].tolist() == [False, True, True]
        print(f"{backend}: {len(some)} of {len(rows)} rows are what was written")


def dex(folder: Path, urdf: str) -> None:
    from importlib.metadata import version

    import dex_retargeting
    import yaml
    from dex_retargeting.retargeting_config import RetargetingConfig

    configs = Path(dex_retargeting.__file__).parent / "configs" / "teleop"
    config = yaml.safe_load((configs / "allegro_hand_right.yml").read_text())["retargeting"]
    task = RetargetingConfig.from_dict(config | {"urdf_path": urdf, "low_pass_alpha": 1}).build()
    assert np.array_equal(task.optimizer.target_link_human_indices, VECTORS)
    robot, names = task.optimizer.robot, ("wrist", *config["target_task_link_names"])
    order = [robot.dof_joint_names.index(name) for name in task.joint_names]
    vectors = np.load(folder / "truth.npz")["vectors"]
    reached = []
    for wanted in vectors:
        q = np.zeros(robot.dof)
        q[order] = task.retarget(wanted.astype(np.float32))
        robot.compute_forward_kinematics(q)
        places = np.array([robot.get_link_pose(robot.get_link_index(name))[:3, 3] for name in names])
        reached.append(places[1:] - places[0])
    away = np.linalg.norm(np.array(reached) - ALLEGRO * vectors, axis=-1)
    print("dex-retargeting", version("dex_retargeting"), f"{len(vectors)} frames; thumb, index, middle, ring:")
    print(f"mean distance of the robot's fingertips from the person's: {np.round(1000 * away.mean(0), 1)} mm")
    assert away.mean() < 0.015


if __name__ == "__main__":
    _, task, where, *more = sys.argv
    {"make": make, "blender": blender, "lerobot": lerobot, "dex": dex}[task](Path(where), *more)
