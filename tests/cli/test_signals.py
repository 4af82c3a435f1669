"""A process of its own, ended in the middle: nothing half-written; what a kill leaves is taken away by the next."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from palmar.media import write_video

pytestmark = [pytest.mark.plain, pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")]


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory):
    """More frames than are tracked before the signal comes."""
    path = tmp_path_factory.mktemp("long") / "long.mp4"
    write_video(path, (np.full((64, 64, 3), k % 50, np.uint8) for k in range(4000)), 25.0)
    return path


def start(*words):
    """A process that hears Ctrl-C even where whoever runs the tests was started in the background, without it."""
    return subprocess.Popen(
        [sys.executable, "-m", "palmar", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_ended_in_the_middle(palmar, clip, long_clip, tiny_weights, tmp_path, number, code):
    out = tmp_path / "out"
    words = ("-o", out, "--weights", tiny_weights)
    process = start("track", long_clip, *words)
    try:
        until = time.monotonic() + 120
        while not list(tmp_path.glob(".out.*.part")):
            assert process.poll() is None, process.stderr.read().decode()
            assert time.monotonic() < until
            time.sleep(0.01)
        time.sleep(0.1)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == code
    assert err.decode() == ""
    assert not out.exists()
    left = list(tmp_path.glob(".out*"))
    assert len(left) == (number == signal.SIGKILL)
    for part in left:
        (part / "hands.parquet").touch()
    assert palmar("track", clip, *words).code == 0
    assert (out / "hands.parquet").stat().st_size
    assert not list(tmp_path.glob(".out*"))


def test_a_reader_that_has_had_enough():
    """As with `palmar licenses | head -1`: quiet, and the exit code of a broken pipe."""
    reading, writing = os.pipe()
    os.close(reading)
    process = subprocess.run(
        [sys.executable, "-m", "palmar", "licenses"], stdout=writing, stderr=subprocess.PIPE, timeout=120
    )
    os.close(writing)
    assert (process.returncode, process.stderr) == (141, b"")
