"""Published counts, golden vectors, edges worked out by hand; the jobs, the converter and the check."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import palmar
from palmar.errors import PalmarError
from palmar.methods.gla_gcn.check import CLAIMS, COLUMNS, OURS, VARIANTS, Check, report
from palmar.methods.gla_gcn.convert import load_official, own_key
from palmar.methods.gla_gcn.model import SKELETONS, AdaptiveGraph, Config, GlaGcn, adjacency, build
from palmar.methods.gla_gcn.training import Evaluate, Train
from palmar.train.checks import Runs


def count(module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("skeleton", "counts", "per_joint"),
    [
        ("body", (101_132, 380_444, 844_076, 1_096_466, 1_348_856, 7_703_106), 1_353_512),
        ("hand", (104_340, 383_652, 847_284, 1_100_586, 1_353_888, 7_707_226), 1_359_708),
    ],
)
def test_published_counts(skeleton, counts, per_joint):
    with torch.device("meta"):
        sizes = (27, 32), (27, 64), (27, 96), (81, 96), (243, 96), (81, 256)
        found = [GlaGcn(Config(skeleton=skeleton, frames=t, width=c, readout="shared")) for t, c in sizes]
        assert tuple(count(net) for net in found) == counts
        assert len([k for k in found[0].state_dict()]) == 238
        assert count(GlaGcn(Config(skeleton=skeleton, frames=243))) == per_joint


def filled(net: torch.nn.Module) -> torch.nn.Module:
    """Weights by the written rule."""
    for name, p in net.named_parameters():
        i = torch.arange(p.numel(), dtype=torch.float64)
        norm = "norm" in name or ".down.1" in name
        if name.endswith("learned"):
            value = 0.01 * torch.sin(0.5 * i)
        elif norm:
            value = torch.full_like(i, float(name.endswith("weight")))
        elif p.ndim >= 2:
            value = (torch.sin(1.7 * (i + 1)) / p[0].numel() ** 0.5).float().double()
        else:
            value = 0.01 * torch.cos(0.3 * i)
        p.data = value.view(p.shape)
    return net.double().eval()


@pytest.mark.parametrize(
    ("skeleton", "numbers", "joints", "total", "middle"),
    [
        ("body", 12_608, {0: (0.094096, 0.096488, 0.013127), 5: (0.003963, -0.039352, -0.035760),
                          16: (0.002712, -0.013326, -0.007874)}, 1.883894, 0.276972),
        ("hand", 15_816, {0: (0.092052, 0.090252, 0.008789), 5: (0.020538, -0.020541, -0.033083),
                          20: (0.063050, 0.025837, -0.028132)}, 1.626145, 0.277741),
    ],
)  # fmt: skip
def test_golden_vectors(skeleton, numbers, joints, total, middle):
    net = filled(GlaGcn(Config(skeleton=skeleton, width=8, readout="shared")))
    assert count(net) == numbers
    t, v, c = np.meshgrid(np.arange(27), np.arange(len(SKELETONS[skeleton])), np.arange(2), indexing="ij")
    seen = {}
    net.expand.register_forward_hook(lambda module, args, out: seen.update(expand=out))
    with torch.no_grad():
        found = net(torch.from_numpy(0.5 * np.sin(0.2 * t + 0.5 * v + 1.1 * c))[None])[0][0].numpy()
    for joint, expected in joints.items():
        np.testing.assert_allclose(found[joint], expected, atol=2e-6)
    assert found.sum() == pytest.approx(total, abs=1e-5)
    assert float(seen["expand"][0, 3, 13, 7]) == pytest.approx(middle, abs=1e-6)


def test_edges():
    hand, body = adjacency(SKELETONS["hand"]), adjacency(SKELETONS["body"])
    np.testing.assert_array_equal(hand[0], np.eye(21))
    assert (hand[1:] != 0).sum((1, 2)).tolist() == [20, 20]
    np.testing.assert_array_equal(hand[1, 0, [1, 5, 9, 13, 17]], 1)
    np.testing.assert_allclose(hand[2, [1, 5, 9, 13, 17], 0], 0.2)
    np.testing.assert_allclose(body[2, [1, 4, 7], 0], 1 / 3)
    np.testing.assert_allclose(body[2, [9, 11, 14], 8], 1 / 3)
    assert not body[1, :, 0].any()


@pytest.mark.parametrize(
    ("weight", "expected"), [(0.0, (21.999895, 31.999850, 25.999890)), (1.0, (29.873332, 41.740782, 35.995705))]
)
def test_a_graph_worked_out_by_hand(weight, expected, monkeypatch):
    monkeypatch.setitem(SKELETONS, "chain", (-1, 0, 1))
    config = object.__new__(Config)
    for name, value in (("skeleton", "chain"), ("learned", True), ("attention", True), ("quiet", False),
                        ("dropout", 0.0)):  # fmt: skip
        object.__setattr__(config, name, value)
    graph = AdaptiveGraph(1, 1, config).double().eval()
    graph.learned.data.zero_()
    for k in range(3):
        graph.theta[k].weight.data.fill_(weight)
        graph.phi[k].weight.data.fill_(weight)
        graph.theta[k].weight.data[1:] = graph.phi[k].weight.data[1:] = 0  # one of the three channels does the work
        graph.out[k].weight.data.fill_(k + 1.0)
    x = torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64).view(1, 1, 1, 3)
    if weight:  # S = x x^T: the mean over three channels is made a sum
        for k in range(3):
            graph.theta[k].weight.data[0] *= 3
    np.testing.assert_allclose(graph(x).flatten().detach(), expected, atol=1e-5)


@pytest.mark.parametrize("change", [{}, {"readout": "pooled"}, {"kind": "temporal"}, {"kind": "frame"},
                                    {"sequence": True}, {"learned": False, "attention": False}])  # fmt: skip
def test_all_kinds_answer_and_learn(change):
    torch.manual_seed(0)
    net = build(Config(width=16, **change))
    one, every = net(torch.randn(4, 27, 21, 2))
    assert one.shape == (4, 21, 3)
    assert (every is not None) == bool(change.get("sequence"))
    (one.square().sum() + (0 if every is None else every.square().sum())).backward()
    assert all(p.grad is not None for p in net.parameters())


def test_frames_beside_the_middle_matter_to_all_but_single_frames():
    torch.manual_seed(0)
    x = torch.randn(1, 27, 21, 2)
    other = x.clone()
    other[:, 0] += 1
    for kind, sees in (("gla-gcn", True), ("temporal", True), ("frame", False)):
        net = build(Config(kind=kind, width=16)).eval()
        assert bool((net(x)[0] - net(other)[0]).abs().max() > 1e-7) == sees


def test_a_window_is_a_power_of_three():
    with pytest.raises(PalmarError, match="expected a power of 3"):
        Config(frames=30)


def test_official_layout_comes_in(tmp_path):
    torch.manual_seed(0)
    net = GlaGcn(Config(skeleton="body", width=8, readout="shared", quiet=True)).eval()
    there = {}
    for name, value in net.state_dict().items():
        theirs = name
        for ours, official in (("norm.", "data_bn."), ("expand.", "expand_gcn."), ("units.", "layers_tcngcn."),
                               ("read.", "fc.")):  # fmt: skip
            theirs = official + theirs[len(ours) :] if theirs.startswith(ours) else theirs
        parts = {"graph.learned": "gcn1.PA", "graph.theta": "gcn1.conv_a", "graph.phi": "gcn1.conv_b"}
        parts |= {"graph.out": "gcn1.conv_d", "graph.down": "gcn1.down", "graph.norm": "gcn1.bn"}
        parts |= {"time.conv": "tcn1.conv", "time.norm": "tcn1.bn"}
        parts |= {"widen.conv": "residual.conv", "widen.norm": "residual.bn"}
        for ours, official in parts.items():
            theirs = theirs.replace(ours, official)
        there[f"module.{theirs}"] = value[..., None] if theirs == "fc.weight" else value
        assert own_key(theirs) == name
    assert {"module.expand_gcn.gcn1.PA", "module.layers_tcngcn.5.tcn1.bn.running_var", "module.fc.weight"} <= set(there)
    torch.save(there, tmp_path / "a.bin")
    found, x = load_official(tmp_path / "a.bin"), torch.randn(1, 27, 17, 2)
    torch.testing.assert_close(found(x)[0], net(x)[0])
    del there["module.fc.bias"]
    torch.save(there, tmp_path / "b.bin")
    with pytest.raises(PalmarError, match=r"lacks read\.bias"):
        load_official(tmp_path / "b.bin")
    torch.save({"a": torch.zeros(1)}, tmp_path / "c.bin")
    with pytest.raises(PalmarError, match="not a checkpoint of GLA-GCN"):
        load_official(tmp_path / "c.bin")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gla") / "run"
    job = Train(data="drawn:2", folder=folder, width=8, steps=2, batch=4, quiet=True, device="cpu")
    assert job.run().figures["finished"]
    assert job.run().figures["step"] == 2
    return folder


def test_a_run_is_scored_and_loaded(run):
    figures = Evaluate(run, data="drawn:2", noise=1.0).run().figures
    assert {"mpjpe_mm", "pa_mpjpe_mm", "mpjve_mm_s"} <= set(figures)
    lift = palmar.load("gla-gcn", run)
    track = np.random.default_rng(0).normal(size=(5, 21, 2))
    found = lift(track)
    assert found.shape == (5, 21, 3)
    np.testing.assert_array_equal(found[:, 0], 0)
    with pytest.raises(PalmarError, match=r"a track is \[t, 21, 2\]"):
        lift(track[:, :17])
    with pytest.raises(PalmarError, match="not finite"):
        lift(np.full((5, 21, 2), np.nan))


def test_the_check_runs_and_can_fail():
    found = Check(data="drawn:2", test="drawn:1", steps=1, batch=2, seeds=(0,), variants=(OURS, "single frames")).run()
    assert set(found.figures["runs"]) == {OURS, "single frames"}

    def of(ours: float, noise=(1.0, 2.0, 3.0)):
        row = dict.fromkeys(COLUMNS, 10.0)
        runs = {name: [row, {k: v + 0.2 for k, v in row.items()}] for name in VARIANTS}
        runs[OURS] = [{k: v + ours for k, v in row.items()} for row in runs[OURS]]
        return report(Runs(runs), np.array([noise]), "nowhere")

    assert of(-0.5).passed
    assert len(of(-0.5).figures["claims"]) == len(CLAIMS) + 1
    assert of(-0.05).passed is False
    assert of(-0.5, (1.0, 0.9, 3.0)).passed is False
