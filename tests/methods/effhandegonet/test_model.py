"""The pose networks: published sizes, documented outputs of the heads, a plain NumPy re-computation, the layout."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from palmar.errors import PalmarError
from palmar.methods.effhandegonet.convert import (
    dead_layers,
    ego_from_official,
    load_official,
    official_names,
    to_official,
)
from palmar.methods.effhandegonet.model import EffHandEgoNet, EffHandNet, EgoNetConfig, HandNetConfig
from palmar.nn.heatmaps import HeatHead, NormUpHead

SMALL = EgoNetConfig("mobilenet_v3_small", 64, 96, head=8)


@pytest.fixture(scope="module")
def full():
    with torch.device("meta"):
        return {
            "hand": EffHandNet(),
            "ego": EffHandEgoNet(),
            "fpha": EffHandEgoNet(EgoNetConfig(hands=1, objects=27)),
        }


@pytest.mark.parametrize(
    ("name", "total", "entries"),
    [("hand", 22_548_069, 817), ("ego", 25_242_238, 858), ("fpha", 24_757_888, 819)],
)
def test_published_sizes(full, name, total, entries):
    """All layers of the released file, also those that nothing runs through."""
    net = full[name]
    with torch.device("meta"):
        dead = list(dead_layers(net))
        state = to_official(net)
    buffers = ("running_mean", "running_var", "num_batches_tracked")
    unused = sum(value.numel() for key, value in dead if not key.endswith(buffers))
    assert sum(p.numel() for p in net.parameters()) + unused == total
    assert len(state) == entries


def test_what_is_used_of_it(full):
    assert sum(p.numel() for p in full["ego"].parameters()) == 24_189_566
    assert sum(p.numel() for p in full["hand"].head.parameters()) == 2_370_581
    assert sum(p.numel() for p in full["ego"].flag[0].parameters()) == 163_842


@pytest.mark.parametrize(
    ("trunk", "pooled"),
    [("resnet50", 131_072), ("convnext_tiny", 49_152), ("mobilenet_v3_large", 61_440), ("swin_v2_t", 49_152)],
)
def test_published_variants(trunk, pooled):
    with torch.device("meta"):
        net = EffHandEgoNet(EgoNetConfig(trunk))
    assert net.flag[0].weight.shape == (2, pooled)


def test_names_of_the_released_layout(full):
    names = set(official_names(full["ego"]).values())
    assert {
        "backbone.backbone.0.0.0.weight",
        "backbone.backbone.0.4.0.block.2.fc1.bias",
        "left_hand.weight",
        "right_pose.deconv5.deconv.bias",
        "left_pose.deconv2.norm.0.num_batches_tracked",
        "right_pose.final.weight",
    } <= names
    assert "head.deconv1.deconv.0.running_var" in official_names(full["hand"]).values()
    assert {"hand_pose.deconv1.deconv.weight", "obj_class.bias"} <= set(official_names(full["fpha"]).values())


# ------------------------------------------------------------------------------------- documented outputs of the heads


def filled(tensors: list[tuple[int, torch.Tensor, bool]]) -> None:
    """Parameter k, flat element i = 0.05 sin(0.1 i + k), 1 more for scales of batch norms."""
    with torch.no_grad():
        for k, p, scale in tensors:
            i = torch.arange(p.numel(), dtype=torch.float64)
            p.copy_((0.05 * torch.sin(0.1 * i + k) + (1.0 if scale else 0.0)).view_as(p))


def head_input() -> torch.Tensor:
    return torch.sin(torch.arange(16.0)).view(1, 4, 2, 2)


def test_the_head_of_three_steps():
    head = HeatHead(4).eval()
    rows = []
    for step, number in zip(head.steps, (1, 2, 5), strict=True):
        k = 4 * (number - 1)
        rows += [(k, step.up.weight, False), (k + 1, step.up.bias, False)]
        if step.norm is not None:
            rows += [(k + 2, step.norm.weight, True), (k + 3, step.norm.bias, False)]
    filled([*rows, (20, head.final.weight, False), (21, head.final.bias, False)])
    with torch.no_grad():
        y = head(head_input()).sigmoid()
    assert y.shape == (1, 21, 16, 16)
    np.testing.assert_allclose([y[0, 0, 0, 0], y[0, 20, 7, 3]], [0.430384, 0.568338], atol=2e-5)
    assert float(y.sum()) == pytest.approx(2671.4197, abs=0.02)


def test_the_head_of_five_steps():
    head = NormUpHead(4).eval()
    order = [p for step in head.steps for p in step.parameters()]  # of a step: scale, shift, weight, bias
    rows = [(k, p, k % 4 == 0) for k, p in enumerate(order)]
    filled([*rows, (20, head.final.weight, False), (21, head.final.bias, False)])
    with torch.no_grad():
        y = head(head_input()).sigmoid()
    assert y.shape == (1, 21, 64, 64)
    np.testing.assert_allclose([y[0, 0, 0, 0], y[0, 20, 7, 3]], [0.553652, 0.441197], atol=2e-5)
    assert float(y.sum()) == pytest.approx(41895.629, abs=0.2)


# --------------------------------------------------------------------------------------------- a plain re-computation


def up(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """out[o, 2y + a, 2x + b] = bias[o] + sum over c of w[c, o, a, b] in[c, y, x]."""
    out = np.zeros((weight.shape[1], 2 * x.shape[1], 2 * x.shape[2]))
    for a in range(2):
        for b in range(2):
            out[:, a::2, b::2] = np.einsum("co,cyx->oyx", weight[:, :, a, b], x)
    return out + bias[:, None, None]


def norm(x: np.ndarray, state: dict, name: str) -> np.ndarray:
    mean, var, scale, shift = (
        state[f"{name}.{key}"][:, None, None] for key in ("running_mean", "running_var", "weight", "bias")
    )
    return (x - mean) / np.sqrt(var + 1e-5) * scale + shift


@pytest.fixture(scope="module")
def small():
    torch.manual_seed(0)
    net = EffHandEgoNet(SMALL)
    for _, buffer in net.named_buffers():
        if buffer.ndim == 1:
            buffer.uniform_(0.5, 1.5)
    return net.eval()


def test_the_heads_in_plain_numpy(small):
    features = torch.randn(1, 576, 2, 3)
    with torch.no_grad():
        found = small.read(features)
    state = {name: value.numpy().astype(np.float64) for name, value in small.state_dict().items()}
    f = features[0].numpy().astype(np.float64)
    for s in range(2):
        x = f
        for i in range(3):
            x = up(x, state[f"pose.{s}.steps.{i}.up.weight"], state[f"pose.{s}.steps.{i}.up.bias"])
            if i < 2:
                x = np.maximum(norm(x, state, f"pose.{s}.steps.{i}.norm"), 0)
        logits = np.einsum("kc,cyx->kyx", state[f"pose.{s}.final.weight"][:, :, 0, 0], x)
        maps = 1 / (1 + np.exp(-logits - state[f"pose.{s}.final.bias"][:, None, None]))
        np.testing.assert_allclose(found.maps[0, s], maps, atol=1e-5)
        pooled = f[:, :2, :2].max((1, 2))  # three columns: the last has no partner and is left out
        flags = state[f"flag.{s}.weight"] @ pooled + state[f"flag.{s}.bias"]
        np.testing.assert_allclose(found.flags[0, s], flags, atol=1e-5)


def test_released_weights_come_in_and_go_out(small, tmp_path):
    state = to_official(small)
    state |= {name: torch.randn(value.shape) for name, value in dead_layers(small) if value.ndim == 4}
    other = EffHandEgoNet(SMALL).eval()
    load_official(other, state)
    image = torch.randint(0, 256, (1, 64, 96, 3), dtype=torch.uint8)
    with torch.no_grad():
        a, b = small(image), other(image)
    assert torch.equal(a.maps, b.maps)
    assert torch.equal(a.flags, b.flags)
    with pytest.raises(PalmarError, match=r"lacks flag\.0\.bias"):
        load_official(other, {k: v for k, v in state.items() if k != "left_hand.bias"})
    with pytest.raises(PalmarError, match="unknown more"):
        load_official(other, {**state, "more": torch.zeros(1)})
    with pytest.raises(PalmarError, match=r"left_pose\.deconv3\.deconv\.weight has the shape \(2, 2\)"):
        load_official(other, {**state, "left_pose.deconv3.deconv.weight": torch.zeros(2, 2)})
    torch.save(state, tmp_path / "small.pth")
    with pytest.raises(PalmarError, match=r"small\.pth: not the weights"), torch.device("meta"):
        ego_from_official(tmp_path / "small.pth")


def test_the_other_networks_have_their_shapes():
    one = EffHandEgoNet(EgoNetConfig("palmar", 64, 64, head=8, hands=1, objects=5)).eval()
    crop = EffHandNet(HandNetConfig("palmar", 64, head=8)).eval()
    image = torch.zeros(2, 64, 64, 3, dtype=torch.uint8)
    with torch.no_grad():
        found, maps = one(image), crop(image)
    assert found.maps.shape == (2, 1, 21, 16, 16)
    assert found.flags is None
    assert found.object.shape == (2, 5)
    assert maps.shape == (2, 21, 64, 64)


@pytest.mark.parametrize("bad", [{"height": 100}, {"hands": 1}, {"objects": 3}, {"width": 32}, {"hands": 3}])
def test_sizes_that_do_not_fit(bad):
    with pytest.raises(PalmarError, match="EgoNetConfig"):
        EgoNetConfig(**bad)
