"""Graph convolutions: the documented numbers, a plain NumPy re-computation, laws of graphs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from palmar.hand.joints import PARENTS
from palmar.nn.chebyshev import (
    ChebyshevConv,
    GraphTransformer,
    LearnedGraph,
    StdNorm,
    chebyshev_basis,
    graformer_names,
    laplacian,
)

OFFICIAL_ORDER = [
    *(f"gconv_input.{k}" for k in ("weight", "bias")),
    *(f"gconv_layers.{i}.gconv{j}.gconv.{k}" for i in (0, 1) for j in (1, 2) for k in ("weight", "bias")),
    *(
        f"atten_layers.{i}.{name}"
        for i in (0, 1)
        for name in (
            *(f"self_attn.linears.{j}.{k}" for j in range(4) for k in ("weight", "bias")),
            "feed_forward.A_hat",
            *(f"feed_forward.gconv{j}.fc.{k}" for j in (1, 2) for k in ("weight", "bias")),
            *(f"sublayer.{j}.norm.{k}" for j in (0, 1) for k in ("a_2", "b_2")),
        )
    ),
    *(f"gconv_output.{k}" for k in ("weight", "bias")),
]
"""In which the documented vectors number the parameters."""


@pytest.fixture(scope="module")
def filled():
    """The network whose every parameter is a documented wave, in eval mode."""
    net = GraphTransformer().eval()
    theirs = {theirs: ours for ours, theirs in graformer_names().items()}
    parameters = dict(net.named_parameters())
    assert sorted(theirs) == sorted(OFFICIAL_ORDER)
    assert sorted(theirs.values()) == sorted(parameters)
    with torch.no_grad():
        for k, name in enumerate(OFFICIAL_ORDER):
            p = parameters[theirs[name]]
            wave = 0.05 * np.sin(0.1 * np.arange(p.numel()) + k)
            p.copy_(torch.from_numpy(wave.reshape(p.shape)))
            if name.endswith("a_2"):
                p += 1
            if name.endswith("A_hat"):
                p += torch.eye(21) + 0.1
    return net


def test_the_laplacian_is_the_documented_one():
    L = laplacian(21)
    A = np.eye(21) - L
    np.testing.assert_allclose([A[0, 0], A[1, 0], A[4, 3], A[4, 4]], [1 / 6, 1 / 3, 1 / 2, 1 / 2])
    np.testing.assert_allclose([L[0, 0], L[0, 1], L[1, 0]], [5 / 6, -1 / 6, -1 / 3])
    T2 = chebyshev_basis(L)[2]
    np.testing.assert_allclose([T2[0, 0], T2[4, 4], T2[4, 2]], [0.944445, -0.166667, 0.333333], atol=1e-6)
    np.testing.assert_allclose(L.sum(1), 0, atol=1e-12)  # what is the same everywhere has no slope


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_the_basis_is_chebyshevs(order):
    L = laplacian(6, [(0, 1), (1, 2), (2, 3), (3, 4), (0, 5)])
    values, vectors = np.linalg.eig(L)
    for m, T in enumerate(chebyshev_basis(L, order)):
        expected = np.cos(m * np.arccos(np.clip(values.real, -1, 1)))
        inside = np.abs(values.real) <= 1
        np.testing.assert_allclose((T @ vectors)[:, inside], (vectors * expected)[:, inside], atol=1e-7)


def test_the_graph_transformer_gives_the_documented_numbers(filled):
    assert sum(p.numel() for p in filled.parameters()) == 118_261
    x = torch.from_numpy(np.sin(0.3 * np.arange(42))).float().reshape(1, 21, 2)
    with torch.no_grad():
        out = filled(x)[0].numpy()
    np.testing.assert_allclose(out[0], [1.36987, 1.61039, 1.83483], atol=5e-5)
    np.testing.assert_allclose(out[20], [2.00883, 1.77909, 1.53158], atol=5e-5)
    assert abs(out.sum() + 4.2081) < 5e-4


def recomputed(net: GraphTransformer, x: np.ndarray) -> np.ndarray:
    """The documented forward pass in double precision, node by node where that is plainer."""
    p = {graformer_names()[n]: v.detach().double().numpy() for n, v in net.named_parameters()}
    A = np.zeros((21, 21))
    for child, parent in enumerate(PARENTS):
        A[child, child] = 1
        if parent >= 0:
            A[child, parent] = A[parent, child] = 1
    A = A / A.sum(1, keepdims=True)
    L = np.eye(21) - A
    T = [np.eye(21), L, 2 * L @ L - np.eye(21)]

    def cheb(h, name):
        return sum(T[m] @ h @ p[f"{name}.weight"][m, 0] for m in range(3)) + p[f"{name}.bias"][0, 0]

    def norm(h, name):
        std = h.std(-1, keepdims=True, ddof=1)
        return p[f"{name}.a_2"] * (h - h.mean(-1, keepdims=True)) / (std + 1e-6) + p[f"{name}.b_2"]

    h = cheb(x, "gconv_input")
    for i in (0, 1):
        at = f"atten_layers.{i}"
        n = norm(h, f"{at}.sublayer.0.norm")
        q, k, v = (
            n @ p[f"{at}.self_attn.linears.{j}.weight"].T + p[f"{at}.self_attn.linears.{j}.bias"] for j in (0, 1, 2)
        )
        heads = []
        for s in range(0, 64, 16):
            score = q[:, s : s + 16] @ k[:, s : s + 16].T / 4
            weight = np.exp(score - score.max(1, keepdims=True))
            heads.append(weight / weight.sum(1, keepdims=True) @ v[:, s : s + 16])
        h = h + np.concatenate(heads, 1) @ p[f"{at}.self_attn.linears.3.weight"].T + p[f"{at}.self_attn.linears.3.bias"]
        n = norm(h, f"{at}.sublayer.1.norm")
        B = p[f"{at}.feed_forward.A_hat"]
        d = (B.sum(0) + 1e-5) ** -0.5
        N = np.array([[d[r] * B[r, c] * d[c] for c in range(21)] for r in range(21)])
        z = np.maximum(N @ n @ p[f"{at}.feed_forward.gconv1.fc.weight"].T + p[f"{at}.feed_forward.gconv1.fc.bias"], 0)
        h = h + N @ z @ p[f"{at}.feed_forward.gconv2.fc.weight"].T + p[f"{at}.feed_forward.gconv2.fc.bias"]
        r = np.maximum(cheb(h, f"gconv_layers.{i}.gconv1.gconv"), 0)
        h = h + np.maximum(cheb(r, f"gconv_layers.{i}.gconv2.gconv"), 0)
    return cheb(h, "gconv_output")


def test_a_plain_recomputation_agrees():
    torch.manual_seed(3)
    net = GraphTransformer().eval()
    with torch.no_grad():
        for layer in net.layers:
            layer.graph.edges += torch.rand(21, 21)
            layer.norms[0].gain += torch.randn(64) / 5
    x = torch.randn(2, 3, 21, 2)
    with torch.no_grad():
        out = net(x)
    for i in range(2):
        for j in range(3):
            np.testing.assert_allclose(out[i, j], recomputed(net, x[i, j].double().numpy()), atol=2e-5)


def test_a_node_hears_from_two_bones_away_and_no_further():
    conv = ChebyshevConv(3, 4, chebyshev_basis(laplacian(21)))
    h = torch.randn(21, 3)
    moved = h.clone()
    moved[4] += 1  # the thumb's tip
    changed = (conv(moved) - conv(h)).abs().amax(-1) > 1e-6
    assert set(np.flatnonzero(changed.numpy())) == {2, 3, 4}


def test_a_negative_degree_is_no_nan():
    layer = LearnedGraph(4, 8, 21)
    with torch.no_grad():
        layer.edges -= 2.0
    assert torch.isfinite(layer(torch.randn(21, 4))).all()


def test_the_norm_is_unbiased_and_has_a_gradient_at_equal_channels():
    norm = StdNorm(8)
    x = torch.randn(5, 8)
    expected = (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + 1e-6)
    torch.testing.assert_close(norm(x), expected)
    flat = torch.ones(2, 8, requires_grad=True)
    norm(flat).sum().backward()
    assert torch.isfinite(flat.grad).all()


def test_dropout_is_the_only_noise():
    net = GraphTransformer()
    x = torch.randn(21, 2)
    assert not torch.equal(net(x), net(x))
    net.eval()
    assert torch.equal(net(x), net(x))
