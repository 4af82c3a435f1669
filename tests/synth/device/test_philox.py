"""Random numbers on the device: the published words, laws of the draws, pure in where they stand."""

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from palmar.errors import PalmarError
from palmar.synth.device.philox import Draws, philox, uniforms


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_the_published_words(counter, key, words):
    """Known answers of Philox 4x32 with ten rounds, as its authors publish them."""
    assert tuple(philox(torch.tensor(counter), key).tolist()) == words


def _loops(counter, key):
    """Ten rounds written with Python's own whole numbers."""
    c, k = list(counter), list(key)
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k[0], p1 % 2**32, (p0 >> 32) ^ c[3] ^ k[1], p0 % 2**32]
        k = [(k[0] + 0x9E3779B9) % 2**32, (k[1] + 0xBB67AE85) % 2**32]
    return c


def test_any_counter_in_any_shape_gives_the_words_of_the_loops():
    rng = np.random.default_rng(0)
    counter = rng.integers(0, 2**32, (3, 5, 4))
    key = tuple(int(k) for k in rng.integers(0, 2**32, 2))
    found = philox(torch.from_numpy(counter), key)
    for i in np.ndindex(3, 5):
        assert found[i].tolist() == _loops(counter[i].tolist(), key)


def test_a_number_hangs_on_seed_index_stream_and_place_alone():
    index = torch.tensor([7, 2**33 + 7, 1, 7])
    u = uniforms(5, index, 3, 10)
    torch.testing.assert_close(u[0], u[3], rtol=0, atol=0)
    torch.testing.assert_close(u[2:3], uniforms(5, index[2:3], 3, 300)[:, :10], rtol=0, atol=0)
    for other in (uniforms(6, index, 3, 10), uniforms(5, index, 4, 10), uniforms(5 + 2**40, index, 3, 10)):
        assert (other != u).all(1).all()
    assert not torch.equal(u[0], u[1])


def test_laws_of_the_draws():
    d = Draws(1, torch.arange(40_000), 0, block=40)
    u = d.uniform(2.0, 4.0)
    assert u.min() >= 2
    assert u.max() < 4
    assert abs(u.mean() - 3) < 0.01
    assert abs(u.std() - 2 / 12**0.5) < 0.01
    n = d.normal(2.0, (3,))
    assert n.shape == (40_000, 3)
    assert n.mean(0).abs().max() < 0.04
    assert (n.std(0) - 2).abs().max() < 0.03
    assert torch.corrcoef(n.T).fill_diagonal_(0).abs().max() < 0.02
    assert abs((n[:, 0] ** 4).mean() / 16 - 3) < 0.2
    assert abs(d.exponential().mean() - 1) < 0.02
    assert abs(d.chance(0.3).float().mean() - 0.3) < 0.01
    assert torch.bincount(d.integer(5), minlength=5).sub(8000).abs().max() < 400
    assert (
        torch.bincount(d.pick((0.5, 0.2, 0.3)), minlength=3).sub(torch.tensor([20000, 8000, 12000])).abs().max() < 400
    )
    assert abs(d.log_uniform(0.1, 10.0).log().mean()) < 0.03
    assert abs(d.sign().mean()) < 0.02


@pytest.mark.plain
def test_bad_input():
    with pytest.raises(PalmarError, match="seed"):
        uniforms(-1, torch.arange(2), 0, 4)
    d = Draws(1, torch.arange(2), 0, block=8)
    d.uniform(shape=(8,))
    with pytest.raises(PalmarError, match="block"):
        d.uniform()
