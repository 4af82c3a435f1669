"""Selective scan: numbers worked out by hand, its two ways against each other, and against plain NumPy."""

import numpy as np
import pytest
import torch

from palmar.errors import PalmarError
from palmar.nn.scan import SelectiveScan, selective_scan, snakes

X = [[1, -1], [0.5, 0.2], [-0.3, 0.7], [0, 1]]
DELTA = [[0, 0.5], [1, -1], [0.2, 0.3], [-0.5, 0]]
B = [[0.5, -0.2], [0.1, 0.3], [0.4, 0.4], [-0.6, 0.2]]
C = [[1, 0.5], [0.2, -0.3], [0.7, 0.1], [0.5, 0.5]]
THERE = [[1.277259, -0.889631], [0.475686, -0.006832], [-0.322770, 0.439403], [-0.018765, 0.416647]]
BACK = [[1.320969, -0.858681], [0.450962, 0.062334], [-0.376621, 0.419997], [0, 0.361371]]


def example(flip: bool) -> np.ndarray:
    parts = [torch.tensor(p, dtype=torch.float64)[None] for p in (X, DELTA, B, C)]
    x, delta, b, c = (p.flip(1) for p in parts) if flip else parts
    a, d = torch.tensor([[-1.0, -2], [-1, -2]], dtype=torch.float64), torch.tensor([1, 0.5], dtype=torch.float64)
    y = selective_scan(x, torch.nn.functional.softplus(delta), a, b, c, d)[0]
    return (y.flip(0) if flip else y).numpy()


def test_worked_example():
    np.testing.assert_allclose(example(False), THERE, atol=1e-6)
    np.testing.assert_allclose(example(True), BACK, atol=1e-6)


def drawn(length: int, seed: int = 0) -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    n = lambda *s: torch.randn(*s, generator=g, dtype=torch.float64)  # noqa: E731
    return {
        "x": n(2, length, 3), "delta": n(2, length, 3).exp() * 0.3, "a": -n(3, 4).exp(),
        "b": n(2, length, 4), "c": n(2, length, 4), "d": n(3),
    }  # fmt: skip


@pytest.mark.parametrize("length", [1, 2, 7, 64, 100])
def test_ways_agree_with_the_recurrence_in_numpy(length):
    v = drawn(length)
    p = {k: t.numpy() for k, t in v.items()}
    h, rows = np.zeros((2, 3, 4)), []
    for t in range(length):
        h = np.exp(p["delta"][:, t, :, None] * p["a"]) * h
        h = h + (p["delta"][:, t] * p["x"][:, t])[..., None] * p["b"][:, t, None]
        rows.append((h * p["c"][:, t, None]).sum(-1) + p["d"] * p["x"][:, t])
    expected = np.stack(rows, 1)
    for way in ("steps", "parallel"):
        np.testing.assert_allclose(selective_scan(**v, way=way).numpy(), expected, rtol=1e-9, atol=1e-11)


def test_gradients_of_both_ways_agree():
    grads = []
    for way in ("steps", "parallel"):
        v = {k: t.requires_grad_() for k, t in drawn(13).items()}
        selective_scan(**v, way=way).square().sum().backward()
        grads.append({k: t.grad for k, t in v.items()})
    for name in grads[0]:
        torch.testing.assert_close(grads[0][name], grads[1][name])


def test_layer_looks_only_back_along_its_order():
    torch.manual_seed(0)
    layer = SelectiveScan(6, 1, states=4)
    order = torch.tensor([2, 0, 3, 1])
    x = torch.randn(1, 4, 6)
    y = layer(x, [order])
    changed = x.clone()
    changed[:, 3] += 1  # third in the order: only 3 and 1 may notice
    moved = (layer(changed, [order]) - y).abs().amax((0, 2)) > 1e-7
    assert moved.tolist() == [False, True, False, True]


def test_orders_are_added_up():
    torch.manual_seed(0)
    both = SelectiveScan(6, 2, states=4)
    ways = [torch.arange(5), torch.arange(5).flip(0)]
    x = torch.randn(2, 5, 6)
    total = torch.zeros_like(x)
    for k, way in enumerate(ways):
        one = SelectiveScan(6, 1, states=4)
        one.load_state_dict({name: p[k : k + 1] for name, p in both.state_dict().items()})
        total += one(x, [way])
    torch.testing.assert_close(both(x, ways), total)
    with pytest.raises(PalmarError, match="made for 2 orders"):
        both(x, ways[:1])


def test_parameter_counts_of_vmamba():
    # Width 512 of the model, 1024 inside, 16 states, rank 32, four orders.
    layer = SelectiveScan(1024, 4, states=16)
    counts = {name: p.numel() for name, p in layer.named_parameters()}
    assert counts["to_parts"] == 262_144
    assert counts["to_delta"] + counts["delta_bias"] == 135_168
    assert counts["log_decay"] == 65_536
    assert counts["through"] == 4_096


def test_first_deltas_lie_in_their_range():
    torch.manual_seed(0)
    delta = torch.nn.functional.softplus(SelectiveScan(64, 2).delta_bias)
    assert delta.min() >= 1e-3 * 0.999
    assert delta.max() <= 1e-1 * 1.001


def test_snakes_are_permutations_that_follow_rows_and_columns():
    along, down, back, up = snakes(2, 3)
    assert along.tolist() == [0, 1, 2, 3, 4, 5]
    assert down.tolist() == [0, 3, 1, 4, 2, 5]
    assert back.tolist() == [5, 4, 3, 2, 1, 0]
    assert up.tolist() == [5, 2, 4, 1, 3, 0]


def test_leading_axes_may_have_decays_of_their_own():
    """Several orders at once, as the layer scans them: each as if alone."""
    g = torch.Generator().manual_seed(0)
    n = lambda *s: torch.randn(*s, generator=g, dtype=torch.float64)  # noqa: E731
    x, delta, b, c = n(2, 3, 5, 4), n(2, 3, 5, 4).exp(), n(2, 3, 5, 2), n(2, 3, 5, 2)
    a, d = -n(3, 4, 2).exp(), n(3, 4)
    for way in ("steps", "parallel"):
        whole = selective_scan(x, delta, a, b, c, d, way=way)
        for k in range(3):
            alone = selective_scan(x[:, k], delta[:, k], a[k], b[:, k], c[:, k], d[k], way=way)
            torch.testing.assert_close(whole[:, k], alone)


def test_gradients_are_those_of_small_differences():
    g = torch.Generator().manual_seed(0)
    n = lambda *s: torch.randn(*s, generator=g, dtype=torch.float64)  # noqa: E731
    parts = n(2, 3, 4, 2), n(2, 3, 4, 2).exp(), -n(3, 2, 2).exp(), n(2, 3, 4, 2), n(2, 3, 4, 2)
    parts = tuple(part.requires_grad_() for part in parts)
    assert torch.autograd.gradcheck(lambda *p: selective_scan(*p, way="steps"), parts)
