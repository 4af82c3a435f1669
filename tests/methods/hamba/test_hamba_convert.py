"""Checkpoints in the official layouts, of small networks: all keys are found, and the numbers come out again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from palmar.errors import PalmarError
from palmar.hand import HandModel
from palmar.methods.hamba.convert import hamer_key, kind_of, load_official, official, wilor_key
from palmar.methods.hamba.model import HAMER, MeshNetwork
from palmar.methods.hamba.wilor import Wilor
from palmar.nn.decoder import DecoderConfig
from palmar.nn.vit import VitConfig, VitTrunk

VIT = VitConfig(256, 192, 16, 2, 16, 2, 2, 2.0, 0.0)
CONFIG = replace(HAMER, vit=VIT, decoder=DecoderConfig(16, 8, 2, 2, 4, 12))


def hamer_names(depth: int, layers: int) -> dict[str, str]:
    """The sheet's keys, written out: theirs -> ours."""
    out = {}
    for part in ("pos_embed", "patch_embed.proj.weight", "patch_embed.proj.bias", "last_norm.weight", "last_norm.bias"):
        out[f"backbone.{part}"] = f"trunk.vit.{part}"
    for n in range(depth):
        for part in ("norm1", "norm2", "attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2"):
            for kind in ("weight", "bias"):
                out[f"backbone.blocks.{n}.{part}.{kind}"] = f"trunk.vit.blocks.{n}.{part}.{kind}"
    head = "mano_head.transformer"
    out |= {f"{head}.to_token_embedding.{k}": f"head.decoder.embedding.{k}" for k in ("weight", "bias")}
    out[f"{head}.pos_embedding"] = "head.decoder.position"
    for n in range(layers):
        there, here = f"{head}.transformer.layers.{n}", f"head.decoder.layers.{n}"
        for k in ("weight", "bias"):
            out |= {
                f"{there}.0.norm.{k}": f"{here}.attend_self.norm.{k}",
                f"{there}.0.fn.to_out.0.{k}": f"{here}.attend_self.to_out.{k}",
                f"{there}.1.norm.{k}": f"{here}.attend_context.norm.{k}",
                f"{there}.1.fn.to_out.0.{k}": f"{here}.attend_context.to_out.{k}",
                f"{there}.2.norm.{k}": f"{here}.norm.{k}",
                f"{there}.2.fn.net.0.{k}": f"{here}.first.{k}",
                f"{there}.2.fn.net.3.{k}": f"{here}.second.{k}",
            }
        out[f"{there}.0.fn.to_qkv.weight"] = f"{here}.attend_self.to_qkv.weight"
        out[f"{there}.1.fn.to_q.weight"] = f"{here}.attend_context.to_q.weight"
        out[f"{there}.1.fn.to_kv.weight"] = f"{here}.attend_context.to_kv.weight"
    for i, (read, means, mine) in enumerate((("pose", "hand_pose", "pose"), ("shape", "betas", "shape"),
                                             ("cam", "cam", "camera"))):  # fmt: skip
        out |= {f"mano_head.dec{read}.{k}": f"head.read.{i}.{k}" for k in ("weight", "bias")}
        out[f"mano_head.init_{means}"] = f"head.means.{mine}"
    return out


@pytest.fixture(scope="module")
def hand() -> HandModel:
    return HandModel.default()


@pytest.fixture(scope="module")
def hamer(tmp_path_factory, hand):
    torch.manual_seed(0)
    network, names = MeshNetwork(CONFIG, hand).eval(), hamer_names(VIT.depth, CONFIG.decoder.depth)
    own = network.state_dict()
    assert set(names.values()) == set(own)
    state = {theirs: own[ours][None] if ".init_" in theirs else own[ours] for theirs, ours in names.items()}
    state |= {
        "discriminator.D_conv1.weight": torch.zeros(1),
        "mano.betas": torch.zeros(10),
        "initialized": torch.ones(1),
    }
    file = tmp_path_factory.mktemp("hamer") / "hamer.ckpt"
    torch.save({"state_dict": state, "epoch": 3, "hyper_parameters": {"a": 1}}, file)
    return network, state, file


def test_hamer_comes_out_again(hamer, hand):
    network, _, file = hamer
    found = official(file, hand, config=CONFIG)
    crop = torch.from_numpy(np.random.default_rng(0).integers(0, 255, (1, 256, 256, 3), np.uint8))
    with torch.inference_mode():
        for one, two in zip(network(crop)[0], found(crop)[0], strict=True):
            torch.testing.assert_close(one, two)
    trunk = VitTrunk(VIT)
    trunk.load_state_dict(load_official(file, "backbone"))
    with torch.inference_mode():
        torch.testing.assert_close(trunk.eval()(crop), network.trunk(crop))
    assert all(hamer_key(k) == v for k, v in hamer_names(VIT.depth, 2).items())


def test_what_is_missing_or_unknown_is_named(hamer, hand, tmp_path):
    _, state, _ = hamer
    for change, message in (
        ({"backbone.blocks.0.norm1.weight": None}, r"lacks trunk\.vit\.blocks\.0\.norm1\.weight"),
        ({"mano_head.decface.weight": torch.zeros(1)}, r"read as hamer; unknown mano_head\.decface\.weight"),
        ({"mano_head.decpose.weight": torch.zeros(96, 3)}, r"differs in head\.read\.0\.weight \(96, 3\) there"),
    ):
        broken = {k: v for k, v in (state | change).items() if v is not None}
        torch.save(broken, tmp_path / "bad.ckpt")
        with pytest.raises(PalmarError, match=message):
            official(tmp_path / "bad.ckpt", hand, config=CONFIG)
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.ckpt")
    with pytest.raises(PalmarError, match="neither HaMeR's nor WiLoR's"):
        official(tmp_path / "other.ckpt", hand)
    torch.save({"state_dict": state, "cfg": VitConfig()}, tmp_path / "object.ckpt")
    with pytest.raises(PalmarError, match="not a checkpoint of tensors and plain values alone"):
        official(tmp_path / "object.ckpt", hand)


def wilor_names(network: Wilor) -> dict[str, str]:
    """Ours -> theirs."""
    means = {"pose": "hand_pose", "shape": "betas", "camera": "cam"}
    out = {}
    for name in network.state_dict():
        if name.startswith("backbone.trunk.vit."):
            out[name] = name.replace("trunk.vit.", "")
        elif name.startswith("backbone.means."):
            out[name] = f"backbone.init_{means[name.rpartition('.')[2]]}"
        elif name.startswith("refine.first."):
            out[name] = name.replace("refine.first", "refine_net.deconv.first_conv.0")
        elif name.startswith(("refine.once.", "refine.twice.")):
            out[name] = name.replace("refine.once", "refine_net.deconv.deconv.0").replace(
                "refine.twice", "refine_net.deconv.deconv.1"
            )
        else:
            out[name] = name.replace("refine.", "refine_net.")
    return out


def test_wilor_comes_out_again_and_its_switch_matters(hand, tmp_path):
    torch.manual_seed(0)
    network = Wilor(hand, VIT, 16).eval()
    for part in (network.refine.dec_pose, network.backbone.decpose):
        part.weight.data.normal_(0, 0.05)
    names = wilor_names(network)
    assert {"refine_net.deconv.deconv.1.3.weight", "refine_net.deconv.deconv.1.4.running_mean",
            "backbone.init_hand_pose", "refine_net.dec_cam.bias"} <= set(names.values())  # fmt: skip
    state = {theirs: network.state_dict()[ours] for ours, theirs in names.items()}
    assert all(wilor_key(theirs) == ours for ours, theirs in names.items())
    assert kind_of(state, "x") == "wilor"
    torch.save({"state_dict": state}, tmp_path / "wilor.ckpt")
    crop = torch.from_numpy(np.random.default_rng(0).integers(0, 255, (1, 256, 256, 3), np.uint8))
    clean = official(tmp_path / "wilor.ckpt", hand, vit=VIT, width=16)
    quirk = official(tmp_path / "wilor.ckpt", hand, vit=VIT, width=16, compatible=True)
    with torch.inference_mode():
        torch.testing.assert_close(clean(crop)[0].joints, network(crop)[0].joints)
        assert (quirk(crop)[0].joints - clean(crop)[0].joints).abs().max() > 1e-5
        torch.testing.assert_close(quirk(crop)[1].joints, clean(crop)[1].joints)  # the first hand is the same
