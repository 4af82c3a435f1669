"""The pose network: counts, cells, golden vectors of the sheet; what is told can be read back."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from palmar.errors import PalmarError
from palmar.geometry.camera import Camera
from palmar.methods.h2o.model import PAPER, SMALL, Cells, Config, PoseNetwork, corners, surest
from palmar.methods.h2o.objective import PoseLoss, deserved, deserved_of_points
from palmar.methods.h2o.pictures import arrays, in_cells, in_metres, object_pose, target
from palmar.types.firstperson import box_points

H2O_CAMERA = Camera(1280, 720, 636.6593017578125, 636.251953125, 635.283881879317, 366.8740353496978)
TINY = Config("light", 64, 8, 16, objects=3)


def count(config: Config) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in PoseNetwork(config).parameters())


def test_parameters_are_those_that_the_layers_have():
    assert count(PAPER) == 51_634_264
    assert count(replace(PAPER, entities=("right", "object"))) == 51_265_264


def test_the_grid_is_the_papers():
    for config in (PAPER, SMALL):
        assert (config.grid, config.depths, config.depth_step) == (13, 5, 0.15)
    with torch.device("meta"):
        net = PoseNetwork(PAPER).eval()
        cells = net(torch.zeros(1, 416, 416, 3, dtype=torch.uint8, device="meta"))
    assert net.head.out_channels == 1080
    assert cells.points.shape == (1, 3, 5, 13, 13, 21, 3)
    assert cells.objects.shape == (1, 3, 5, 13, 13, 8)


def test_cells_of_known_numbers():
    """Root (.4, -.2, .1) and a free point (1.3, -.5, .05) in cell (6, 7), depth 2."""
    config = replace(PAPER, compatible=True)
    net = PoseNetwork(Config("light", 208, 8, 8)).eval()
    net.config = config
    raw = torch.zeros(1, 1080, 13, 13)
    at = 2 * 3 * 72 + 72  # depth bin 2, the right hand
    raw[0, at : at + 3, 7, 6] = torch.tensor((0.4, -0.2, 0.1))
    raw[0, at + 3 : at + 6, 7, 6] = torch.tensor((1.3, -0.5, 0.05))
    points = net.cells(raw).points[0, 1, 2, 7, 6, :2].numpy()
    np.testing.assert_allclose(points[:, :2] * 32, [[211.158005, 238.405312], [233.6, 208.0]], atol=1e-4)
    np.testing.assert_allclose(points[:, 2] * 0.15, [0.378747, 0.3075], atol=1e-6)
    metres = in_metres(points, H2O_CAMERA, config)
    np.testing.assert_allclose(metres, [[0.008586, 0.027234, 0.378747], [0.040323, -0.003322, 0.3075]], atol=1e-6)


def test_confidence_of_known_distances():
    got = deserved(torch.tensor([0.0, 15, 30, 37.5, 60, 75]), 75.0)
    np.testing.assert_allclose(got, [1, 0.618719, 0.363139, 0.268941, 0.076979, 0], atol=1e-6)
    true = torch.zeros(21, 3)
    found = true + torch.tensor((15 / 32, 0, 0.03 / 0.15))
    assert float(deserved_of_points(found, true, torch.tensor(32.0), 0.15)) == pytest.approx(0.490929, abs=1e-5)


@pytest.mark.parametrize("compatible", [False, True])
@pytest.mark.parametrize("focal", [0.0, 0.5])
def test_cells_and_metres_are_inverse(compatible, focal):
    config = replace(PAPER, compatible=compatible, focal=focal, near=0.1)
    points = np.random.default_rng(0).normal((0, 0, 0.5), 0.08, (3, 21, 3))
    np.testing.assert_allclose(in_metres(in_cells(points, H2O_CAMERA, config), H2O_CAMERA, config), points, atol=1e-9)


def test_the_pose_of_a_known_box():
    """The sheet's example: R = [[0,-1,0],[1,0,0],[0,0,1]], t = (.05,-.02,.4)."""
    half = np.array([0.0195, 0.1053, 0.1158])
    turn = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1.0]])
    box = box_points(-half, half)
    points = box @ turn.T + (0.05, -0.02, 0.4)
    np.testing.assert_allclose(points[1], (-0.0553, -0.0005, 0.5158), atol=1e-9)
    pose = object_pose(points, box)
    np.testing.assert_allclose(pose[:3, :3], turn, atol=1e-9)
    np.testing.assert_allclose(pose[:3, 3], (0.05, -0.02, 0.4), atol=1e-9)


def perfect(target_arrays, config: Config) -> Cells:
    """Cells that say exactly what is wanted, sure in the right cell only."""
    batch = {k: torch.from_numpy(np.asarray(v)) for k, v in target_arrays.items()}
    b, e = batch["points"].shape[:2]
    points = torch.zeros(b, e, config.depths, config.grid, config.grid, 21, 3) + corners(config, torch.device("cpu"))
    confidence = torch.zeros(points.shape[:5])
    objects = torch.zeros(*points.shape[:5], config.objects)
    for i in range(b):
        for k in range(e):
            u, v, z = batch["cell"][i, k].tolist()
            if u >= 0:
                points[i, k, z, v, u] = batch["points"][i, k]
                confidence[i, k, z, v, u] = 1.0
                objects[i, k, z, v, u, batch["object"][i]] = 30.0
    return Cells(points, confidence, torch.zeros(*points.shape[:5], 0), objects)


def test_what_is_wanted_costs_nothing_and_is_read_back(scenes):
    frames = [scenes.frame(0), scenes.frame(1, left=False)]
    made = arrays([target(f, TINY) for f in frames])
    cells = perfect(made, TINY)
    losses = PoseLoss(TINY)(cells, {k: torch.from_numpy(np.asarray(v)) for k, v in made.items()}, 1.0)
    assert float(losses["loss"]) == pytest.approx(0, abs=1e-5)
    found = surest(cells)
    metres = in_metres(found.points[0].numpy(), frames[0].camera, TINY)
    np.testing.assert_allclose(metres[1], frames[0].joints[1], atol=1e-5)
    np.testing.assert_allclose(metres[2], frames[0].points, atol=1e-5)
    assert int(found.objects[0, 2].argmax()) == frames[0].object - 1


def test_an_absent_hand_teaches_no_points_and_no_trust(scenes):
    made = arrays([target(scenes.frame(1, left=False), TINY)])
    batch = {k: torch.from_numpy(np.asarray(v)) for k, v in made.items()}
    assert (batch["cell"][0, 0] == -1).all()
    cells = perfect(made, TINY)
    loss = PoseLoss(TINY)
    base = float(loss(cells, batch, 1.0)["loss"])
    moved = Cells(
        cells.points + torch.eye(3)[0].reshape(3, 1, 1, 1, 1, 1)[None] * 3,
        cells.confidence,
        cells.actions,
        cells.objects,
    )
    assert float(loss(moved, batch, 1.0)["loss"]) == pytest.approx(base)
    sure = cells.confidence.clone()
    sure[:, 0] = 1.0
    doubt = Cells(cells.points, sure, cells.actions, cells.objects)
    cells_of_hand = TINY.depths * TINY.grid**2
    assert float(loss(doubt, batch, 1.0)["loss"]) == pytest.approx(base + 0.5 * 0.1 * cells_of_hand, rel=1e-4)
    assert float(loss(doubt, batch, 0.0)["loss"]) == pytest.approx(base)  # not yet taught


def test_a_few_frames_are_learned(tmp_path, scenes):
    """The loss falls and the wrists are found; pictures are noise that can be learned by heart."""
    from palmar.methods.h2o.predictor import PosePredictor
    from palmar.methods.h2o.training import fit
    from palmar.train.loop import Recipe
    from palmar.types.firstperson import Vocabulary

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        frames = [scenes.frame(i, label=1 + i % 3) for i in range(3)]
        recipe = Recipe("h2o", 0, 6, 120, 3e-3, 5, ema=0.9)
        outcome = fit(frames, TINY, recipe, tmp_path / "run", strength=0.0, threads=1, device="cpu", quiet=True)
        found = PosePredictor(outcome.model, Vocabulary(("none", "a", "b", "c"), ("none",)))(frames)
    finally:
        torch.set_num_threads(before)
    truth = np.stack([f.joints[:, 0] for f in frames])
    assert np.linalg.norm(found.joints[:, :, 0] - truth, axis=-1).max() < 0.08
    assert (found.objects == [f.object for f in frames]).all()
    assert (found.scores > 0.2).all()


def test_bad_configs_are_named(scenes):
    with pytest.raises(PalmarError, match="trunk"):
        Config("vgg")
    with pytest.raises(PalmarError, match="multiple of 32"):
        Config(side=400)
    with pytest.raises(PalmarError, match="entities"):
        Config(entities=("left", "left"))
    with pytest.raises(PalmarError, match="no picture"):
        target(replace(scenes.frame(0), image=None), TINY)
