"""TA-GCN: counts, links, a plain re-computation of a block, and a task that it learns."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from palmar.errors import PalmarError
from palmar.methods.h2o.action_training import fit
from palmar.methods.h2o.clips import Batches, paths, recognise, rows_of, seen
from palmar.methods.h2o.tagcn import INTER, INTRA, PAPER, SMALL, Config, GraphConv, TaGcn, fixed, within
from palmar.nn.graph import adjacency, column_normalised, hand_edges, hops, symmetric_normalised
from palmar.train.loop import Recipe

TINY = Config(classes=3, channels=(8, 8, 12), frames=12, dropout=0.0)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_parameters_are_those_of_the_papers_network():
    with torch.device("meta"):
        net = TaGcn(PAPER)
        count = lambda part: sum(p.numel() for p in part.parameters())  # noqa: E731
        assert [count(block) for block in net.blocks] == [
            43_538, 54_866, 54_866, 54_866, 195_410, 202_834, 202_834, 762_450, 793_682, 793_682,
        ]  # fmt: skip
        assert (count(net.norm), count(net.head)) == (306, 9_509)
        assert count(net) == 3_168_843


def test_time_is_halved_where_channels_change():
    with torch.device("meta"):
        net, x = TaGcn(PAPER).to("meta"), torch.zeros(2, 3, 200, 51)
        lengths = []
        for block in net.blocks:
            x = block(x)
            lengths.append(x.shape[2])
    assert lengths == [200] * 4 + [100] * 3 + [50] * 3


def test_links_are_those_of_the_paper():
    assert len(INTRA) == 20 + 20 + 8 + 12
    assert len(INTER) == 21 + 42
    near = fixed(PAPER)[1]
    np.testing.assert_allclose(near.sum(0), 1)
    assert near[0, 21] > 0
    assert near[4, 42] > 0
    assert near[0, 4] == 0  # the wrist and a fingertip are not linked
    assert (near > 0).sum() == 2 * (len(INTRA) + len(INTER))
    alone = fixed(replace(PAPER, inter=False))[1]
    assert not alone[within(PAPER) == 0].any()


def test_graphs():
    edges = hand_edges(3)
    a = adjacency(edges, 24)
    assert (a == a.T).all()
    assert a.sum() == 40
    assert not a[:3].any()
    np.testing.assert_allclose(column_normalised(a)[:, 3:].sum(0), 1)
    s = symmetric_normalised(a)
    assert np.abs(np.linalg.eigvalsh(s)).max() == pytest.approx(1, abs=1e-9)
    far = hops(edges, 24)
    assert far[3, 7] == 4  # wrist to the tip of the thumb
    assert far[7, 11] == 8
    assert far[0, 3] == -1
    with pytest.raises(PalmarError, match="no edge"):
        adjacency([(0, 24)], 24)


def plain(layer: GraphConv, x: np.ndarray) -> np.ndarray:
    """The graph convolution in NumPy, sums written out."""
    get = lambda t: t.detach().double().numpy()  # noqa: E731
    b, _, t, n = x.shape
    conv = lambda c, f: np.einsum("oi,bitn->botn", get(c.weight)[:, :, 0, 0], f) + get(c.bias)[:, None, None]  # noqa: E731
    norm = lambda m, f: (  # noqa: E731
        (f - get(m.running_mean)[:, None, None])
        / np.sqrt(get(m.running_var)[:, None, None] + m.eps)
        * get(m.weight)[:, None, None]
        + get(m.bias)[:, None, None]
    )
    total = 0.0
    for j in range(2):
        like = np.einsum("bctn,bctm->bnm", conv(layer.theta[j], x), conv(layer.phi[j], x)) / (layer.width * t)
        like = np.exp(like - like.max(1, keepdims=True))
        links = get(layer.fixed)[j] + get(layer.free)[j] + like / like.sum(1, keepdims=True)
        moved = np.zeros_like(x)
        for i in range(b):
            for to in range(n):
                moved[i, :, :, to] = (x[i] * links[i, :, to]).sum(-1)
        total = total + conv(layer.turns[j], moved)
    past = x if isinstance(layer.past, torch.nn.Identity) else norm(layer.past[1], conv(layer.past[0], x))
    return np.maximum(norm(layer.norm, total) + past, 0)


@pytest.mark.parametrize("outputs", [8, 12])
def test_a_graph_convolution_is_its_formula(outputs):
    torch.manual_seed(0)
    layer = GraphConv(8, outputs, TINY).eval()
    for p in layer.parameters():
        torch.nn.init.normal_(p, 0, 0.3)
    x = torch.randn(2, 8, 5, 51)
    np.testing.assert_allclose(layer(x).detach(), plain(layer, x.double().numpy()), rtol=1e-4, atol=1e-4)


def test_masks_split_the_free_links():
    x = torch.randn(1, 8, 4, 51)
    torch.manual_seed(1)
    off = replace(TINY, sampled=False, intra=False, inter=False, free_intra=False)
    layer = GraphConv(8, 8, off).eval()
    assert layer.free is not None
    torch.nn.init.normal_(layer.norm.weight, 1.0, 0.1)
    torch.nn.init.normal_(layer.free, 0, 1.0)
    base = layer(x)
    with torch.no_grad():
        layer.free[:, torch.from_numpy(within(off))] += 5.0  # within one entity: masked out
    torch.testing.assert_close(layer(x), base)
    with torch.no_grad():
        layer.free[:, 0, 21] += 5.0
    assert not torch.allclose(layer(x), base)
    assert GraphConv(8, 8, replace(off, free_inter=False)).free is None


def test_frames_of_a_clip():
    assert rows_of(5, 12).tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]
    even = rows_of(100, 12)
    assert (even[0], even[-1]) == (0, 99)
    drawn = rows_of(100, 12, np.random.default_rng(0))
    assert (np.diff(drawn) > 0).all()
    with pytest.raises(PalmarError, match="without frames"):
        rows_of(0, 12)


def test_what_is_absent_is_zero_and_parts_can_be_left_out(scenes):
    one = scenes.clip(0, 0)
    gone = replace(one, joints=np.where(np.arange(2)[:, None, None] == 0, np.nan, one.joints).astype(np.float32))
    assert not paths(gone)[:, :21].any()
    assert seen(paths(one), replace(TINY, parts=("right", "object"))).shape == (3, 12, 30)
    noisy = Batches([gone], TINY, size=4, seed=0, noise=0.1)(0)["image"]
    assert not noisy[..., :21].any()  # noise makes no hand
    quiet = Batches([gone], TINY, size=4, seed=0)(0)["image"]
    shift = (noisy - quiet)[..., 21:]
    np.testing.assert_allclose(shift, np.repeat(shift[:, :, :1], 12, 2), atol=1e-6)


def test_it_learns_who_goes_where(tmp_path, scenes):
    learn = [scenes.clip(i, i % 3) for i in range(45)]
    test = [scenes.clip(1000 + i, i % 3) for i in range(30)]
    outcome = fit(
        learn,
        TINY,
        Recipe("ta-gcn", 0, 24, 150, 4e-3, 10, ema=0.9),
        tmp_path / "run",
        threads=1,
        device="cpu",
        quiet=True,
    )
    assert isinstance(outcome.model, TaGcn)
    right = recognise(outcome.model, test).argmax(1) == [c.action for c in test]
    assert right.mean() > 0.8


def test_bad_configs_are_named(scenes):
    with pytest.raises(PalmarError, match="parts"):
        Config(parts=("left", "foot"))
    with pytest.raises(PalmarError, match="classes"):
        Batches([scenes.clip(0, 2)], replace(SMALL, classes=2), size=1, seed=0)
