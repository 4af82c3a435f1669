"""Published counts and worked numbers; the regressor; the jobs and the check."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import palmar
from palmar.errors import PalmarError
from palmar.hand import HandModel
from palmar.methods.rejshand.check import COLUMNS, OURS, VARIANTS, Check, report
from palmar.methods.rejshand.model import SMALL, Config, CoordinateAttention, ReJSHand, sampled, sine_positions
from palmar.methods.rejshand.objective import l1
from palmar.methods.rejshand.training import Evaluate, Train, fitted
from palmar.nn.fastvit import FastVit, FastVitConfig
from palmar.train.checks import Runs


def count(module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_published_counts():
    with torch.device("meta"):
        network = ReJSHand()
        trunk = network.trunk
        assert count(network) == 48_871_771
        assert count(network.head) == 5_969_653
        assert count(network.head.deconv) == 4_981_248
        assert [count(s.encoder) for s in network.head.stages] == [394_752, 99_072, 24_960]
        assert [count(s.upsample) for s in network.head.stages] == [1_848, 28_560, 262_186]
        assert count(network.keypoints) == 51_114
        assert count(trunk) == 42_851_004
        assert count(trunk.stem) == 9_728
        stages = [count(d) + count(s) for d, s in zip(trunk.downs, trunk.stages, strict=True)]
        assert stages[:3] == [311_904, 1_211_440, 13_836_256]
        assert stages[3] + count(trunk.places) == 27_278_528
        assert count(trunk.final) == 203_148


def test_fastvit_is_a_map_at_stride_32():
    torch.manual_seed(0)
    small = FastVit(FastVitConfig((8, 16, 32, 64), (1, 1, 1, 1), head=16)).eval()
    x = torch.randn(2, 3, 64, 96)
    assert small(x).shape == (2, 128, 2, 3)
    torch.testing.assert_close(small(x)[1:], small(x[1:]))  # samples do not see each other


def test_sine_positions():
    s = sine_positions(28, 28, 256)
    first = [0.2225, 0.9749, 0.1931, 0.9812]
    np.testing.assert_allclose(s[:4, 0, 0], first, atol=5e-5)
    np.testing.assert_allclose(s[128:132, 0, 0], first, atol=5e-5)
    np.testing.assert_allclose(s[:4, 27, 5], [0, 1, -0.7461, 0.6658], atol=5e-5)
    np.testing.assert_allclose(s[126:130, 27, 5], [7.256e-4, 1.0, 0.97493, 0.22252], atol=5e-6)
    np.testing.assert_allclose(s[254:, 27, 5], [1.555e-4, 1.0], atol=1e-6)


@pytest.mark.parametrize(
    ("uv", "value"), [((0, 0), 0), ((1, 1), 15), ((0.5, 0.5), 7.5), ((0.25, 0.75), 9.75), ((1.2, -0.1), 3)]
)
def test_sampling(uv, value):
    plane = torch.arange(16.0).view(1, 1, 4, 4)
    assert float(sampled(plane, torch.tensor([[uv]], dtype=torch.float32))) == pytest.approx(value, abs=1e-5)


def test_loss_worked_out():
    found = torch.tensor([[[0.1, 0.2], [0.5, 0.5], [0.9, 0.1]], [[0, 0], [1, 1], [0.3, 0.3]]])
    true = torch.tensor([[[0.1, 0.3], [0.4, 0.7], [0.9, 0.1]], [[0.1, 0], [0.8, 1], [0.3, 0]]])
    weight = torch.tensor([[1.0, 0, 1], [1, 1, 1]])
    assert float(l1(found, true, weight)) == pytest.approx(0.116667, abs=1e-6)
    assert float(l1(found, true, valid=torch.tensor([0.0, 1.0]))) == pytest.approx(0.1, abs=1e-6)


def test_a_regressor_is_found_from_what_it_made():
    model, rng = HandModel.default(), np.random.default_rng(0)
    vertices = rng.normal(size=(200, 150, 3)) * 0.05 + rng.normal(size=(200, 1, 3))
    true = rng.dirichlet(np.full(150, 0.05), 21)
    found = fitted(vertices, true @ vertices)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-9)
    new = rng.normal(size=(5, 150, 3)) * 0.05 + 0.6
    np.testing.assert_allclose(found @ new, true @ new, atol=1e-4)
    few = rng.normal(size=(3, 1690, 3)) * 0.05  # fewer equations than vertices: still through what is known
    joints = model.landmark_regressor @ few
    np.testing.assert_allclose(fitted(few, joints) @ few, joints, atol=1e-5)


@pytest.mark.parametrize("change", [{}, {"graph": True}, {"coordinate": True}, {"head": "grid"}, {"head": "pooled"}])
def test_variants_answer_and_learn(change):
    torch.manual_seed(0)
    network = ReJSHand(replace(SMALL, **change), HandModel.default().landmark_regressor)
    found = network(torch.from_numpy(np.random.default_rng(0).integers(0, 255, (2, 128, 128, 3), np.uint8)))
    assert found.vertices.shape == (2, 1690, 3)
    torch.testing.assert_close(found.uv, torch.full_like(found.uv, 0.5), atol=0.2, rtol=0)
    (found.joints.square().sum() + found.uv.square().sum()).backward()
    assert all(p.grad is not None and p.grad.any() for p in network.head.parameters() if p.ndim > 1)


def test_coordinate_attention_gates_rows_and_columns():
    torch.manual_seed(0)
    gate = CoordinateAttention(8).eval()
    x = torch.randn(1, 8, 3, 5)
    share = gate(x) / x
    assert ((share > 0) & (share < 1)).all()
    logit = share.log()  # a product of a row's and a column's
    torch.testing.assert_close(
        logit[0, :, 0, 0] + logit[0, :, 2, 4], logit[0, :, 0, 4] + logit[0, :, 2, 0], atol=1e-4, rtol=1e-4
    )


def test_vertices_are_those_of_the_layers_in_the_papers_order():
    torch.manual_seed(0)
    network = ReJSHand(SMALL).eval()
    head, features, uv = network.head, torch.randn(2, 192, 4, 4), torch.rand(2, 21, 2)
    tokens = sampled(head.deconv(features) + head.places, uv)
    for stage in head.stages:
        tokens = stage(tokens)
    torch.testing.assert_close(head(features, uv), head.pred_final(tokens), rtol=1e-4, atol=1e-5)


def test_keypoints_by_place_tell_where():
    network = ReJSHand(SMALL)
    torch.nn.init.normal_(network.keypoints.weight)
    features = torch.randn(1, 192, 4, 4)
    torch.testing.assert_close(
        network.read(features).uv[0].flatten(),
        (features.flatten() / 16) @ network.keypoints.weight.T + network.keypoints.bias,
    )
    assert not torch.allclose(network.read(features).uv, network.read(features.flip(-1)).uv)
    whole = ReJSHand(replace(SMALL, by_place=False))
    torch.testing.assert_close(whole.read(features).uv, whole.read(features.flip(-1)).uv)


def test_configs_that_cannot_be():
    with pytest.raises(PalmarError, match="21 tokens at first"):
        Config(tokens=(20, 80, 320))
    with pytest.raises(PalmarError, match="multiples of the heads"):
        Config(heads=7)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rejshand") / "run"
    job = Train(data="drawn:6", folder=folder, steps=2, batch=2, quiet=True, device="cpu")
    assert job.run().figures["finished"]
    assert job.run().figures["step"] == 2
    return folder


def test_a_run_is_scored_loaded_and_stands_in(run, tmp_path):
    from palmar.cli import main
    from palmar.media.picture import write_image

    figures = Evaluate(run, data="drawn:4").run().figures
    assert {"pa_mpvpe_mm", "pa_mpjpe_mm", "f5", "fps"} <= set(figures)
    predictor = palmar.load("rejshand", run)
    found = predictor(np.zeros((2, 128, 128, 3), np.uint8))
    np.testing.assert_allclose(found.joints[:, 0], 0, atol=1e-6)
    np.testing.assert_allclose(
        HandModel.default().landmark_regressor @ found.vertices, found.joints, atol=1e-5
    )  # the regressor is kept with the weights
    with pytest.raises(PalmarError, match=r"reads \[n, 128, 128, 3\]"):
        predictor(np.zeros((2, 64, 64, 3), np.uint8))
    write_image(tmp_path / "a.png", np.full((96, 128, 3), 90, np.uint8))
    words = ["track", str(tmp_path / "a.png"), "-o", str(tmp_path / "out"), "--mesh", f"rejshand:{run}"]
    assert main(words) == 0


def test_the_check_runs_and_can_fail(monkeypatch):
    monkeypatch.setattr("palmar.methods.rejshand.check.cost", lambda: (0.1, 50.0))
    names = (OURS, "a fixed grid")
    found = Check(data="drawn:6", test="drawn:4", steps=1, batch=2, seeds=(0,), variants=names).run()
    assert set(found.figures["runs"]) == set(names)

    def of(ours: float, share: float = 0.1):
        row = dict.fromkeys(COLUMNS, 10.0)
        runs = {name: [row, {k: v + 0.2 for k, v in row.items()}] for name in VARIANTS}
        runs[OURS] = [{k: v + ours for k, v in row.items()} for row in runs[OURS]]
        return report(Runs(runs), "nowhere", share, 10.0).passed

    assert of(-0.5) is True
    assert of(-0.05) is False
    assert of(-0.5, share=0.2) is False
    with pytest.raises(PalmarError, match="variants out of"):
        Check(variants=()).run()
