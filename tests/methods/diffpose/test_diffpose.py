"""Published counts and numbers of every part; the jobs, the converter and the check."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import palmar
from palmar.errors import PalmarError
from palmar.methods.diffpose.check import ONE, OURS, PEAKS, VARIANTS, Check, report
from palmar.methods.diffpose.convert import load_official, own_key
from palmar.methods.diffpose.model import (
    PAPER,
    PAPER_BODY,
    SMALL,
    Config,
    DiffPose,
    candidates,
    codes,
    drawn,
    odds,
    packed,
    soft_bins,
    unpacked,
)
from palmar.methods.diffpose.objective import noise_loss
from palmar.methods.diffpose.predictor import Hypothesiser
from palmar.methods.diffpose.training import Batches, Evaluate, Train, parts
from palmar.nn.diffusion import Cosine
from palmar.tasks.hypotheses import distances
from palmar.train.checks import Runs, brief, trained
from palmar.train.heatmaps import heat_sample, heat_samples
from palmar.train.options import CheckOptions

IDLE_HEAD, IDLE_NORMS = 129, 8_192
"""Layers that the published network has and does not use, for width 1024."""


def count(module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_published_counts():
    with torch.device("meta"):
        body = DiffPose(PAPER_BODY)
        assert count(body.condition) + IDLE_HEAD == 5_008_129
        assert count(body.denoiser) + IDLE_NORMS == 6_404_144
        assert count(DiffPose(PAPER)) + IDLE_HEAD + IDLE_NORMS == 15_124_541
        assert count(DiffPose(Config(joints=21))) + IDLE_HEAD + IDLE_NORMS == 15_130_688
        small = DiffPose(Config(condition=32, hidden=256))
        assert count(small.condition) + IDLE_HEAD == 2_619_425
        assert count(small.denoiser) + IDLE_NORMS // 4 == 468_540


def test_the_schedule_is_the_published_table():
    s = Cosine(25)
    variance, of_clean, of_x = s.posterior
    table = {
        0: (0.005430, 0.994570, 0, 1, 0), 1: (0.013177, 0.981465, 0.003860, 0.708973, 0.291018),
        12: (0.118661, 0.462707, 0.104903, 0.160022, 0.829946), 13: (0.133384, 0.400989, 0.119641, 0.151468, 0.835007),
        23: (0.749026, 0.003881, 0.740317, 0.093507, 0.495148), 24: (0.999, 3.881e-6, 0.995127, 0.062236, 0.031500),
    }  # fmt: skip
    for t, row in table.items():
        np.testing.assert_allclose((s.beta[t], s.kept[t], variance[t], of_clean[t], of_x[t]), row, atol=6e-7)


@pytest.mark.parametrize(
    ("t", "noisy", "mean", "deviation"),
    [
        (0, (1.019388, -1.987194, 0.483903), None, 0.0),
        (12, (0.900126, -1.287151, 0.193512), (0.907078, -1.388309, 0.240615), 0.323887),
        (24, (0.301969, 0.096060, -0.199015), (0.071748, -0.121445, 0.024848), 0.997560),
    ],
)
def test_noising_and_its_posterior(t, noisy, mean, deviation):
    s = Cosine(25)
    clean, noise = torch.tensor([[1.0, -2, 0.5]], dtype=torch.float64), torch.tensor([[0.3, 0.1, -0.2]]).double()
    found = s.noised(clean, torch.tensor([t]), noise)
    np.testing.assert_allclose(found[0], noisy, atol=1e-6)
    np.testing.assert_allclose(np.sqrt(s.posterior[0][t]), deviation, atol=1e-6)
    if mean is not None:
        np.testing.assert_allclose(s.mean(found, t, noise, 30.0)[0], mean, atol=1e-5)
    np.testing.assert_allclose(s.clean(found, t, noise, 30.0), clean, atol=1e-9)


def test_a_perfect_network_leads_back_to_its_pose():
    s, target = Cosine(25), torch.tensor([[0.5, -1.0, 2.0]]).double()

    def noise_of(x, t):
        kept = s.kept[t]
        return (x - np.sqrt(kept) * target) / np.sqrt(1 - kept)

    start = torch.randn(1, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for random in (None, torch.Generator().manual_seed(1)):
        found = s.sampled(start, noise_of, limit=30.0, random=random)
        np.testing.assert_allclose(found, target, atol=1e-6)


@pytest.mark.parametrize(
    ("place", "bins"),
    [
        (-1.0, {0: 1, 1: 0.487535}),
        (0.0, {30: 0.133474, 31: 0.849118, 32: 0.849118, 33: 0.133474}),
        (0.25, {38: 0.208128, 39: 0.913119, 40: 0.771273, 41: 0.073355}),
        (0.96875, {61: 0.475077, 62: 0.999845, 63: 0.5}),
    ],
)
def test_soft_bins(place, bins):
    expected = np.zeros(64)
    for i, value in bins.items():
        expected[i] = value
    np.testing.assert_allclose(soft_bins(torch.tensor(place, dtype=torch.float64)), expected, atol=1e-6)


def test_codes_of_samples_are_their_soft_bins_weighed_and_summed():
    samples = torch.from_numpy(candidates(heat_sample("test", 0).heat[None], np.random.default_rng(0), 8)).double()
    plain = (soft_bins(samples[..., :2]).flatten(-2) * samples[..., 2:]).sum(2)
    torch.testing.assert_close(codes(samples), plain)


def test_maps_drawn_from_many_times_at_once():
    """Each draw has the highest cell in front and its own others, which stand where the map is hot."""
    heat = heat_sample("test", 1).heat
    found = drawn(heat, np.random.default_rng(0), 8, 5)
    assert found.shape == (5, 21, 8, 3)
    np.testing.assert_array_equal(found[:, :, 0], np.broadcast_to(found[0, :, 0], (5, 21, 3)))
    assert not np.array_equal(found[0], found[1])
    cells = np.round(found[..., :2] * 32 + 32).astype(int)
    np.testing.assert_allclose(heat[np.arange(21)[:, None], cells[..., 1], cells[..., 0]], found[..., 2])
    assert found[..., 2].min() > 0
    np.testing.assert_allclose(found[:, :, 0, 2], np.broadcast_to(heat.max((1, 2)), (5, 21)))


def test_velocity_and_noise_mean_the_same_pose():
    s, clean, noise = Cosine(25), torch.randn(3, 6).double(), torch.randn(3, 6).double()
    for t in (0, 12, 24):
        step = torch.full((3,), t)
        noisy, velocity = s.noised(clean, step, noise), s.velocity(clean, step, noise)
        torch.testing.assert_close(s.noise(noisy, t, velocity), noise)
        torch.testing.assert_close(s.clean(noisy, t, s.noise(noisy, t, velocity), 30.0), clean)


@pytest.mark.parametrize("says", ["noise", "velocity"])
def test_what_a_network_says_is_what_it_learns_and_what_sampling_takes(says):
    """A denoiser that always means one pose is right of it, and leads there from anywhere."""
    config = replace(SMALL, hidden=16, condition=2, says=says, noises=3)
    net = DiffPose(config).eval()
    one = torch.linspace(-1, 1, config.numbers)

    class Means(torch.nn.Module):
        def forward(self, x, step, condition):
            kept = torch.from_numpy(net.schedule.kept).float()[step.long()][:, None]
            noise = (x - kept.sqrt() * one) / (1 - kept).sqrt()
            return noise if says == "noise" else kept.sqrt() * noise - (1 - kept).sqrt() * one

    net.denoiser = Means()
    samples = candidates(heat_sample("test", 0).heat[None], np.random.default_rng(0), config.samples)
    pose = one.view(3, -1).T[None].numpy() / config.scale
    said, true = net(torch.from_numpy(packed(samples, pose, config)))
    assert said.shape == true.shape == (config.noises, config.numbers)
    torch.testing.assert_close(said, true, atol=2e-3, rtol=2e-3)
    found = net.poses(torch.from_numpy(samples), torch.Generator().manual_seed(0))
    np.testing.assert_allclose(found.numpy(), pose, atol=1e-4)


def test_poses_of_a_few_hands_are_learned_by_their_maps():
    """The small network, taught four hands, gives each its own poses again: the condition leads."""
    data = heat_samples("train", 4)
    recipe = brief(150, 16, 3e-3, 0, weight_decay=0.0, ema=0.9, decay=0.9)
    config = replace(SMALL, hidden=128, dropped=0.0)
    net = trained(lambda: DiffPose(config), noise_loss, Batches(data, config, size=16, seed=0), recipe, CheckOptions())
    found = Hypothesiser(net)(np.stack([one.heat for one in data]), 4)
    gaps = np.stack([distances(found, np.stack([one.pose] * 4)).mean((1, 2)) for one in data])  # true, of whose maps
    assert (gaps.argmin(0) == np.arange(4)).all()
    assert gaps.diagonal().mean() < 0.4 * gaps[~np.eye(4, dtype=bool)].mean()


def test_golden_vectors():
    net = DiffPose(PAPER_BODY).double().eval()
    for name, p in net.named_parameters():
        i = torch.arange(p.numel(), dtype=torch.float64)
        if "norm" in name:
            value = torch.full_like(i, float(name.endswith("weight")))
        elif p.ndim >= 2:
            value = (torch.sin(1.7 * (i + 1)) / p.shape[1] ** 0.5).float().double()
        else:
            value = (0.01 * torch.cos(0.3 * i)).float().double()
        p.data = value.view(p.shape)
    heat = np.full((16, 64, 64), -0.01)
    for j in range(16):
        heat[j, 10 + j, 40 - j] = 0.5 + 0.01 * j
    samples = candidates(heat, np.random.default_rng(0), 32)
    np.testing.assert_allclose(samples[0], np.tile([0.25, -0.6875, 0.5], (32, 1)))
    np.testing.assert_allclose(samples[1, 31], [0.21875, -0.65625, 0.51], atol=1e-7)
    with torch.no_grad():
        condition = net.condition(torch.from_numpy(samples.astype(np.float64))[None])
        first = (1.802999, 1.377087, 0.279876, -0.951238, -1.713506)
        np.testing.assert_allclose(condition[0, :5], first, atol=2e-6)
        np.testing.assert_allclose(condition[0, 2045:], (0.768169, 1.641614, 1.708751), atol=2e-6)
        assert float(condition.sum()) == pytest.approx(2.475339, abs=1e-4)
        x = 0.5 * torch.sin(0.3 * torch.arange(48, dtype=torch.float64))[None]
        noise = net.denoiser(x, torch.tensor([7.0], dtype=torch.float64), condition)
    np.testing.assert_allclose(noise[0, :4], (0.017546, 0.018269, 0.017035, 0.013952), atol=2e-6)
    np.testing.assert_allclose(noise[0, 46:], (-0.005428, -0.007232), atol=2e-6)


def test_samples_follow_the_heat():
    heat = np.zeros((2, 64, 64))
    heat[0, 10, 20], heat[0, 40, 50] = 0.25, 0.75
    drawn = candidates(heat, np.random.default_rng(0), 4001)
    assert drawn[0, 0].tolist() == [(50 - 32) / 32, (40 - 32) / 32, 0.75]  # the highest comes first
    assert (drawn[0, 1:, 2] == 0.75).mean() == pytest.approx(0.75, abs=0.03)
    assert np.unique(drawn[1, 1:, :2], axis=0).shape[0] > 2000  # an empty map is drawn evenly
    again = candidates(heat, np.random.default_rng(0), 4001, odds(heat))
    np.testing.assert_array_equal(drawn, again)


def test_packing():
    rng = np.random.default_rng(0)
    samples, poses = rng.normal(size=(3, 21, 32, 3)).astype(np.float32), rng.normal(size=(3, 20, 3))
    back, vector = unpacked(torch.from_numpy(packed(samples, poses, SMALL)), SMALL)
    np.testing.assert_array_equal(back, samples)
    np.testing.assert_allclose(vector[:, :20] / SMALL.scale, poses[..., 0], atol=1e-6)  # all x first
    np.testing.assert_allclose(vector[:, 40:] / SMALL.scale, poses[..., 2], atol=1e-6)


def test_heat_maps_are_of_their_hands():
    hands = heat_samples("train", 30)
    peaks = [one for one in hands if not one.unsure.any()]
    assert 5 < len(peaks) < 25
    for one in peaks:
        x, y = one.heat.reshape(21, -1).argmax(1) % 64, one.heat.reshape(21, -1).argmax(1) // 64
        assert x.min() > 0
        assert y.max() < 63
        seen = np.stack([x, y], 1)[:, None] - np.stack([x, y], 1)
        true = one.pose[:, None, :2] - one.pose[:, :2]
        assert np.corrcoef(seen.ravel(), true.ravel())[0, 1] > 0.9  # up to perspective
    np.testing.assert_array_equal(heat_sample("train", 3).heat, hands[3].heat)
    assert np.abs(heat_sample("test", 3).pose - hands[3].pose).max() > 0.005
    split = parts(hands)
    assert len(split["sure"]) == len(peaks)
    assert len(split["sure"]) + len(split["unsure"]) == 30


@pytest.mark.parametrize("change", [{}, {"samples": 1}, {"kind": "regression"}])
def test_every_kind_learns(change):
    torch.manual_seed(0)
    config = replace(SMALL, condition=4, hidden=16, layers=1, **change)
    net, batch = DiffPose(config), Batches(heat_samples("train", 3), config, size=4, seed=0)(0)
    said, true = net(torch.from_numpy(batch["image"]))
    (said - true).square().mean().backward()
    assert all(p.grad is not None for p in net.parameters())


def official_names(net: DiffPose) -> dict[str, str]:
    """Ours -> theirs."""
    out = {}
    for name in net.state_dict():
        theirs = name.replace("denoiser.into", "denoise_fn.upscale").replace("denoiser.out", "denoise_fn.pose")
        for i in (0, 1):
            theirs = theirs.replace(f"denoiser.blocks.{i}.first", f"denoise_fn.res_pose{i + 1}.l1")
            theirs = theirs.replace(f"denoiser.blocks.{i}.second", f"denoise_fn.res_pose{i + 1}.l2")
        theirs = theirs.replace("condition.project", "condition_emb.pos_proj").replace(
            "condition.joint", "condition_emb.joint_embedding.weight"
        )
        theirs = theirs.replace("condition.transformer", "condition_emb.transformer")
        out[name] = theirs.replace("condition.out", "condition_emb.pos_out")
    return out


def test_official_layout_comes_in(tmp_path):
    config = replace(PAPER_BODY, condition=4, hidden=16, layers=1)
    torch.manual_seed(0)
    net = DiffPose(config).eval()
    names = official_names(net)
    assert {"denoise_fn.upscale.weight", "denoise_fn.res_pose2.l1.bias", "condition_emb.pos_proj.weight",
            "condition_emb.joint_embedding.weight", "condition_emb.pos_out.bias",
            "condition_emb.transformer.layers.0.self_attn.in_proj_weight"} <= set(names.values())  # fmt: skip
    state = {theirs: net.state_dict()[ours] for ours, theirs in names.items()}
    assert all(own_key(theirs) == ours for ours, theirs in names.items())
    extra = {"betas": torch.zeros(25), "posterior_mean_coef1": torch.zeros(25), "p2_loss_weight": torch.ones(25),
             "denoise_fn.res_pose1.bn1.weight": torch.ones(16), "condition_emb.conf_out.bias": torch.zeros(1),
             "condition_emb.pos_encoder.centers": torch.zeros(64)}  # fmt: skip
    torch.save({"step": 1, "model": state | extra, "ema": {f"ema_model.{k}": v + 1 for k, v in state.items()}},
               tmp_path / "m.pt")  # fmt: skip
    found = load_official(tmp_path / "m.pt", config)
    for one, two in zip(found.parameters(), net.parameters(), strict=True):
        torch.testing.assert_close(one, two)
    mean = load_official(tmp_path / "m.pt", config, average=True)
    torch.testing.assert_close(mean.denoiser.out.bias, net.denoiser.out.bias + 1)
    torch.save({"model": {"a": torch.zeros(1)}}, tmp_path / "bad.pt")
    with pytest.raises(PalmarError, match="has unknown a"):
        load_official(tmp_path / "bad.pt", config)
    torch.save([1], tmp_path / "list.pt")
    with pytest.raises(PalmarError, match='holds no "model" of tensors'):
        load_official(tmp_path / "list.pt", config)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("diffpose") / "run"
    job = Train(count=4, folder=folder, steps=2, batch=4, quiet=True, device="cpu")
    assert job.run().figures["finished"]
    assert job.run().figures["step"] == 2
    return folder


def test_a_run_is_scored_and_loaded(run):
    figures = Evaluate(run, hands=6, hypotheses=3).run().figures
    assert {"mpjpe_mm", "pa_mpjpe_mm", "cps_mm", "calibration", "spread_mm"} <= set(figures)
    network, heat = palmar.load("diffpose", run), np.stack([heat_sample("test", i).heat for i in range(2)])
    found = network(heat, 5)
    assert found.shape == (2, 5, 21, 3)
    np.testing.assert_array_equal(found[:, :, 0], 0)
    assert np.ptp(found, axis=1).max() > 1e-4  # drawn again, another
    np.testing.assert_array_equal(network(heat, 5), found)
    with pytest.raises(PalmarError, match=r"heat maps are \[n, 21, 64, 64\]"):
        network(heat[:, :16], 5)


def test_the_check_runs_and_can_fail():
    found = Check(hands=4, test=6, hypotheses=2, steps=1, batch=2, seeds=(0,)).run()
    assert set(found.figures["runs"]) == set(VARIANTS)

    def of(ours: float, calibration: float = 0.5, follows: float = 0.2):
        row = {"unsure pa_mpjpe_mm": 10.0, "unsure mpjpe_mm": 10.0, "sure pa_mpjpe_mm": 8.0}
        spread = {"unsure calibration": calibration, "unsure spread_follows_doubt": follows}
        runs = {PEAKS: [row | spread] * 2, ONE: [{k: v + 2 for k, v in row.items()}] * 2}
        runs[OURS] = [{k: v + ours for k, v in row.items()} | spread] * 2
        return report(Runs(runs), "nowhere").passed

    assert of(-0.5) is True
    assert of(0.0) is False
    assert of(-0.5, calibration=0.9) is False
    assert of(-0.5, follows=-0.1) is False
