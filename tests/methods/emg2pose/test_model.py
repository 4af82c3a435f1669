"""The networks: counts, reach, golden vectors of the official modules, laws of the roll-out."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

import scipy.signal
import torch
from torch import nn

from palmar.errors import PalmarError
from palmar.methods.emg2pose.model import (
    PAPER,
    Config,
    Lstm,
    Pointwise,
    Rollout,
    SensingDynamics,
    Smu,
    Temporal,
    build,
    reach,
    slow,
    steady,
)

TINY = Config(width=16, features=8, hidden=12)


def test_the_decoder_is_an_lstm_step_by_step():
    decoder, x = Lstm(TINY, 20), torch.randn(5, 3, TINY.features + 20)
    whole, memory, found = decoder.lstm(x)[0], None, []
    for one in x:
        said, memory = decoder(one, memory)
        found.append(said)
    expected = decoder.out(torch.nn.functional.leaky_relu(whole))
    torch.testing.assert_close(torch.stack(found), expected, atol=1e-6, rtol=1e-5)


def filled(model: nn.Module, *, single: bool = False) -> nn.Module:
    """Weights that everyone can write down: a rule of their shape alone. single: rounded to float32 on the way, which
    these deep sums of sines feel in the fourth digit."""
    model = model if single else model.double()
    norms = {n for n, m in model.named_modules() if isinstance(m, (nn.LayerNorm, nn.BatchNorm2d))}
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name.rpartition(".")[0] in norms:
                p.fill_(1.0 if name.endswith("weight") else 0.0)
            elif p.ndim > 1:
                values = np.sin(1.7 * np.arange(1, p.numel() + 1)) / np.sqrt(np.prod(p.shape[1:]))
                p.copy_(torch.as_tensor(values.reshape(p.shape)))
            else:
                p.copy_(torch.as_tensor(0.01 * np.cos(0.3 * np.arange(p.numel()))))
    return model.double().eval()


def emg(t: int) -> torch.Tensor:
    time, channel = np.arange(t), np.arange(16)[:, None]
    return torch.as_tensor(np.sin(0.05 * time * (1 + 0.1 * channel) + 0.4 * channel))[None]


def count(config: Config) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in build(config).parameters())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tracking_vemg2pose", 5_970_068),
        ("regression_vemg2pose", 5_980_328),
        ("emg2pose", 2_952_340),
        ("neuropose", 6_354_903),
        ("sensingdynamics", 1_738_297),
    ],
)
def test_parameters_are_the_official_ones(name, expected):
    assert count(PAPER[name]) == expected


def test_parameters_of_the_parts():
    with torch.device("meta"):
        net = build(PAPER["tracking_vemg2pose"])
        neuro = build(PAPER["neuropose"])
    assert isinstance(net, Rollout)
    assert sum(p.numel() for p in net.reader.parameters()) == 2_633_856
    assert len(net.state_dict()) == 68
    assert len(neuro.state_dict()) == 149


def test_the_reader_reaches_1790_samples_back_and_steps_80():
    assert reach() == (1790, 80)
    net = build(TINY)
    for samples, features in ((1791, 1), (2590, 10), (5790, 50), (11790, 125)):
        assert net.reader(torch.zeros(1, 16, samples)).shape == (1, 8, features)
    with pytest.raises(PalmarError, match="1791 or more"):
        net(torch.zeros(1, 16, 1790))
    assert net(torch.zeros(1, 16, 2791)).shape == (1, 20, 1001)


def test_a_feature_sees_its_own_samples_alone():
    net = build(TINY).eval()
    x = torch.randn(1, 16, 2590, requires_grad=True)
    net.reader(x)[0, :, 3].sum().backward()
    seen = x.grad.abs().sum((0, 1)).nonzero()[:, 0]
    assert (int(seen.min()), int(seen.max())) == (240, 240 + 1790)


def test_separable_blocks_of_known_numbers():
    """2 maps of 2 slots."""
    x = torch.arange(20.0, dtype=torch.float64).reshape(1, 4, 5) / 10
    conv = filled(Temporal(4, 3, maps=2))
    y = conv(x)
    expected = [
        [-1.362786, -1.362057, -1.361327],
        [-0.346086, -0.349189, -0.352267],
        [0.323965, 0.327151, 0.330312],
        [1.384906, 1.384095, 1.383282],
    ]
    np.testing.assert_allclose(y[0].detach(), expected, atol=2e-6)
    expected = [
        [-1.389344, -1.388728, -1.388113],
        [-0.337553, -0.340126, -0.342676],
        [0.381438, 0.384192, 0.386921],
        [1.345459, 1.344662, 1.343867],
    ]
    np.testing.assert_allclose(filled(Pointwise(4))(y)[0].detach(), expected, atol=2e-6)


@torch.no_grad()
def test_features_and_tracking_of_known_numbers():
    net = filled(build(PAPER["tracking_vemg2pose"]), single=True)
    features = net.reader(emg(2590))[0]
    np.testing.assert_allclose(features[:3, 0], [-0.815732, 0.300495, 0.782024], atol=2e-6)
    assert features[63, 9] == pytest.approx(1.368997, abs=2e-6)
    assert features.sum() == pytest.approx(1.110213, abs=1e-5)
    assert features.abs().mean() == pytest.approx(0.640243, abs=2e-6)
    start = torch.as_tensor(0.1 * np.sin(0.01 * np.arange(20) + 1.79))[None]
    out = net(emg(2590), start)[0]
    assert out.shape == (20, 800)
    np.testing.assert_allclose(out[:3, 0], [0.097715, 0.097476, 0.097237], atol=2e-6)
    np.testing.assert_allclose(out[:3, -1], [0.099904, 0.099073, 0.098944], atol=2e-6)
    assert out.sum() == pytest.approx(1518.474, abs=2e-3)


@torch.no_grad()
@pytest.mark.parametrize(
    ("name", "first", "last", "total"),
    [
        ("regression_vemg2pose", (0.000107, 0.000091, 0.000084), (0.000843, 0.000886, 0.000886), -0.178653),
        ("emg2pose", (0.000121, 0.000114, 0.000025), (-0.000001, 0.000215, -0.000052), 0.003359),
    ],
)
def test_regression_of_known_numbers(name, first, last, total):
    out = filled(build(PAPER[name]))(emg(2590))[0]
    np.testing.assert_allclose(out[:3, 0], first, atol=2e-6)
    np.testing.assert_allclose(out[:3, -1], last, atol=2e-6)
    assert out.sum() == pytest.approx(total, abs=1e-5)


@torch.no_grad()
def test_neuropose_of_known_numbers():
    out = filled(build(PAPER["neuropose"]))(emg(640))[0]
    assert out.shape == (20, 640)
    np.testing.assert_allclose(out[:3, 0], [0.010454, 0.011000, 0.006219], atol=2e-6)
    np.testing.assert_allclose(out[:3, -1], [0.010465, 0.010980, 0.006229], atol=2e-6)
    assert out.sum() == pytest.approx(-5.056163, abs=1e-5)


def test_neuropose_gives_as_many_samples_as_it_gets():
    net = build(Config(kind="neuropose", width=16)).eval()
    assert net.layers[:3](torch.zeros(1, 1, 4000, 16)).shape == (1, 16, 12, 1)
    assert net.layers(torch.zeros(1, 1, 4000, 16)).shape == (1, 1, 3840, 32)
    assert net(torch.zeros(1, 16, 4000)).shape == (1, 20, 4000)
    with pytest.raises(PalmarError, match="320 or more"):
        net(torch.zeros(1, 16, 319))


def test_sensing_dynamics_layers():
    net = build(Config(kind="sensing", width=16)).eval()
    assert isinstance(net, SensingDynamics)
    assert net.said(torch.zeros(1, 16, 10167)).shape == (1, 20, 1251)
    assert net(torch.zeros(1, 16, 400)).shape == (1, 20, 400)
    unit = Smu()
    found = unit(torch.tensor([-1.0, 0.5, 2.0])).detach()
    np.testing.assert_allclose(found, [-0.0102301, 0.4801745, 2.0], atol=1e-6)


def test_sensing_dynamics_ring_is_closed():
    """Turning the band by a whole electrode turns what its convolution gives."""
    net = build(Config(kind="sensing", width=16)).eval()
    x = torch.randn(1, 2, 16, 300)
    with torch.no_grad():
        plain, turned = (net.layers[:6](y) for y in (x, x.roll(1, 2)))
    np.testing.assert_allclose(turned[:, :, 1:], plain[:, :, :-1], atol=1e-5)


def test_the_slow_part_is_a_butterworth_filter_run_both_ways():
    x = np.random.default_rng(0).normal(size=(2, 16, 3000))
    sos = scipy.signal.butter(4, 20.0, fs=2000, output="sos")
    np.testing.assert_allclose(
        slow(torch.as_tensor(x), 2000)[..., 500:-500], scipy.signal.sosfiltfilt(sos, x)[..., 500:-500], atol=1e-4
    )


def test_resampling_of_known_numbers():
    net = build(replace(TINY, rate=1, rollout=1))
    three = torch.tensor([[[0.0, 1.0, 4.0]]])
    np.testing.assert_allclose(net.steps(three, 5)[0, 0], [0, 0.5, 1, 2.5, 4])
    np.testing.assert_allclose(net.upsampled(three.expand(1, 20, 3), 6)[0, 0], [0, 0.25, 0.75, 1.75, 3.25, 4])
    np.testing.assert_allclose(steady(three)[0, 0], [0, 0.5, 1, 2.5, 4])
    np.testing.assert_allclose(steady(three, hold=True)[0, 0], [0, 0, 1, 1, 4])


@torch.no_grad()
def test_steady_poses_stand_on_their_samples():
    net = build(replace(TINY, resampling="steady"))
    poses = torch.arange(4.0)[None, None].expand(1, 20, 4)
    out = net.upsampled(poses, 200)[0, 0]
    np.testing.assert_allclose(out[[0, 20, 40, 100, 120, 199]], [0, 0.5, 1, 2.5, 3, 3], atol=1e-6)


@torch.no_grad()
def test_steady_poses_do_not_depend_on_what_comes_later():
    """Up to one step; stretched ones do."""
    torch.manual_seed(0)
    x = torch.randn(1, 16, 3790)
    for resampling, same in (("steady", True), ("hold", True), ("stretched", False)):
        net = build(replace(TINY, resampling=resampling)).eval()
        whole, part = net(x), net(x[..., :2790])
        assert np.allclose(whole[..., :900], part[..., :900], atol=1e-6) is same


@torch.no_grad()
@pytest.mark.parametrize("name", ["tracking_vemg2pose", "regression_vemg2pose", "emg2pose"])
def test_known_first_poses_count_only_where_they_are_known(name):
    torch.manual_seed(0)
    net = build(replace(PAPER[name], width=16, features=8, hidden=12)).eval()
    x, start = torch.randn(2, 16, 2590), torch.rand(2, 20)
    both = net(x, start, torch.tensor([True, False]))
    np.testing.assert_allclose(both[0], net(x[:1], start[:1])[0], atol=1e-6)
    np.testing.assert_allclose(both[1], net(x[1:])[0], atol=1e-6)
    assert not np.allclose(both[0], net(x[:1])[0], atol=1e-6)


@torch.no_grad()
def test_a_window_leaves_nothing_behind():
    net = build(TINY).eval()
    x = torch.randn(1, 16, 2590)
    before = net(x)
    net(torch.randn(1, 16, 2590))
    np.testing.assert_array_equal(net(x), before)


def test_configs_that_make_no_network():
    for wrong in ({"width": 20}, {"hidden": 0}, {"kind": "other"}, {"predict": "speed"}):
        with pytest.raises(PalmarError):
            Config(**wrong)
    with pytest.raises(PalmarError, match="16 electrodes"):
        build(Config(kind="neuropose", electrodes=8))
