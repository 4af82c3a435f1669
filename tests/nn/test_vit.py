"""Vision transformer and one-query decoder: counts of the published sizes, plain re-computation, laws."""

import math

import numpy as np
import pytest
import torch

from palmar.errors import PalmarError
from palmar.nn.decoder import DecoderConfig, QueryDecoder, own_key
from palmar.nn.vit import HUGE, DropPath, VisionTransformer, VitConfig

SMALL = VitConfig(64, 48, 16, 2, 24, 2, 3, 2.0, 0.0)


def count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_counts_of_the_huge_one():
    with torch.device("meta"):
        vit = VisionTransformer(HUGE)
    assert count(vit) == 630_912_000
    assert count(vit.patch_embed) == 984_320
    assert vit.pos_embed.numel() == 247_040
    assert count(vit.blocks[0]) == 19_677_440
    assert count(vit.last_norm) == 2_560
    assert HUGE.grid == (16, 12)


@pytest.mark.parametrize(
    ("context", "whole"),
    [(1280, 40_184_340), (1024, 38_611_476), (768, 37_038_612), (384, 34_679_316), (2048, 44_902_932),
     (512, 35_465_748), (256, 33_892_884)],
)  # fmt: skip
def test_counts_of_the_decoder(context, whole):
    with torch.device("meta"):
        decoder = QueryDecoder(DecoderConfig(context))
    assert count(decoder) == whole - 798_228  # less a read-out of 778 numbers and what it starts from


def layer_norm(x, w, b, eps):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + eps) * w + b


def gelu(x):
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def attention(q, k, v, heads):
    out = []
    for a, b, c in zip(*(np.split(m, heads, -1) for m in (q, k, v)), strict=True):
        s = a @ b.T / math.sqrt(a.shape[-1])
        e = np.exp(s - s.max(-1, keepdims=True))
        out.append(e / e.sum(-1, keepdims=True) @ c)
    return np.concatenate(out, -1)


def numbers(module: torch.nn.Module) -> dict[str, np.ndarray]:
    g = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(torch.randn(p.shape, generator=g, dtype=torch.float64) * 0.3)
    return {k: v.detach().numpy() for k, v in module.double().eval().state_dict().items()}


def test_forward_is_the_plain_computation():
    vit = VisionTransformer(SMALL)
    w = numbers(vit)
    picture = torch.randn(1, 3, 64, 48, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    front = torch.randn(1, 2, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    found, kept = vit(picture, front)

    padded = np.pad(picture[0].numpy(), ((0, 0), (2, 2), (2, 2)))
    tokens = []
    for r in range(4):
        for c in range(3):
            cut = padded[:, 16 * r : 16 * r + 16, 16 * c : 16 * c + 16]
            tokens.append((w["patch_embed.proj.weight"] * cut).sum((1, 2, 3)) + w["patch_embed.proj.bias"])
    x = np.stack(tokens) + w["pos_embed"][0, 1:] + w["pos_embed"][0, 0]
    x = np.concatenate([front[0].numpy(), x])
    for i in range(2):
        p = f"blocks.{i}."
        y = layer_norm(x, w[p + "norm1.weight"], w[p + "norm1.bias"], 1e-6)
        q, k, v = np.split(y @ w[p + "attn.qkv.weight"].T + w[p + "attn.qkv.bias"], 3, -1)
        x = x + attention(q, k, v, 3) @ w[p + "attn.proj.weight"].T + w[p + "attn.proj.bias"]
        y = layer_norm(x, w[p + "norm2.weight"], w[p + "norm2.bias"], 1e-6)
        y = gelu(y @ w[p + "mlp.fc1.weight"].T + w[p + "mlp.fc1.bias"])
        x = x + y @ w[p + "mlp.fc2.weight"].T + w[p + "mlp.fc2.bias"]
    x = layer_norm(x, w["last_norm.weight"], w["last_norm.bias"], 1e-6)
    np.testing.assert_allclose(kept[0].detach(), x[:2], atol=1e-10)
    np.testing.assert_allclose(found[0].detach(), x[2:].T.reshape(24, 4, 3), atol=1e-10)


def test_decoder_is_the_plain_computation():
    decoder = QueryDecoder(DecoderConfig(10, 12, 2, 2, 5, 7))
    w = numbers(decoder)
    plane = torch.randn(1, 10, 3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    context = plane[0].numpy().reshape(10, 6).T
    x = w["embedding.bias"][None] + w["position"][0]
    for i in range(2):
        p = f"layers.{i}."
        y = layer_norm(x, w[p + "attend_self.norm.weight"], w[p + "attend_self.norm.bias"], 1e-5)
        v = np.split(y @ w[p + "attend_self.to_qkv.weight"].T, 3, -1)[2]  # one key: its value
        x = x + v @ w[p + "attend_self.to_out.weight"].T + w[p + "attend_self.to_out.bias"]
        y = layer_norm(x, w[p + "attend_context.norm.weight"], w[p + "attend_context.norm.bias"], 1e-5)
        k, v = np.split(context @ w[p + "attend_context.to_kv.weight"].T, 2, -1)
        y = attention(y @ w[p + "attend_context.to_q.weight"].T, k, v, 2)
        x = x + y @ w[p + "attend_context.to_out.weight"].T + w[p + "attend_context.to_out.bias"]
        y = gelu(layer_norm(x, w[p + "norm.weight"], w[p + "norm.bias"], 1e-5) @ w[p + "first.weight"].T
                 + w[p + "first.bias"])  # fmt: skip
        x = x + y @ w[p + "second.weight"].T + w[p + "second.bias"]
    np.testing.assert_allclose(decoder(plane).detach(), x, atol=1e-10)


def test_positions_of_another_grid_are_interpolated():
    vit = VisionTransformer(SMALL)
    with torch.no_grad():
        vit.pos_embed.zero_()
        vit.pos_embed[:, 1:] = torch.arange(3.0).repeat(4)[None, :, None]  # grows along columns only
    wide = vit.positions(4, 6).detach().view(4, 6, -1)
    assert torch.equal(vit.positions(4, 3)[0, :, 0], torch.arange(3.0).repeat(4))
    assert (wide[0, 1:, 0] > wide[0, :-1, 0] - 1e-6).all()
    assert torch.allclose(wide[0], wide[3])
    assert vit(torch.zeros(1, 3, 64, 96))[0].shape == (1, 24, 4, 6)


def test_drop_path_keeps_the_mean():
    drop = DropPath(0.4).train()
    torch.manual_seed(0)
    y = drop(torch.ones(20_000, 1, 1))
    assert set(np.unique(y.numpy().round(5))) == {0.0, np.float32(1 / 0.6).round(5)}
    assert abs(float(y.mean()) - 1) < 0.02
    assert torch.equal(drop.eval()(y), y)


def test_official_keys_map_one_to_one():
    theirs = ["to_token_embedding.weight", "to_token_embedding.bias", "pos_embedding"]
    for i in range(2):
        layer = f"transformer.layers.{i}."
        theirs += [layer + f"{j}.norm.{k}" for j in range(3) for k in ("weight", "bias")]
        theirs += [layer + k for k in ("0.fn.to_qkv.weight", "0.fn.to_out.0.weight", "0.fn.to_out.0.bias",
                   "1.fn.to_q.weight", "1.fn.to_kv.weight", "1.fn.to_out.0.weight", "1.fn.to_out.0.bias",
                   "2.fn.net.0.weight", "2.fn.net.0.bias", "2.fn.net.3.weight", "2.fn.net.3.bias")]  # fmt: skip
    ours = QueryDecoder(DecoderConfig(10, 12, 2, 2, 5, 7)).state_dict()
    assert sorted(map(own_key, theirs)) == sorted(ours)


@pytest.mark.parametrize("wrong", [{"dim": 100, "heads": 3}, {"height": 8}])
def test_impossible_sizes_are_refused(wrong):
    with pytest.raises(PalmarError, match="VitConfig"):
        VitConfig(**wrong)
