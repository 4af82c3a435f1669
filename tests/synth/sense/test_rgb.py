"""Pictures: the renderer's light over the background, through the lens, with and without a camera's faults."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from palmar.errors import PalmarError
from palmar.geometry.camera import Camera, KannalaBrandt
from palmar.synth.sense import rgb
from palmar.synth.sensor import Sensor
from palmar.synth.world import Kind, View, shoot


def coloured(scene, colour=(0.1, 0.4, 0.2)):
    def background(view, time):
        return np.broadcast_to(np.array(colour, np.float32), (view.camera.height, view.camera.width, 3)).copy()

    def at(time):
        moment = scene.at(time)
        return replace(moment, pieces=tuple(p for p in moment.pieces if p.kind != Kind.ROOM))

    return replace(scene, at=at, background=background)


def test_the_background_shows_where_nothing_is_and_blends_at_edges(scene, view):
    before = coloured(scene)
    light = rgb.linear(before, view, 0.3)
    black = rgb.linear(replace(before, background=None), view, 0.3)
    empty = shoot(before, view, 0.3).buffers.face < 0
    assert (np.abs(light[empty] - [0.1, 0.4, 0.2]).max(1) < 1e-6).mean() > 0.9
    share = (light - black)[..., 1] / 0.4  # how much of the background comes through
    assert share.min() > -1e-5
    assert share.max() < 1 + 1e-5
    assert ((share > 0.1) & (share < 0.9)).sum() > 50  # soft edges
    np.testing.assert_allclose((light - black)[..., 0], share * 0.1, atol=1e-5)  # linear: one share for all colours


def test_clean_pictures_have_no_noise_and_repeat(scene, view):
    first, second = rgb.clean(scene, view, 0.3), rgb.clean(scene, view, 0.3)
    assert first.dtype == np.uint8
    assert (first == second).all()
    assert first.std() > 20


def test_photographs_are_functions_of_their_generator(scene, view):
    take = lambda seed: rgb.photograph(scene, view, 0.3, np.random.default_rng(seed))  # noqa: E731
    assert (take(1) == take(1)).all()
    assert (take(1) != take(2)).mean() > 0.5
    plain = rgb.photograph(scene, view, 0.3, np.random.default_rng(1), sensor=Sensor())
    assert (plain == rgb.clean(scene, view, 0.3, supersample=2)).all()


def test_a_shutter_blurs_what_moves_and_nothing_else(scene, view):
    sharp, blurred = rgb.linear(scene, view, 0.5), rgb.linear(scene, view, 0.5, shutter=0.2, exposures=4)
    change = np.abs(sharp - blurred).max(-1)
    numbers = shoot(scene, view, 0.5)
    still = (numbers.piece_map() == 2) & (change < 10)  # the left hand does not move
    assert np.median(change[still]) < 0.01
    moving = numbers.piece_map() == 0
    assert np.median(change[moving]) > np.median(change[still])
    assert change[moving].max() > 0.2
    with pytest.raises(PalmarError, match="shutter"):
        rgb.linear(scene, view, 0.5, shutter=-0.1)


def test_an_open_shutter_is_not_asked_for_times_that_are_not(scene, view):
    times = []

    def at(time):
        times.append(time)
        return scene.at(time)

    rgb.linear(replace(scene, at=at), view, 0.0, shutter=0.3, exposures=4)
    assert min(times) >= 0


def test_a_fisheye_bends_the_picture(scene):
    lens = KannalaBrandt(0.0, 0.0, 0.0, 0.0)
    camera = Camera(96, 96, 60.0, 60.0, 47.5, 90.5, lens)
    shot = shoot(scene, View.still(camera), 0.0)
    picture = rgb.linear(scene, View.still(camera), 0.0, shot=shot)
    hand = shot.moment.hands[0]
    x, y = np.floor(camera.project(hand.joints)[9] + 0.5).astype(int)
    straight = replace(camera, distortion=None).project(hand.joints)[12]
    assert np.linalg.norm(straight - camera.project(hand.joints)[12]) > 0.2
    assert picture[y, x, 0] > picture[y, x, 2]  # skin is where the lens puts it
