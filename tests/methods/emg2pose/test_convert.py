"""Checkpoints in the authors' layout: every key finds its place; strange ones are named."""

from dataclasses import replace

import pytest

pytest.importorskip("torch")

import torch

from palmar.errors import PalmarError
from palmar.methods.emg2pose import convert
from palmar.methods.emg2pose.model import PAPER, build

INDEX = {"conv": "conv2d", "norm": "layer_norm", "first": "fc_block.0", "second": "fc_block.2"}


def theirs(name: str) -> str:
    """The authors' key of one of ours, written down the other way round."""
    parts = name.split(".")
    if parts[0] == "decoder":
        return name.replace("decoder.out", "decoder.mlp_out.1").replace("decoder.layers", "decoder.mlp")
    if name.startswith("reader.out"):
        return f"network.layers.3.linear_layer.{parts[-1]}"
    at, what, last = int(parts[2]), parts[3], parts[4]
    if at < 2:
        return f"network.layers.{at}.{'conv.0' if what == 'conv' else 'norm'}.{last}"
    stage, inner = (2, at - 2) if at < 7 else (3, at - 7)
    head = f"network.layers.{stage}.layers"
    if inner == 0:
        return f"{head}.conv1dblock.{'conv.0' if what == 'conv' else 'norm'}.{last}"
    return f"{head}.tds_block.tds_conv_blocks.{inner - 1}.{INDEX[what]}.{last}"


def theirs_neuropose(name: str) -> str:
    parts = name.split(".")
    if parts[0] == "out":
        return f"network.linear.{parts[1]}"
    return f"network.network.{parts[1]}.network.{'.'.join(p for p in parts[2:] if p != 'layers')}"


SMALL = {"width": 16, "features": 8, "hidden": 12}


@pytest.fixture
def small(monkeypatch):
    """The paper's networks with fewer channels."""
    monkeypatch.setattr(convert, "PAPER", {name: replace(c, **SMALL) for name, c in PAPER.items()})


def official(kind: str) -> dict:
    torch.manual_seed(0)
    model = build(replace(PAPER[kind], **SMALL))
    rename = theirs_neuropose if kind == "neuropose" else theirs
    return {f"model.{rename(name)}": value for name, value in model.state_dict().items()}


@pytest.mark.parametrize("kind", ["tracking_vemg2pose", "regression_vemg2pose", "emg2pose", "neuropose"])
def test_official_checkpoints_load(small, tmp_path, kind):
    state = official(kind)
    assert len(state) == (149 if kind == "neuropose" else 68)
    torch.save({"state_dict": state, "hyper_parameters": {"lr": 1e-3}}, tmp_path / "a.ckpt")
    found = convert.load_official(tmp_path / "a.ckpt")
    torch.manual_seed(0)
    expected = build(replace(PAPER[kind], **SMALL)).eval()
    x = torch.randn(1, 16, 2000)
    with torch.no_grad():
        assert torch.equal(found(x), expected(x))


def test_the_documented_keys_are_those():
    keys = set(official("tracking_vemg2pose"))
    assert {
        "model.network.layers.0.conv.0.weight", "model.network.layers.1.norm.bias",
        "model.network.layers.2.layers.conv1dblock.conv.0.weight",
        "model.network.layers.3.layers.tds_block.tds_conv_blocks.2.conv2d.weight",
        "model.network.layers.2.layers.tds_block.tds_conv_blocks.1.fc_block.0.weight",
        "model.network.layers.2.layers.tds_block.tds_conv_blocks.3.layer_norm.weight",
        "model.network.layers.3.linear_layer.weight", "model.decoder.lstm.weight_ih_l0",
        "model.decoder.mlp_out.1.weight",
    } <= keys  # fmt: skip
    assert {
        "model.network.network.0.network.0.weight", "model.network.network.3.network.9.running_mean",
        "model.network.network.10.network.1.weight", "model.network.linear.weight",
    } <= set(official("neuropose"))  # fmt: skip
    assert {"model.decoder.mlp.0.weight", "model.decoder.mlp.4.bias", "model.decoder.mlp.6.weight"} <= set(
        official("emg2pose")
    )


def test_strange_and_missing_keys_are_named(small, tmp_path):
    state = official("tracking_vemg2pose")
    del state["model.network.layers.0.conv.0.bias"]
    state["model.extra"] = torch.zeros(1)
    state["model.decoder.lstm.bias_ih_l0"] = torch.zeros(3)
    torch.save({"state_dict": state}, tmp_path / "a.ckpt")
    told = r"lacks reader.layers.0.conv.bias; it has unknown extra; it differs in decoder.lstm.bias_ih_l0 \(3,\)"
    with pytest.raises(PalmarError, match=told):
        convert.load_official(tmp_path / "a.ckpt")
    torch.save({"state_dict": {"model.x": torch.zeros(1)}}, tmp_path / "b.ckpt")
    with pytest.raises(PalmarError, match="not a checkpoint of"):
        convert.load_official(tmp_path / "b.ckpt")


class Evil:
    def __reduce__(self):
        return (print, ("run",))


def test_files_with_code_are_not_opened(tmp_path, capsys):
    torch.save({"state_dict": {}, "hyper_parameters": Evil()}, tmp_path / "a.ckpt")
    with pytest.raises(PalmarError, match="not opened"):
        convert.load_official(tmp_path / "a.ckpt")
    assert capsys.readouterr().out == ""
    with pytest.raises(PalmarError, match="cannot be read"):
        convert.load_official(tmp_path / "none.ckpt")
