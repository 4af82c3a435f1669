"""The judge of the synthetic pictures: the map against definitions made here, the figures against peers made here."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from palmar.bench import judge
from palmar.bench.judge import JointMap, Judged, Picture
from palmar.bench.mediapipe_peer import Found, Peer
from palmar.bench.slices import view_of
from palmar.errors import PalmarError

RNG = np.random.default_rng(5)


def hands(n: int, seed: int = 1) -> np.ndarray:
    """Points of n unlike hands, some 100 pixels long, anywhere in the picture."""
    rng = np.random.default_rng(seed)
    return rng.normal(0, 30, (n, 21, 2)) + rng.uniform(0, 300, (n, 1, 2))


def made(index: int = 0, **change) -> Picture:
    points = hands(1, index)[0].astype(np.float32)
    grey = np.full((40, 40, 3), 90, np.uint8)
    return replace(Picture(grey, points, index % 2, 0.9, 1.0, 1 + index % 10, "sign", "count 1", 100.0, 30.0), **change)


def seen(points: np.ndarray, side: int = 1) -> Found:
    return Found(points[None].astype(float), np.zeros((1, 21, 3)), np.array([side]), np.ones(1), np.array([-1]))


NOTHING = Found(np.zeros((0, 21, 2)), np.zeros((0, 21, 3)), np.zeros(0, int), np.zeros(0), np.zeros(0, int))


def definition() -> np.ndarray:
    """Another definition of the joints: the wrist a fifth of the way to the knuckle, tips farther out."""
    weights = np.eye(21)
    weights[0, [0, 9]] = 0.8, 0.2
    for tip in (4, 8, 12, 16, 20):
        weights[tip, [tip, tip - 1]] = 1.3, -0.3
    return weights


class TestJointMap:
    def test_finds_the_other_definition(self) -> None:
        truth = hands(400)
        got = JointMap.fit(truth, np.einsum("jk,nkd->njd", definition(), truth), ridge=1e-9)
        np.testing.assert_allclose(got.weights, definition(), atol=1e-6)

    def test_rows_sum_to_one_whatever_it_is_fitted_to(self) -> None:
        got = JointMap.fit(hands(50), hands(50) + RNG.normal(0, 9, (50, 21, 2)))
        np.testing.assert_allclose(got.weights.sum(1), 1, atol=1e-9)

    def test_needs_no_frame(self) -> None:
        """The map of turned, mirrored, moved, enlarged hands is the moved map."""
        got, points = JointMap(definition()), hands(3)
        turn = np.array([[-0.3, 1.9], [1.9, 0.3]])
        np.testing.assert_allclose(got(points @ turn.T + [5, -80]), got(points) @ turn.T + [5, -80], atol=1e-9)

    def test_few_hands_leave_it_near_the_identity(self) -> None:
        truth = hands(2)
        got = JointMap.fit(truth, truth + RNG.normal(0, 2, truth.shape), ridge=10.0)
        assert np.abs(got.weights - np.eye(21)).max() < 0.02

    def test_wrong_hands_do_not_pull_it(self) -> None:
        truth = hands(300)
        other = np.einsum("jk,nkd->njd", definition(), truth)
        other[:30] += RNG.normal(0, 25, (30, 21, 2))
        got = JointMap.fit(truth, other, ridge=1e-9)
        assert np.abs(got.weights - definition()).max() < 0.01


def test_the_hand_of_a_picture_is_the_nearest_found_one() -> None:
    picture = made()
    near, far = picture.keypoints + 2.0, picture.keypoints + 4000.0
    both = Found(
        np.stack([far, near]).astype(float), np.zeros((2, 21, 3)), np.array([0, 1]), np.ones(2), np.array([-1, -1])
    )
    assert judge.judged_of(picture, both).row == 1
    assert judge.judged_of(picture, seen(far)).row == -1
    assert judge.judged_of(picture, NOTHING).row == -1


def test_figures_of_a_perfect_peer_and_of_one_that_misses() -> None:
    pictures = [made(i) for i in range(40)]
    perfect = [judge.judged_of(p, seen(p.keypoints, p.side)) for p in pictures]
    got = judge.figures(perfect)
    assert json.loads(json.dumps(got, allow_nan=False)) == got
    assert (got["found"], got["side"], got["meets_target"]) == (1, 1, True)
    assert got["auc"] == pytest.approx(1, abs=1e-3)
    assert got["joints"]["index tip"]["median_error_percent"] == pytest.approx(0, abs=1e-3)

    half = [j if i % 10 < 5 else judge.judged_of(j.picture, NOTHING) for i, j in enumerate(perfect)]
    got = judge.figures(half)
    assert (got["found"], got["meets_target"]) == (0.5, False)
    assert got["auc"] == pytest.approx(1, abs=1e-3)
    assert got["auc_missed_as_infinite"] == pytest.approx(0.5, abs=1e-3)
    assert got["slices"]["Monk tone"][" 3"]["found"] == 1
    assert got["slices"]["Monk tone"]["10"]["found"] == 0
    assert got["slices"]["Monk tone"]["10"]["auc"] is None


def test_the_map_is_made_on_the_other_half() -> None:
    """Another definition on the even pictures only: the map that they give spoils the odd ones."""
    pictures = [made(i) for i in range(60)]
    weights = definition()
    same = [judge.judged_of(p, seen(weights @ p.keypoints)) for p in pictures]
    before, after, maps = judge.errors(same)
    assert before[:, 0].mean() > 0.02
    assert after.mean() < 0.2 * before.mean()
    assert len(maps) == 2
    mixed = [j if i % 2 == 0 else judge.judged_of(j.picture, seen(j.picture.keypoints)) for i, j in enumerate(same)]
    before, after, _ = judge.errors(mixed)
    assert after[1::2, 0].mean() > 0.02 > before[1::2, 0].mean()


def test_nothing_found_at_all() -> None:
    got = judge.figures([judge.judged_of(made(i), NOTHING) for i in range(6)])
    assert got["found"] == 0
    assert got["auc"] is None
    assert not got["meets_target"]
    assert "not met" in judge.render(got | {"seed": 0, "mediapipe_version": "x"})


@pytest.mark.parametrize(("side", "facing"), [(1, 0.9), (0, 0.9), (1, -0.9), (0, -0.9)])
def test_offsets_are_in_the_hands_own_frame(side: int, facing: float) -> None:
    """An upright hand, thumb where that side has it: a point moved up and towards the thumb is so for all four."""
    thumb = 1.0 if (side == 1) == (facing > 0) else -1.0  # a right palm's thumb is on the picture's right
    points = np.stack([np.linspace(-40, 40, 21) * thumb, np.linspace(50, -50, 21)], -1)
    points[0], points[9] = (0, 50), (0, -10)
    shifted = points.copy()
    shifted[8] += (3 * thumb, -5)
    size = float(judge.hand_size(points))
    one = made(keypoints=points.astype(np.float32), side=side, facing=facing)
    row = judge.figures([judge.judged_of(one, seen(shifted, side))] * 4)["joints"]["index tip"]
    assert row["up_percent"] == pytest.approx(500 / size, rel=1e-4)
    assert row["thumbward_percent"] == pytest.approx(300 / size, rel=1e-4)


def test_every_picture_is_in_one_slice_of_each_kind() -> None:
    pictures = [made(i, luma=12.0 * i, facing=i / 12 - 1, reach=i / 24, contrast=4.0 * i) for i in range(24)]
    for name, groups in judge.slices(pictures).items():
        assert (np.sum(list(groups.values()), 0) == 1).all(), name


def test_judge_and_sheet(fake_mediapipe) -> None:
    """The whole with a peer that finds a hand where the first pixel is not black, and pictures made here."""

    def draw(seed: int, index: int) -> Picture:
        points = np.stack([np.arange(21) / 40 * 100, np.full(21, 50.0)], -1)  # where the fake sees them
        image = np.full((100, 100, 3), 0 if index == 3 else 80 + seed, np.uint8)
        return made(index, image=image, keypoints=points.astype(np.float32), side=1)

    heard = []
    with Peer(fake_mediapipe) as peer:
        got, judged = judge.judge(peer, 34, 2, draw=draw, observe=heard.append)
        with pytest.raises(PalmarError, match="four pictures"):
            judge.judge(peer, 3)
    assert heard == [30, 34]
    assert got["found"] == pytest.approx(33 / 34)
    assert got["side"] == 1
    assert got["auc"] == pytest.approx(1, abs=1e-3)
    assert [j.row for j in judged[:5]] == [0, 0, 0, -1, 0]
    assert judged[5].picture.image[0, 0, 0] == 82
    table = judge.render(got)
    assert "MediaPipe 0.0-fake on 34 clean pictures, seed 2" in table
    assert "Monk tone" in table
    assert judge.sheet(judged, 6, 3).ndim == 3


def test_our_tracker_answers_too(fake_mediapipe, worlds) -> None:
    """Networks that know where the hand is find it, whatever the peer says."""
    world = worlds.World([worlds.Actor(1, lambda t: (0.0, 0.0, 0.5))], width=160, height=120)
    points = world.truth(0)[0].keypoints.astype(np.float32)

    def draw(seed: int, index: int) -> Picture:
        return made(index, image=world.image(0), keypoints=points, side=1)

    with Peer(fake_mediapipe) as peer:
        got, _ = judge.judge(peer, 6, networks=world, draw=draw)
    assert got["found"] == 0  # the first pixel's greatest value is 1, but the fake's hand is far away
    own = got["palmar"]
    assert (own["found"], own["side"]) == (1, 1)
    assert own["auc"] == own["auc_without_map"] == pytest.approx(1, abs=0.01)
    assert own["weights"] == world.hashes
    assert "map" not in own
    assert "palmar on the same" in judge.render(got)


@pytest.fixture(scope="module")
def pictures() -> list[Picture]:
    pytest.importorskip("numba")
    return [judge.picture(3, i) for i in range(10)]


class TestPicture:
    def test_pure(self, pictures: list[Picture]) -> None:
        again = judge.picture(3, 4)
        np.testing.assert_array_equal(again.image, pictures[4].image)
        np.testing.assert_array_equal(again.keypoints, pictures[4].keypoints)
        assert not np.array_equal(judge.picture(4, 4).image, again.image)

    def test_hands_stand_where_the_truth_says(self, pictures: list[Picture]) -> None:
        """The palm's middle is unlike what is around the hand, by its own measure of contrast."""
        for p in pictures:
            assert p.image.shape == (judge.HEIGHT, judge.WIDTH, 3)
            x, y = np.round(p.keypoints[[0, 5, 9, 13, 17]].mean(0)).astype(int)
            assert 0 < x < judge.WIDTH
            assert 0 < y < judge.HEIGHT
            assert -1 <= p.facing <= 1
            assert 0 <= p.reach <= 1

    def test_every_tone_and_both_sides_come(self, pictures: list[Picture]) -> None:
        assert [p.tone for p in pictures] == list(range(1, 11))
        assert {p.side for p in pictures} == {0, 1}

    def test_facing_agrees_with_the_winding(self, pictures: list[Picture]) -> None:
        """Wrist, index, little: the other way round on the back, and on the other side."""
        for p in pictures:
            a, b = p.keypoints[[5, 17]].astype(float) - p.keypoints[0]
            turn = a[0] * b[1] - a[1] * b[0]
            if abs(p.facing) > 0.5:
                assert (turn < 0) == ((p.facing > 0) == (p.side == 1)), p


@pytest.fixture
def one_hand(monkeypatch):
    """A sort of scenes with a right palm, or its mirror image, that moves out of the picture after one second of four
    in the first scenes; in seed 1 it is outside in all."""
    pytest.importorskip("numba")
    from palmar.geometry.camera import Camera
    from palmar.render import Light, sh_from_lobes
    from palmar.synth import gestures, scenes
    from palmar.synth.scene import Dressed
    from palmar.synth.world import HandTruth, Kind, Moment, Piece, Scene, View, mirrored

    rng = np.random.default_rng(0)
    dressed = Dressed.sample(rng)
    light = Light(sh_from_lobes(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0), ambient=np.ones(3)))
    turn = np.roll(np.eye(3), 1, 0)  # fingers up, the palm towards the camera

    def build(seed: int, index: int) -> Scene:
        def at(time: float) -> Moment:
            inside = time < 1 or (index >= 1000 and seed == 0)
            place = np.array([0.02 if inside else 9.0, 0.0, 0.5])
            worn = dressed.posed(gestures.shape("open"), turn, knuckle=place)
            hand, joints, rotations = worn.hand, worn.joints, worn.rotations
            if index % 2:
                flip = np.diag([-1.0, 1.0, 1.0])
                hand, joints, rotations = mirrored(hand), joints * (-1, 1, 1), flip @ rotations @ flip
            truth = HandTruth(
                1 - index % 2, 1, 2, joints, rotations, dressed.shape, worn.translation, hand.vertices.astype(float)
            )
            return Moment(time, (Piece(hand, Kind.HAND, 2),), (truth,))

        return Scene("one", at, light, (View.still(Camera.from_fov(200, 150, np.deg2rad(60.0))),), 4.0)

    monkeypatch.setattr(scenes, "SCENES", {"one": build})
    return judge.scene_picture("one")


def test_pictures_of_scenes(one_hand) -> None:
    """Both sides' palms face the camera; where the hand has left, another scene is taken."""
    right, left, later = one_hand(0, 0), one_hand(0, 4), one_hand(0, 2)
    assert (right.side, left.side, later.side) == (1, 0, 1)
    for made_picture in (right, left):
        assert made_picture.facing > 0.9
        assert made_picture.reach > 0.9
        assert made_picture.contrast > 10
        inside = made_picture.image[tuple(np.round(made_picture.keypoints[9]).astype(int)[::-1])]
        assert inside.max() > 20  # skin, before black
        assert judge.slices([made_picture])["pose"] == {"one": np.array([True])}
    np.testing.assert_allclose(left.keypoints, right.keypoints * (-1, 1) + (199, 0), atol=1e-3)
    apart = np.abs(right.image[:, ::-1].astype(int) - left.image)
    assert (apart > 3).mean() < 0.005  # samples on edges fall to the other side
    assert view_of(right.keypoints, 1) == view_of(left.keypoints, 0) == "palm"


def test_scenes_without_a_hand_in_sight(one_hand) -> None:
    with pytest.raises(PalmarError, match="no hand is in sight"):
        one_hand(1, 3)
    with pytest.raises(PalmarError, match="the moon"):
        judge.scene_picture("the moon")


def test_natural_poses_are_inside_the_limits_and_have_their_shares() -> None:
    pytest.importorskip("numba")
    from palmar.hand import limits

    rng = np.random.default_rng(0)
    drawn = [judge.natural_pose(rng) for _ in range(600)]
    for pose, share in judge.POSES.items():
        assert np.mean([p == pose for p, _, _ in drawn]) == pytest.approx(share, abs=0.07)
    assert not any(name.startswith("hold") for _, name, _ in drawn)
    low, high = limits.bounds()
    for _, _, angles in drawn[:50]:
        assert (angles >= low - 1e-9).all()
        assert (angles <= high + 1e-9).all()


def test_balance_takes_a_lights_colour_away() -> None:
    pytest.importorskip("numba")
    from palmar.render import Light, sh_from_lobes

    none = np.zeros((0, 3))
    blue = np.array([0.5, 0.8, 1.7])
    gains = np.array(judge.balance(Light(sh_from_lobes(none, none, np.zeros(0), ambient=blue))))
    left = blue * gains
    assert left.max() / left.min() == pytest.approx((1.7 / 0.5) ** (1 - judge.BALANCE), rel=1e-3)
    assert gains @ (0.2126, 0.7152, 0.0722) == pytest.approx(1)
    lamp = Light(np.zeros((9, 3), np.float32), np.array([[0, 0, -1.0]], np.float32), blue[None].astype(np.float32))
    np.testing.assert_allclose(judge.balance(lamp), gains, rtol=1e-3)
    behind = replace(lamp, directions=np.array([[0, 0, 1.0]], np.float32))  # lights nothing that the camera sees
    np.testing.assert_allclose(judge.balance(behind), 1, rtol=1e-6)


def test_judged_is_of_its_picture() -> None:
    picture = made()
    assert isinstance(judge.judged_of(picture, NOTHING), Judged)
    assert judge.judged_of(picture, NOTHING).picture is picture
