"""A stream in chunks gives what the whole signal gives."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from palmar.errors import PalmarError
from palmar.methods.emg2pose.model import Config, build
from palmar.methods.emg2pose.stream import Streamer, speed

TINY = Config(width=16, features=8, hidden=12)


@pytest.fixture(scope="module")
def signal():
    return np.random.default_rng(0).normal(size=(16, 5000)).astype(np.float32)


def chunks(total: int, kind: str) -> list[int]:
    """Where to cut."""
    if kind == "one":
        return []
    if kind == "even":
        return list(range(40, total, 40))
    return np.unique(np.random.default_rng(1).integers(0, total, 60)).tolist()


@torch.no_grad()
@pytest.mark.parametrize("resampling", ["steady", "hold"])
@pytest.mark.parametrize("decoder", [("lstm", "hybrid"), ("lstm", "velocity"), ("mlp", "position")])
@pytest.mark.parametrize("kind", ["one", "even", "uneven"])
def test_chunks_give_what_the_whole_gives(signal, resampling, decoder, kind):
    torch.manual_seed(0)
    model = build(replace(TINY, resampling=resampling, decoder=decoder[0], predict=decoder[1], scale=0.3)).eval()
    stream = Streamer(model, resampling=resampling)
    start = np.linspace(-0.5, 0.5, 20).astype(np.float32)
    stream.reset(start)
    found = [stream.push(chunk) for chunk in np.split(signal, chunks(signal.shape[1], kind), 1)]
    angles = np.concatenate([f.angles for f in found])
    seconds = np.concatenate([f.seconds for f in found])
    whole = model.poses(torch.as_tensor(signal)[None], torch.as_tensor(start)[None])[0].T.numpy()
    np.testing.assert_allclose(angles[: len(whole)], whole, rtol=1e-5, atol=2e-6)
    np.testing.assert_allclose(seconds, (1790 + 40 * np.arange(len(angles))) / 2000)
    assert 0 <= len(angles) - len(whole) <= (resampling == "hold")
    assert np.abs(np.diff(angles, axis=0)).max() > 1e-3


def test_a_pose_comes_with_the_sample_it_is_of(signal):
    model = build(TINY).eval()
    for resampling, first in (("steady", [1, 0, 2]), ("hold", [1, 1, 1])):
        stream = Streamer(model, resampling=resampling)
        assert len(stream.push(signal[:, :1790]).angles) == 0
        cuts = ((1790, 1791), (1791, 1831), (1831, 1871))
        assert [len(stream.push(signal[:, a:b]).angles) for a, b in cuts] == first


def test_reset_forgets(signal):
    stream = Streamer(build(TINY).eval())
    before = stream.push(signal)
    stream.reset()
    after = stream.push(signal)
    np.testing.assert_array_equal(before.angles, after.angles)
    np.testing.assert_array_equal(before.seconds, after.seconds)


def test_what_cannot_be_streamed(signal):
    with pytest.raises(PalmarError, match="cannot be streamed"):
        Streamer(build(Config(kind="neuropose", width=16)))
    stream = Streamer(build(TINY))
    with pytest.raises(PalmarError, match="expected"):
        stream.push(signal.T)
    with pytest.raises(PalmarError, match="not finite"):
        stream.push(np.full((16, 3), np.nan, np.float32))


def test_speed_is_measured():
    found = speed(build(TINY), 2.5)
    assert 0 < found.median_ms <= found.slowest_ms
    assert found.times_real > 0
