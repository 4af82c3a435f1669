"""The table of sensors: one call for all, and what the table says of the arrays is so."""

from __future__ import annotations

import re

import numpy as np
import pytest

from palmar.errors import PalmarError
from palmar.geometry.camera import Camera
from palmar.synth import sense
from palmar.synth.world import Kind, View


@pytest.mark.parametrize("name", sense.SENSORS)
def test_every_sensor_gives_what_its_table_says(name, scene, view):
    sensor = sense.SENSORS[name]
    reading = sensor(scene, view, 0.3, np.random.default_rng(0))
    again = sensor(scene, view, 0.3, np.random.default_rng(0))
    other = sensor(scene, view, 0.3, np.random.default_rng(1))
    assert set(reading) == set(sensor.arrays)
    sizes: dict[str, int] = {"h": view.camera.height, "w": view.camera.width}
    for key, array in reading.items():
        dtype, axes = re.match(r"(\w+) \[([^\]]*)\]", sensor.arrays[key]).groups()
        assert array.dtype == dtype, key
        names = axes.split(", ")
        assert array.ndim == len(names), key
        for axis, length in zip(names, array.shape, strict=True):
            assert length == (int(axis) if axis.isdigit() else sizes.setdefault(axis, length)), (key, axis)
        np.testing.assert_array_equal(array, again[key])
    same = all(np.array_equal(reading[key], other[key], equal_nan=reading[key].dtype.kind == "f") for key in reading)
    assert same == sensor.exact


def test_scenes_without_hands_and_still_ones_are_read_too(rigid, shapes):
    grid, _, pose = shapes
    camera = Camera.from_fov(32, 24, 1.0)
    still = rigid([(grid(0.3, 4), Kind.THING)], lambda k, t: pose((0, 0, 0), (0, 0, 0.8)), seconds=0.0)
    found = sense.read(still, View.still(camera), 0.0, np.random.default_rng(0))
    assert list(found) == list(sense.SENSORS)
    assert found["joints"]["seen"].shape == (0, 21)
    assert found["emg"]["emg"].shape[0] == 0
    assert found["touch"]["contact"].min() == 255
    assert (
        np.isfinite(found["depth"]["depth"]).sum()
        == np.isfinite(found["normals"]["normals"]).all(-1).sum() - (found["normals"]["normals"] == 0).all(-1).sum()
    )
    assert (found["flow"]["forward_fate"] == 0).all()


def test_one_shot_serves_all(scene, view):
    found = sense.read(scene, view, 0.3, np.random.default_rng(0), ["depth", "masks", "rgb"])
    assert list(found) == ["depth", "masks", "rgb"]
    alone = sense.SENSORS["depth"](scene, view, 0.3, np.random.default_rng(5))
    np.testing.assert_array_equal(found["depth"]["depth"], alone["depth"])


def test_unknown_sensors_are_named(scene, view):
    with pytest.raises(PalmarError, match="depth"):
        sense.read(scene, view, 0.0, np.random.default_rng(0), ["depht"])
