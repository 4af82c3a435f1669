"""The jobs: train, go on, score, check; the predictor; the recogniser of actions."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from palmar.errors import PalmarError
from palmar.methods import methods
from palmar.methods.qort_former import METHOD
from palmar.methods.qort_former import check as checks
from palmar.methods.qort_former import training as jobs
from palmar.methods.qort_former.action import (
    PAPER_ACTION,
    PAPER_ACTION_FPHA,
    SMALL_ACTION,
    ActionConfig,
    ActionTransformer,
    recognise,
    sampled,
    vectors,
)
from palmar.methods.qort_former.convert import count
from palmar.methods.qort_former.model import TINY, Config, QortFormer
from palmar.methods.qort_former.predictor import POSE, QortPredictor
from palmar.tasks.method import load
from palmar.train import evaluation
from palmar.train.checks import Runs
from palmar.train.described import read_network, write_network
from palmar.train.loop import Recipe

CONFIG = replace(TINY, objects=3, channels=32, groups=8, hidden=64, hand_queries=4, object_queries=3, vertices=40)
ACTIONS = replace(SMALL_ACTION, frames=8, actions=3, objects=3, vertices=20, object_points=20, part=8, layers=1)


@pytest.fixture
def opened(monkeypatch, split):
    """Every --data is the split made by hand."""
    for module in (jobs, checks, evaluation):
        monkeypatch.setattr(module, "open_split", lambda text, part="train", vocabulary=None: split)


def test_the_card_leads_to_jobs():
    assert methods()["qort_former"] == METHOD
    for network in METHOD.networks:
        assert hasattr(load(network.train), "run")
        assert hasattr(load(network.evaluate), "run")
    assert hasattr(load(METHOD.check), "run")


@pytest.fixture(scope="module")
def trained(split, tmp_path_factory):
    """A network that has seen twelve frames many times."""
    folder = tmp_path_factory.mktemp("run")
    write_network(folder, CONFIG, split.vocabulary, "hand-made", name=POSE)
    recipe = Recipe("qort-former", 0, 6, 70, 3e-3, 5, ema=0.9)
    outcome = jobs.fit(split.frames, CONFIG, recipe, folder, strength=0.3, threads=1, device="cpu", quiet=True)
    return folder, outcome


def test_it_learns_the_frames_it_sees(trained, split):
    folder, _ = trained
    torch.manual_seed(0)
    fresh = QortPredictor(QortFormer(CONFIG), split.vocabulary)(split.frames)
    before = jobs.score(fresh, split.frames, "").figures
    report = jobs.score(QortPredictor.of_run(folder)(split.frames), split.frames, "here")
    for name in ("mepe_left_mm", "mepe_right_mm", "mepe_object_mm"):
        assert report.figures[name] < 0.5 * before[name]
    assert report.figures["object_top1"] > 0.6
    assert report.figures["fps"] > 1
    assert "here" in report.table


def test_the_predictor_gives_both_hands_in_metres(trained, split):
    folder, _ = trained
    found = QortPredictor.of_run(folder)(split.frames[:2])
    assert found.joints.shape == (2, 2, 21, 3)
    assert np.isfinite(found.joints).all()
    assert set(found.objects) <= {1, 2, 3}
    assert ((found.scores >= 0) & (found.scores <= 1)).all()
    frame = split.frames[1]
    pixels = frame.camera.project(found.joints[1])
    assert np.median(np.abs(pixels - frame.keypoints)) < 20
    with pytest.raises(PalmarError, match="no frames"):
        QortPredictor.of_run(folder)([])
    with pytest.raises(PalmarError, match="no picture"):
        QortPredictor.of_run(folder)([replace(frame, image=None)])


def test_a_run_says_what_it_is_of(trained, split, tmp_path):
    folder, _ = trained
    config, words = read_network(folder, Config, name=POSE)
    assert config == CONFIG
    assert words == split.vocabulary
    with pytest.raises(PalmarError, match="another network"):
        write_network(folder, replace(CONFIG, channels=64), words, "x", name=POSE)
    with pytest.raises(PalmarError, match="qort-action"):
        read_network(folder, ActionConfig, name="qort-action")
    with pytest.raises(PalmarError, match="cannot be read"):
        read_network(tmp_path, Config, name=POSE)
    (tmp_path / "network.json").write_text("[1]")
    with pytest.raises(PalmarError, match="one JSON object"):
        read_network(tmp_path, Config, name=POSE)
    (tmp_path / "network.json").write_text(
        json.dumps({"network": "qort-former", "config": {"odd": 1}, "vocabulary": {}})
    )
    with pytest.raises(PalmarError, match=r"network\.json"):
        read_network(tmp_path, Config, name=POSE)


def test_train_and_eval_of_the_command_line(opened, tmp_path):
    run = tmp_path / "run"
    job = jobs.TrainPose(
        "any", run, size="tiny", channels=32, height=96, width=128, hand_queries=3, object_queries=3, vertices=30,
        steps=2, batch=2, threads=1, device="cpu", quiet=True,
    )  # fmt: skip
    report = job.run()
    assert report.figures["finished"]
    assert read_network(run, Config, name=POSE)[0].width == 128
    assert job.run().figures["step"] == 2  # nothing left to do
    scored = jobs.EvaluatePose(run, data="any", limit=3).run()
    assert scored.figures["frames"] == 3
    with pytest.raises(PalmarError, match="another network"):
        replace(job, channels=64).run()


# --------------------------------------------------------------------------------------------------------------- check


def test_the_check_trains_every_variant(split):
    job = checks.Check("any", steps=1, batch=2, seeds=(0, 1), variants=("QORT-Former", "no patches"))
    report = job.compare(split.frames[:4], split.frames[4:8], CONFIG, split.vocabulary)
    counts = {name: len(runs) for name, runs in report.figures["runs"].items()}
    assert counts == {"mean of training": 1, "QORT-Former": 2, "no patches": 2}
    assert "undivided queries is worse (mean)" not in report.figures["claims"]
    assert len(report.figures["claims"]) == 3
    with pytest.raises(PalmarError, match="variants"):
        replace(job, variants=("no patches",)).compare([], [], CONFIG, split.vocabulary)


def test_a_check_fails_where_an_idea_is_not_missed():
    run = {"left": 1.0, "right": 1.0, "object": 1.0, "mean": 1.0, "hands": 1.0, "mean with contact": 1.0}
    good = {
        name: [run | {"contact_auc": 0.9, **{k: run[k] + (name != "QORT-Former") for k in run}}]
        for name in checks.VARIANTS
    }
    fast = {"fps_ours": 20.0, "fps_many": 8.0}
    assert checks.report(Runs(dict(good)), run, fast, 1).passed
    assert not checks.report(Runs(dict(good)), run, fast | {"fps_many": 11.0}, 1).passed
    for name in list(checks.VARIANTS)[1:]:
        same = good | {name: good["QORT-Former"]}
        assert not checks.report(Runs(same), run, fast, 1).passed


def test_the_area_under_the_curve_is_the_share_of_ordered_pairs():
    rng = np.random.default_rng(0)
    scores, positive = rng.integers(0, 5, 40).astype(float), rng.random(40) < 0.4
    pairs = [(a > b) + (a == b) / 2 for a in scores[positive] for b in scores[~positive]]
    assert checks.area_under_curve(scores, positive) == pytest.approx(np.mean(pairs))
    assert checks.area_under_curve(np.ones(4), np.array([True, False, True, False])) == 0.5
    assert np.isnan(checks.area_under_curve(scores, np.zeros(40, bool)))


def test_errors_are_of_what_is_there(split):
    truth = np.nan_to_num(np.stack([f.joints for f in split.frames]))
    points = np.stack([f.points for f in split.frames]) + np.float32(0.01)
    moved = checks._millimetres(truth + 0.02, points, split.frames, np.zeros(12, bool))
    assert moved["left"] == pytest.approx(20 * 3**0.5, rel=1e-4)
    assert moved["object"] == pytest.approx(10 * 3**0.5, rel=1e-4)
    assert moved["mean"] == pytest.approx((40 + 10) / 3 * 3**0.5, rel=1e-4)
    assert np.isnan(moved["mean with contact"])


# -------------------------------------------------------------------------------------------------------------- action


def test_the_recogniser_has_the_published_number_of_parameters():
    with torch.device("meta"):
        h2o, fpha = (ActionTransformer(replace(c, compatible=True)) for c in (PAPER_ACTION, PAPER_ACTION_FPHA))
        clean = ActionTransformer(PAPER_ACTION)
    assert count(h2o) == 5_649_937
    assert count(fpha) == 3_599_367
    assert count(clean) == 5_649_937 - 200_100
    assert (PAPER_ACTION.width, PAPER_ACTION_FPHA.width) == (308, 204)


def test_clips_are_sampled_as_documented():
    assert sampled(81, 64)[:12].tolist() == [0, 1, 2, 3, 5, 6, 7, 8, 10, 11, 12, 13]
    assert len(set(sampled(81, 64))) == 64
    assert sampled(40, 64)[:12].tolist() == [0, 0, 1, 1, 2, 3, 3, 4, 5, 5, 6, 6]
    with pytest.raises(PalmarError, match="without frames"):
        sampled(0, 64)


def test_a_plain_recomputation_of_the_recogniser_agrees():
    torch.manual_seed(9)
    net = ActionTransformer(ACTIONS).eval()
    x = torch.randn(2, ACTIONS.frames, ACTIONS.inputs)
    with torch.no_grad():
        found = net(x).numpy()
    w = {name: p.detach().double().numpy() for name, p in net.named_parameters()}

    def linear(y, name):
        return y @ w[f"{name}.weight"].T + w.get(f"{name}.bias", 0.0)

    def norm(y, name):
        c = y - y.mean(-1, keepdims=True)
        return c / np.sqrt((c**2).mean(-1, keepdims=True) + 1e-5) * w[f"{name}.weight"] + w[f"{name}.bias"]

    erf = torch.special.erf
    for i in range(2):
        y = x[i].double().numpy()
        v, o = 80, 80
        tokens = np.concatenate(
            [
                linear(y[:, :v], "hands.0"),
                linear(y[:, v : 2 * v], "hands.1"),
                linear(y[:, 2 * v : 2 * v + o], "object"),
                y[:, 2 * v + o :],
            ],
            1,
        )
        h = np.concatenate([w["class_token"][0], tokens]) + w["places"][0]
        n = norm(h, "blocks.0.norms.0")
        q, k, value = np.split(n @ w["blocks.0.attention.inward.weight"].T, 3, axis=1)
        heads = []
        for s in (0, 32):
            score = q[:, s : s + 32] @ k[:, s : s + 32].T / 32**0.5
            e = np.exp(score - score.max(1, keepdims=True))
            heads.append(e / e.sum(1, keepdims=True) @ value[:, s : s + 32])
        h = h + linear(np.concatenate(heads, 1), "blocks.0.attention.outward")
        z = linear(norm(h, "blocks.0.norms.1"), "blocks.0.mlp.0")
        z = z / 2 * (1 + erf(torch.from_numpy(z) / 2**0.5).numpy())
        h = norm(h + linear(z, "blocks.0.mlp.3"), "norm")
        np.testing.assert_allclose(found[i], linear(norm(h[0], "head.0"), "head.1"), atol=1e-5)


def test_vectors_hold_meshes_contact_and_class(split):
    clip = split.clips[1]
    x = vectors(clip, ACTIONS)
    assert x.shape == (8, ACTIONS.inputs)
    assert (x[:, -3:].argmax(1) + 1 == clip.objects[0]).all()
    without = vectors(clip, replace(ACTIONS, contact=False))
    points = np.arange(ACTIONS.inputs - 3).reshape(-1, 4)
    np.testing.assert_array_equal(x[:, points[:, :3].ravel()], without[:, points[:, :3].ravel()])
    assert (without[:, points[:, 3]] == 0).all()
    assert x[:, points[:, 3]].max() > 0.01
    right = x[:, 80:160].reshape(8, 20, 4)[..., :3]
    assert np.linalg.norm(right.mean(1) - clip.joints[sampled(12, 8), 1].mean(1), axis=-1).max() < 0.05


def test_actions_are_learned_scored_and_kept(opened, split, tmp_path):
    run = tmp_path / "run"
    job = jobs.TrainAction(
        "any", run, frames=8, vertices=20, object_points=20, steps=60, batch=8, rate=2e-3, threads=1, device="cpu",
        quiet=True,
    )  # fmt: skip
    assert job.run().figures["finished"]
    report = jobs.EvaluateAction(run, data="any").run()
    assert report.figures["top-1"] > 0.8
    config, words = read_network(run, ActionConfig, name="qort-action")
    assert config.actions == len(words.actions) == 3
    assert recognise(ActionTransformer(config), []).shape == (0, 3)
