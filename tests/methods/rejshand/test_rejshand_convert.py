"""Checkpoints in the released layout and timm's backbone: all keys are found, and the numbers come out again."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from palmar.errors import PalmarError
from palmar.methods.rejshand.convert import head_key, load_backbone, released
from palmar.methods.rejshand.model import PAPER, SMALL, ReJSHand
from palmar.methods.rejshand.training import begun
from palmar.nn.fastvit import FastVit, FastVitConfig, own_key, renamed
from palmar.nn.trunks import load_exactly
from palmar.train.meshcrops import open_crops

TINY = FastVitConfig((8, 16, 32, 64), (1, 1, 1, 2), head=16)
CONFIG = replace(PAPER, fastvit=TINY, size=64, expanded=32, widths=(32, 16, 16), vertices=40)


def pair(there: str, here: str) -> dict[str, str]:
    """A convolution without bias and its norm."""
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    return {f"{there}.conv.weight": f"{here}.0.weight"} | {f"{there}.bn.{k}": f"{here}.1.{k}" for k in norm}


def mobile(there: str, here: str, *, point: bool = True, same: bool = False) -> dict[str, str]:
    out = pair(f"{there}.conv_kxk.0", f"{here}.full")
    if point:
        out |= pair(f"{there}.conv_scale", f"{here}.point")
    if same:
        out |= norm(f"{there}.identity", f"{here}.same")
    return out


def norm(there: str, here: str) -> dict[str, str]:
    return {f"{there}.{k}": f"{here}.{k}" for k in
            ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")}  # fmt: skip


def mlp(there: str, here: str) -> dict[str, str]:
    both = [(f"{there}.fc{n}.{k}", f"{here}.{word}.{k}") for n, word in ((1, "first"), (2, "second"))
            for k in ("weight", "bias")]  # fmt: skip
    return pair(f"{there}.conv", f"{here}.near") | dict(both)


def backbone_names(depths: tuple[int, ...]) -> dict[str, str]:
    """timm's names, written out: theirs -> ours."""
    out = mobile("stem.0", "stem.0") | mobile("stem.1", "stem.1") | mobile("stem.2", "stem.2", point=False, same=True)
    for i, depth in enumerate(depths):
        if i:
            there = f"stages.{i}.downsample.proj"
            out |= pair(f"{there}.0.large_conv", f"downs.{i}.large") | pair(f"{there}.0.small_conv", f"downs.{i}.small")
            out |= mobile(f"{there}.1", f"downs.{i}.point", point=False, same=True)
        for j in range(depth):
            there, here = f"stages.{i}.blocks.{j}", f"stages.{i}.{j}"
            out |= mlp(f"{there}.mlp", f"{here}.mlp")
            if i < len(depths) - 1:
                out |= mobile(f"{there}.token_mixer.mixer", f"{here}.mix", same=True)
                out |= norm(f"{there}.token_mixer.norm.identity", f"{here}.less")
                out[f"{there}.token_mixer.layer_scale.gamma"] = f"{here}.scale.value"
                out[f"{there}.layer_scale.gamma"] = f"{here}.scale_mlp.value"
            else:
                out |= norm(f"{there}.norm", f"{here}.norm")
                out |= {f"{there}.token_mixer.{k}": f"{here}.{k}" for k in ("qkv.weight", "proj.weight", "proj.bias")}
                out[f"{there}.layer_scale_1.gamma"] = f"{here}.scale.value"
                out[f"{there}.layer_scale_2.gamma"] = f"{here}.scale_mlp.value"
    out |= {f"stages.{len(depths) - 1}.pos_emb.pos_enc.{k}": f"places.{k}" for k in ("weight", "bias")}
    out |= mobile("final_conv", "final")
    for n, word in ((1, "down"), (2, "up")):
        out |= {f"final_conv.se.fc{n}.{k}": f"final.excite.{word}.{k}" for k in ("weight", "bias")}
    return out


def head_names() -> dict[str, str]:
    """The sheet's: theirs -> ours."""
    both = ("weight", "bias")
    out = {f"keypoints_2d_head.{k}": f"keypoints.{k}" for k in both}
    out |= {"mesh_head.deconv.0.weight": "head.deconv.0.weight"} | norm("mesh_head.deconv.1", "head.deconv.1")
    for n in (1, 2, 3):
        here = f"head.stages.{n - 1}"
        out[f"mesh_head.pos_emb_{n}"] = f"{here}.position"
        for k in both:
            out[f"mesh_head.proj_{n}.{k}"] = f"{here}.proj.{k}"
            out[f"mesh_head.encoder_{n}.sgcn.conv.{k}"] = f"{here}.encoder.gather.{k}"
            for part in ("values", "keys", "queries", "fc_out"):
                out[f"mesh_head.encoder_{n}.mhsa.{part}.{k}"] = f"{here}.encoder.attention.{part}.{k}"
            out[f"mesh_head.encoder_{n}.fc.{k}"] = f"{here}.encoder.fc.{k}"
            out[f"mesh_head.upsample_{n}.upsample.{k}"] = f"{here}.upsample.{k}"
            out[f"mesh_head.pred_final.{k}"] = f"head.pred_final.{k}"
    return out


@pytest.fixture(scope="module")
def network() -> ReJSHand:
    torch.manual_seed(0)
    regressor = np.random.default_rng(0).dirichlet(np.ones(40), 21)
    net = ReJSHand(CONFIG, regressor).eval()
    with torch.no_grad():  # scales and norms that do nothing would hide where they belong
        for value in net.state_dict().values():
            if value.is_floating_point() and value is not net.regressor:
                value.uniform_(0.1, 0.4) if value.ndim == 1 or value.shape[-1] == 1 else value.normal_(std=0.1)
        net.keypoints.weight.mul_(0.003)  # inside the map
        net.head.deconv[0].weight.normal_(std=0.1)
    return net


def as_released(net: ReJSHand) -> dict[str, torch.Tensor]:
    state = net.state_dict()
    out = {f"backbone.{there}": state[f"trunk.{here}"] for there, here in backbone_names(TINY.depths).items()}
    out |= {there: state[here] for there, here in head_names().items()}
    for key, value in out.items():
        if ".sgcn." in key and value.ndim == 2:
            out[key] = value[..., None]
    for stem in ("conv_kxk.0", "conv_scale"):
        out[f"backbone.stem.0.{stem}.conv.weight"] = out[f"backbone.stem.0.{stem}.conv.weight"].flip(1)
    return out


def test_names_one_by_one():
    for there, here in backbone_names((1, 1, 1, 2)).items():
        assert own_key(there) == here
    for there, here in head_names().items():
        assert head_key(there) == here
    assert head_key("root_depth.weight") is None
    with torch.device("meta"):  # and they are all there are
        state = ReJSHand().state_dict().keys()
    ours = {f"trunk.{here}" for here in backbone_names(PAPER.fastvit.depths).values()} | set(head_names().values())
    assert ours | {"regressor"} == set(state)


def test_a_released_checkpoint_says_the_same_of_the_picture_in_bgr(network, tmp_path):
    file = tmp_path / "latest"
    extra = {"backbone.head.fc.weight": torch.zeros(10, 128), "backbone.head.fc.bias": torch.zeros(10)}
    torch.save({"epoch": 3, "state_dict": as_released(network) | extra, "scaler_state_dict": {}}, file)
    loaded = released(file, network.regressor.numpy(), config=CONFIG)
    image = torch.from_numpy(np.random.default_rng(1).integers(0, 255, (2, 64, 64, 3), np.uint8))
    assert ((network(image).uv > 0) & (network(image).uv < 1)).any()
    for found, true in zip(loaded(image), network(image), strict=True):
        torch.testing.assert_close(found, true)
    torch.testing.assert_close(loaded.trunk.stem[0].full[0].weight, network.trunk.stem[0].full[0].weight)


def test_what_is_no_checkpoint_of_it(network, tmp_path):
    file, state = tmp_path / "a.pt", as_released(network)
    torch.save(state | {"root_depth.weight": torch.zeros(1)}, file)
    with pytest.raises(PalmarError, match=re.escape("unknown root_depth.weight")):
        released(file, network.regressor.numpy(), config=CONFIG)
    del state["mesh_head.pos_emb_2"]
    torch.save(state, file)
    with pytest.raises(PalmarError, match=re.escape("head.stages.1.position")):
        released(file, network.regressor.numpy(), config=CONFIG)


def test_backbone_from_timm(network, tmp_path):
    file = tmp_path / "fastvit.pt"
    state = network.trunk.state_dict()
    torch.save({there: state[here] for there, here in backbone_names(TINY.depths).items()}, file)
    trunk = FastVit(TINY).eval()
    load_backbone(trunk, file)
    x = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(trunk(x), network.trunk(x))
    crops = open_crops("drawn:1", "train", size=64)
    new = begun(CONFIG, network.regressor.numpy(), crops, file)
    torch.testing.assert_close(new.trunk.places.weight, network.trunk.places.weight)
    with pytest.raises(PalmarError, match="use size paper"):
        begun(SMALL, np.zeros((21, 1690)), crops, file)


def test_the_public_network_answers_alike():
    """Numbers that timm's own FastVit (1.0.31, of the same small size) gave, filled by this rule."""
    config = replace(TINY, head=32)
    names = backbone_names(config.depths)
    shapes = {there: FastVit(config).state_dict()[here].shape for there, here in names.items()}

    def fill(name: str, shape: torch.Size) -> torch.Tensor:
        wave = torch.sin(0.7 * torch.arange(math.prod(shape), dtype=torch.float64) + len(name)).float().view(shape)
        if len(shape) == 1 or shape[1:] == (1, 1):
            return 0.6 + 0.3 * wave
        return 0.5 * wave / max(1, math.prod(shape[1:])) ** 0.5

    state = {n: torch.tensor(0) if "batches" in n else fill(n, shape) for n, shape in shapes.items()}
    trunk = FastVit(config).eval()
    load_exactly(trunk, renamed(state), "timm")
    x = torch.sin(torch.arange(3 * 64 * 64, dtype=torch.float64) * 0.01).float().view(1, 3, 64, 64) / 2
    found = trunk(x)[0].detach()
    across = [0.257013, 0.638808, 0.112495, -0.149764, 0.158587, 1.108852, 0.605356, -0.163732]
    np.testing.assert_allclose(found[::16, 0, 1], across, atol=2e-5)
    np.testing.assert_allclose(found[5].flatten(), [-0.154438, -0.169964, -0.118365, -0.030337], atol=2e-5)
