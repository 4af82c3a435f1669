"""Scenes of acting: same faces at all times, truth that agrees with the pieces and with the script, balance, views."""

import numpy as np
import pytest

from palmar.hand import HandModel
from palmar.synth.action import action_names
from palmar.synth.scenes import acting
from palmar.synth.world import Kind, shoot

POUR = action_names().index("pour bottle")


@pytest.fixture(scope="module")
def play() -> acting.Play:
    return acting.play(5, POUR)


@pytest.fixture(scope="module")
def times(play) -> list[float]:
    start, end, *_ = play.script.stage.flows[0]
    return [0.0, 0.4 * start, (start + end) / 2, play.scene.seconds]


def test_classes_are_balanced_by_index():
    names = action_names()
    assert [acting.class_of(k) for k in range(2 * len(names))] == [*names, *names]


def test_the_scene_tells_its_script(play):
    assert play.script.name == "pour bottle"
    assert play.scene.segments == play.script.segments
    assert play.scene.seconds == play.script.seconds > 3
    assert {v.name.split("-")[0] for v in play.scene.views} == {"egocentric", "webcam", "third"}


def test_faces_are_the_same_at_all_times(play, times):
    first = play.scene.at(times[0])
    for time in times[1:]:
        now = play.scene.at(time)
        assert [(p.kind, p.instance) for p in now.pieces] == [(p.kind, p.instance) for p in first.pieces]
        for a, b in zip(first.pieces, now.pieces, strict=True):
            np.testing.assert_array_equal(a.mesh.faces, b.mesh.faces)
            assert np.isfinite(b.mesh.vertices).all()


def test_hands_are_where_the_script_has_them(play, times):
    for time in times:
        moment, state = play.scene.at(time), play.script.at(time)
        for side, hand in enumerate(moment.hands):
            assert hand.side == side
            model = HandModel.default(side)
            posed = model.shaped(hand.shape).posed(hand.rotations, hand.translation)
            np.testing.assert_allclose(posed.joints(), hand.joints, atol=1e-6)
            np.testing.assert_allclose(hand.rotations[0], state.world_from_hand[side][:3, :3], atol=1e-9)
            piece = next(p for p in moment.pieces if p.kind == Kind.HAND and p.instance == hand.instance)
            fingers = model.parts[model.parts < 16]
            own = hand.vertices[: len(model.parts)][model.parts < 16]
            drawn = piece.mesh.vertices[: len(model.parts)][model.parts < 16]
            assert len(fingers) == len(own)
            assert np.abs(own - drawn).max() < 0.01  # gloves and hair may lie on it


def test_what_a_hand_holds_it_touches(play, times):
    held = 0
    for time in times:
        moment = play.scene.at(time)
        for hand in moment.hands:
            assert hand.contact is not None
            assert set(np.unique(hand.contact)) <= {0.0, 1.0}
            if hand.holds:
                held += 1
                thing = next(t for t in moment.things if t.instance == hand.holds)
                assert thing.name == "bottle"
                touched = hand.vertices[hand.contact > 0]
                assert len(touched) > 20
                away = touched - thing.world_from_thing[:3, 3]
                assert np.linalg.norm(away, axis=1).max() < np.linalg.norm(thing.size)
    assert held


def test_it_runs_only_while_it_is_poured(play, times):
    start, end, _, into = play.script.stage.flows[0]
    widths = []
    for time in (times[0], (start + end) / 2, times[-1]):
        piece = next(p for p in play.scene.at(time).pieces if p.instance == acting.LIQUID)
        widths.append(np.ptp(piece.mesh.vertices, axis=0).max())
        if start < time < end:
            foot = piece.mesh.vertices[-1]
            mouth = into.path(time)[:3, 3]
            assert np.linalg.norm((foot - mouth)[[0, 2]]) < into.prop.mouth
    assert widths[0] < 1e-6
    assert widths[2] < 1e-6
    assert widths[1] > 0.03


def test_every_view_sees_a_hand_and_the_things(play, times):
    for view in play.scene.views:
        seen = set()
        for time in times:
            shot = shoot(play.scene, view, time)
            shown = shot.piece_map()
            seen |= {play.scene.at(time).pieces[k].kind for k in np.unique(shown[shown >= 0])}
        assert {Kind.HAND, Kind.THING, Kind.ROOM} <= seen, view.name


def test_a_scene_is_a_function_of_seed_and_index():
    index = action_names().index("shake can")
    one, two, other = acting.build(1, index), acting.build(1, index), acting.build(2, index)
    time = 0.5 * one.seconds
    for a, b in zip(one.at(time).pieces, two.at(time).pieces, strict=True):
        np.testing.assert_array_equal(a.mesh.vertices, b.mesh.vertices)
        np.testing.assert_array_equal(a.mesh.albedo, b.mesh.albedo)
    assert one.segments == two.segments
    assert other.seconds != one.seconds
