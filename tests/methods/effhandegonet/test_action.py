"""The action transformer: golden vectors, an independent NumPy computation, training, the file."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from palmar.errors import PalmarError
from palmar.geometry.camera import Camera
from palmar.methods.effhandegonet.action import ActionTransformer, fit, from_official, positions
from palmar.methods.effhandegonet.sequences import FPHA, Layout
from palmar.types.firstperson import EgoClip, Vocabulary

OFFICIAL = {"h2o": (93, 37, "mlp.0"), "fpha": (43, 45, "mlp.1")}


def official_state(kind):
    """Shapes and order of the released checkpoints, filled by the rule of the golden vectors."""
    inputs, classes, head = OFFICIAL[kind]
    shapes = {"class_token": (1, 42), "linear_mapper.weight": (42, inputs), "linear_mapper.bias": (42,)}
    for i in range(2):
        at = f"encoder_layers.{i}."
        shapes |= {
            at + "MultHeaAtten.in_proj_weight": (126, 42),
            at + "MultHeaAtten.in_proj_bias": (126,),
            at + "MultHeaAtten.out_proj.weight": (42, 42),
            at + "MultHeaAtten.out_proj.bias": (42,),
            at + "layer_norm_1.weight": (21, 42),
            at + "layer_norm_1.bias": (21, 42),
            at + "ffn.0.weight": (42, 42),
            at + "ffn.0.bias": (42,),
            at + "layer_norm_2.weight": (21, 42),
            at + "layer_norm_2.bias": (21, 42),
        }
    shapes |= {head + ".weight": (classes, 42), head + ".bias": (classes,)}
    state = {}
    for k, (name, shape) in enumerate(shapes.items()):
        value = 0.05 * np.sin(0.1 * np.arange(np.prod(shape)) + k)
        state[name] = torch.tensor(value + (1 if "layer_norm" in name and "weight" in name else 0)).float().view(shape)
    return state


def golden_input(width):
    return np.sin(0.05 * np.arange(20)[:, None] + 0.11 * np.arange(width)).astype(np.float32)[None]


def plain_forward(state, x, head):
    """The documented pass in NumPy, float64."""
    w = {name: value.double().numpy() for name, value in state.items()}
    h = np.concatenate(
        [w["class_token"], x[0].astype(np.float64) @ w["linear_mapper.weight"].T + w["linear_mapper.bias"]]
    )
    i, j = np.mgrid[:21, :42]
    h = h + np.where(j % 2, np.sin(np.cos(i / 10000 ** ((j - 1) / 42))), np.sin(i / 10000 ** (j / 42)))
    norm = lambda v, g, b: (v - v.mean()) / np.sqrt(v.var() + 1e-5) * g + b  # noqa: E731
    for n in range(2):
        p = {key.split(".", 2)[2]: value for key, value in w.items() if key.startswith(f"encoder_layers.{n}.")}
        q, k, v = np.split(h @ p["MultHeaAtten.in_proj_weight"].T + p["MultHeaAtten.in_proj_bias"], 3, 1)
        mixed = []
        for s in (slice(0, 21), slice(21, 42)):
            a = np.exp(q[:, s] @ k[:, s].T / np.sqrt(21))
            mixed.append(a / a.sum(1, keepdims=True) @ v[:, s])
        a = np.concatenate(mixed, 1) @ p["MultHeaAtten.out_proj.weight"].T + p["MultHeaAtten.out_proj.bias"]
        h = norm(h + a, p["layer_norm_1.weight"], p["layer_norm_1.bias"])
        f = np.maximum(h @ p["ffn.0.weight"].T + p["ffn.0.bias"], 0)
        h = norm(h + f, p["layer_norm_2.weight"], p["layer_norm_2.bias"])
    return h[0] @ w[head + ".weight"].T + w[head + ".bias"]


def test_positions_golden():
    p = positions(21, 42, compatible=True)
    for at, value in (((0, 0), 0), ((0, 1), 0.841471), ((1, 1), 0.514395), ((1, 2), 0.601156), ((5, 3), -0.839600)):
        assert p[at] == pytest.approx(value, abs=2e-6)
    assert p[20, 41] == pytest.approx(0.841468, abs=2e-6)
    assert p.sum(dtype=np.float64) == pytest.approx(335.70929, abs=1e-3)
    np.testing.assert_allclose(positions(21, 42)[0, 1::2], 1)


@pytest.mark.parametrize(
    ("kind", "start", "total", "best"),
    [
        ("h2o", [-0.025982, -0.089268, -0.014030, -0.016280, -0.079884], 0.618737, 27),
        ("fpha", [-0.038022, -0.095252, 0.003879, -0.027855, -0.086442], 0.665653, 26),
    ],
)
def test_golden_logits_of_the_official_layout(kind, start, total, best):
    inputs, _, head = OFFICIAL[kind]
    state, x = official_state(kind), golden_input(inputs)
    net = from_official(state)
    with torch.no_grad():
        logits = net(torch.from_numpy(x))[0].numpy()
    np.testing.assert_allclose(logits[:5], start, atol=2e-6)
    assert logits.sum() == pytest.approx(total, abs=2e-5)
    assert logits.argmax() == best
    np.testing.assert_allclose(logits, plain_forward(state, x, head), atol=1e-5)


def test_random_official_weights_agree_with_numpy():
    torch.manual_seed(1)
    state = {name: torch.randn_like(value) * 0.3 for name, value in official_state("h2o").items()}
    x = np.random.default_rng(1).normal(size=(1, 20, 93)).astype(np.float32)
    with torch.no_grad():
        logits = from_official(state)(torch.from_numpy(x))[0].numpy()
    np.testing.assert_allclose(logits, plain_forward(state, x, "mlp.0"), atol=1e-5)


def test_published_sizes_and_wrong_keys():
    count = lambda net: sum(p.numel() for p in net.parameters())  # noqa: E731
    assert count(ActionTransformer()) == 30_697
    assert count(ActionTransformer(43, 45)) == 28_941
    state = official_state("h2o")
    with pytest.raises(PalmarError, match="has unknown extra"):
        from_official(state | {"extra": torch.zeros(1)})
    del state["class_token"]
    with pytest.raises(PalmarError, match="lacks class_token"):
        from_official(state)


@pytest.fixture(scope="module")
def clips():
    """Two actions that differ in where the right hand goes; the object tells nothing."""
    camera = Camera(width=64, height=36, fx=50.0, fy=50.0, cx=31.5, cy=17.5)
    rng = np.random.default_rng(0)
    out = []
    for n in range(24):
        t = int(rng.integers(12, 40))
        joints = np.full((t, 2, 21, 3), np.nan, np.float32)
        way = np.linspace(0, 0.2, t) * (1 if n % 2 else -1)
        joints[:, 1] = rng.normal((0, 0, 0.6), 0.03, (21, 3))
        joints[:, 1, :, 1] += way[:, None]
        points = np.full((t, 21, 3), np.nan, np.float32)
        out.append(EgoClip(f"c{n}", camera, np.arange(t) / 30, joints, np.zeros(t, np.int64), points, n % 2))
    return out


def test_learns_goes_on_and_writes_its_file(clips, tmp_path):
    vocabulary = Vocabulary(("none", "cup"), ("raise", "lower"))
    options = {"layout": Layout(box=False, label=False), "steps": 150, "batch": 16, "augment": False, "vanish": 0.0}
    fitted = fit(clips, vocabulary, run=tmp_path / "run", **options)
    probabilities = fitted(clips)
    assert (probabilities.argmax(1) == [c.action for c in clips]).mean() > 0.9
    again = fit(clips, vocabulary, run=tmp_path / "run", **options)
    np.testing.assert_array_equal(again.logits(clips), fitted.logits(clips))

    from palmar.methods.effhandegonet.onnx import ActionReader

    reader = ActionReader(fitted.save(tmp_path / "action.onnx"))
    assert reader.vocabulary == vocabulary
    assert reader.layout == options["layout"]
    np.testing.assert_allclose(reader(clips), probabilities, atol=1e-5)


def test_bad_calls(clips):
    with pytest.raises(PalmarError, match="no clips"):
        fit([], Vocabulary(("none",), ("a",)))
    with pytest.raises(PalmarError, match="c1 has action 1; known are 1"):
        fit(clips, Vocabulary(("none",), ("a",)), layout=FPHA)
