"""Sequences: nothing jumps, held things are rigid in hands that touch them, free hands keep away, labels are whole."""

import itertools

import numpy as np
import pytest

from palmar.geometry.transforms import inverse
from palmar.hand import HandModel, limits
from palmar.synth.action import Script, compose
from palmar.synth.action.faults import skins

CASES = ("pour bottle", "open jar", "wipe sponge", "hand over bottle", "open box", "take out ball",
         "spray spray bottle", "count", "stir spoon", "write pen")  # fmt: skip


@pytest.fixture(scope="module")
def scripts() -> dict[str, Script]:
    shaped = HandModel.default().shaped(np.zeros(10))
    return {name: compose(np.random.default_rng((11, k)), name, shaped=shaped, alone=True, tries=4)
            for k, name in enumerate(CASES)}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_nothing_jumps(scripts, name):
    """Poses, fingers and articulations are continuous with bounded speed and acceleration. Where something jumped by a
    millimetre, its speed at this step would be ten metres a second."""
    script = scripts[name]
    step = 1e-4
    events = sorted({t for s in script.segments for t in (s.start, s.end)})
    between = [t for hand in script.stage.hands for m in hand.path.moves for t in (m.start, m.end)]
    for time in [*events, *between]:
        if not 0.01 < time < script.seconds - 0.01:
            continue
        now = [script.at(time + k * step) for k in range(-3, 4)]
        hands = np.stack([s.world_from_hand for s in now])
        things = np.stack([s.world_from_thing for s in now])
        fingers = np.stack([s.angles for s in now])
        joints = np.stack([np.concatenate([np.zeros(1), *s.articulation]) for s in now])
        for values, speed, push in ((hands, 8.0, 150.0), (things, 8.0, 150.0), (fingers, 25.0, 900.0),
                                    (joints, 25.0, 900.0)):  # fmt: skip
            if values.size:
                change = np.diff(values, axis=0) / step
                assert np.abs(change).max() < speed, (name, time)
                assert np.abs(np.diff(change, axis=0)).max() / step < push, (name, time)


@pytest.mark.parametrize("name", CASES)
def test_segments_fill_each_hand_s_time(scripts, name):
    script = scripts[name]
    for side in (0, 1):
        own = [s for s in script.segments if s.side == side]
        assert own[0].start == 0.0
        assert own[-1].end == pytest.approx(script.seconds)
        for before, after in itertools.pairwise(own):
            assert after.start == before.end
            assert before.end > before.start
        for s in own:
            assert s.phase in ("free", "reach", "hold", "release")
            assert s.text.startswith(("The left hand ", "The right hand ")[side])
    assert {s.side for s in script.segments} == {0, 1}


@pytest.mark.parametrize("name", CASES)
def test_phases_come_in_their_order(scripts, name):
    """Who holds came by reaching, who lets go held, who is free let go."""
    before = {
        "hold": ("reach", "hold"),
        "release": ("hold", "reach"),
        "free": ("release", "free"),
        "reach": ("free", "release"),
    }
    for side in (0, 1):
        own = [s for s in scripts[name].segments if s.side == side]
        for a, b in itertools.pairwise(own):
            assert a.phase in before[b.phase], (a, b)


@pytest.mark.parametrize("name", CASES)
def test_what_is_held_is_rigid_in_the_hand_and_touched(scripts, name):
    script = scripts[name]
    seen = 0
    for side in (0, 1):
        for segment in script.segments:
            if segment.side != side or segment.phase != "hold":
                continue
            times = np.linspace(segment.start, segment.end, 5)[1:-1]
            row = script.at(times[0]).holds[side]
            assert row >= 0
            item = script.items[row]
            assert item.noun == segment.noun
            local = []
            for time in times:
                state = script.at(time)
                assert state.holds[side] == row
                local.append(inverse(state.world_from_hand[side]) @ _part(script, state, row))
                skin = skins(script.stage.shaped, state)[0][side]
                back = inverse(state.world_from_thing[row])
                values = state.articulation[row]
                near = item.prop.relaxed(skin @ back[:3, :3].T + back[:3, 3], values)
                gap = item.prop.thing.sdf(near, None if item.prop.soft is not None else values)
                assert gap.min() < 0.0015, (name, segment.verb, gap.min())  # touches
                assert gap.min() > -0.008, (name, segment.verb, gap.min())  # is not in it
            np.testing.assert_allclose(local, np.broadcast_to(local[0], np.shape(local)), atol=1e-9)
            seen += 1
    assert seen or name == "count"


def _part(script: Script, state, row: int) -> np.ndarray:
    """World pose of the part that is held: a lid turns with its joint, everything else is the thing itself."""
    item = script.items[row]
    way = next(iter(item.prop.ways.values()))
    if not way.part:
        return state.world_from_thing[row]
    turn, shift = item.prop.thing.motions(state.articulation[row])[way.part]
    out = np.eye(4)
    out[:3, :3], out[:3, 3] = turn, shift
    return state.world_from_thing[row] @ out


@pytest.mark.parametrize("name", CASES)
def test_free_hands_keep_away_and_nothing_sinks_into_the_table(scripts, name):
    script = scripts[name]
    for time in np.arange(0.05, script.seconds, 0.2):
        state = script.at(time)
        skin, _ = skins(script.stage.shaped, state)
        assert skin[..., 1].max() < script.stage.table + 0.004, (name, time)
        for row, item in enumerate(script.items):
            pose = state.world_from_thing[row]
            world = item.prop.mesh(state.articulation[row]).vertices @ pose[:3, :3].T + pose[:3, 3]
            assert world[:, 1].max() < script.stage.table + 0.0015, (name, time, item.noun)
            for side in (0, 1):
                if script.phase(side, time)[0] == "free":
                    back = inverse(pose)
                    near = skin[side] @ back[:3, :3].T + back[:3, 3]
                    near = near[np.linalg.norm(near, axis=1) < np.linalg.norm(item.prop.thing.size) + 0.02]
                    if len(near):
                        values = None if item.prop.soft is not None else state.articulation[row]
                        assert item.prop.thing.sdf(near, values).min() > 0.005, (name, time, item.noun)


@pytest.mark.parametrize("name", CASES)
def test_fingers_stay_inside_their_limits(scripts, name):
    script = scripts[name]
    for time in np.arange(0.0, script.seconds, 0.1):
        assert limits.inside(script.at(time).angles).all(), (name, time)
        raw = np.stack([hand.shape(time) for hand in script.stage.hands])
        assert limits.inside(raw, tolerance=1e-3).all(), (name, time)  # clipping has nothing to do


def test_hands_open_on_the_way_and_close_at_the_thing(scripts):
    """The gap of thumb and forefinger has its peak at 55 to 85 % of the reach (Jeannerod 1984: 60 to 70 %)."""
    script = scripts["pour bottle"]
    reach = next(s for s in script.segments if s.verb == "reach")
    times = np.linspace(reach.start, reach.end, 60)
    gaps = []
    for time in times:
        joints = skins(script.stage.shaped, script.at(time))[1][reach.side]
        gaps.append(np.linalg.norm(joints[4] - joints[8]))
    peak = int(np.argmax(gaps))
    assert 0.45 < peak / 60 < 0.85
    assert gaps[peak] > gaps[-1] + 0.008
    wrist = np.stack([script.at(t).world_from_hand[reach.side, :3, 3] for t in times])
    speed = np.linalg.norm(np.diff(wrist, axis=0), axis=1)
    top = int(speed.argmax())
    assert 0.15 < top / 59 < 0.7  # one bell, none of its ends fast
    assert max(speed[0], speed[-1]) < 0.1 * speed[top]


def test_what_was_poured_from_was_tipped_over_the_other(scripts):
    script = scripts["pour bottle"]
    ((start, end, item, into),) = script.stage.flows
    assert end - start > 0.4
    for time in np.linspace(start, end, 5):
        pose, under = item.path(time), into.path(time)
        mouth = pose[:3, :3] @ item.prop.marks["mouth"] + pose[:3, 3]
        assert (pose[:3, :3] @ [0, -1, 0])[1] > -0.15  # its top no longer looks up
        rim = under[:3, 3] + under[:3, :3] @ into.prop.marks["mouth"]
        assert np.linalg.norm((mouth - rim)[[0, 2]]) < into.prop.mouth + 0.01
        assert mouth[1] < rim[1]  # above it
    upright = script.at(0.0).world_from_thing[script.items.index(item)]
    assert (upright[:3, :3] @ [0, -1, 0])[1] == pytest.approx(-1)


def test_states_follow_what_was_done(scripts):
    jar = scripts["open jar"]
    _, lid = jar.items
    rise = [jar.at(t).world_from_thing[1][1, 3] - jar.at(t).world_from_thing[0][1, 3] for t in (0.0, jar.seconds)]
    assert rise[0] < -0.04  # on top, then on the table
    assert rise[1] > 0.02
    assert lid.path(jar.seconds)[1, 3] + lid.prop.low == pytest.approx(jar.stage.table, abs=1e-9)
    box = scripts["open box"]
    assert box.at(0.0).articulation[0][0] == 0.0
    assert max(box.at(t).articulation[0][0] for t in np.linspace(0, box.seconds, 60)) > 0.9
    over = scripts["hand over bottle"]
    held = [over.at(t).holds for t in np.linspace(0, over.seconds, 200)]
    first = next(h for h in held if max(h) >= 0)
    assert any(h == (0, 0) for h in held)  # for a moment both hold it
    assert first.index(0) != next(h for h in held[::-1] if max(h) >= 0).index(0)


def test_before_and_after_nothing_moves(scripts):
    script = scripts["count"]
    np.testing.assert_array_equal(script.at(-3.0).world_from_hand, script.at(0.0).world_from_hand)
    np.testing.assert_array_equal(script.at(99.0).angles, script.at(script.seconds).angles)
