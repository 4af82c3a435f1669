"""Slices of hands made here, whose answer is plain; the bootstrap against its closed form."""

from __future__ import annotations

import numpy as np
import pytest

from palmar import metrics
from palmar.bench import slices
from palmar.bench.slices import Rows
from palmar.synth.skin import MONK_SRGB

RNG = np.random.default_rng(1)


def hand(*bent: int, size: float = 100.0, at: tuple[float, float] = (150.0, 150.0)) -> np.ndarray:
    """A right palm, fingers up; `bent`: 1 index to 4 little, folded onto the palm."""
    out = np.zeros((21, 2))
    out[1:5] = [(20, -10), (35, -25), (45, -35), (52, -45)]
    for finger in range(1, 5):
        x = 22.0 - 13 * (finger - 1)
        tip = [(-55, -80, -92, -100), (-55, -75, -60, -45)][finger in bent]
        out[4 * finger + 1 : 4 * finger + 5] = [(x, y) for y in tip]
    return out * size / float(slices.hand_size(out)) + at


def grey(level: int = 120, height: int = 300, width: int = 300) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


MIRROR = np.array([-1.0, 1.0])


def test_size_is_the_boxs_longer_side() -> None:
    points = hand()
    assert slices.hand_size(points) == pytest.approx(100)
    assert slices.hand_size(points[None] * 2)[0] == pytest.approx(200)


def test_view_by_side_and_winding() -> None:
    """A right palm; its mirror image is a left palm, and the same points of the other side are its back."""
    points = hand()
    assert slices.view_of(points, 1) == "palm"
    assert slices.view_of(points, 0) == "back"
    assert slices.view_of(points * MIRROR, 0) == "palm"
    assert slices.view_of(points * MIRROR, 1) == "back"
    assert slices.view_of(points * (0.2, 1.0), 1) == "side"
    turn = np.array([[0.0, -1.0], [1.0, 0.0]])
    assert slices.view_of(points @ turn.T, 1) == "palm"


@pytest.mark.parametrize(
    ("bent", "pose"),
    [((), "open"), ((1, 2, 3, 4), "fist"), ((2, 3, 4), "pointing"), ((3, 4), "other"), ((1,), "other")],
)
def test_pose_by_stretched_fingers(bent: tuple[int, ...], pose: str) -> None:
    assert slices.pose_of(hand(*bent)) == pose
    assert slices.pose_of(hand(*bent) * MIRROR * 3) == pose


@pytest.mark.parametrize("tone", range(1, 11))
def test_tone_is_that_of_the_palm(tone: int) -> None:
    """The palm in a swatch's colour, all else, and a third of the palm, in other colours."""
    points, image = hand(), grey(20)
    colour = [int(MONK_SRGB[tone - 1][i : i + 2], 16) for i in (0, 2, 4)]
    low, high = points[[0, 5, 17]].min(0).astype(int) - 6, points[[0, 1, 5, 17]].max(0).astype(int) + 6
    image[low[1] : high[1], low[0] : high[0]] = colour
    image[low[1] : low[1] + 12] = 255
    assert slices.palm_tone(image, points) == tone


def test_tone_of_a_hand_outside_is_some_tone() -> None:
    assert 1 <= slices.palm_tone(grey(), hand(at=(-4000.0, -4000.0))) <= 10


def test_describe_a_plain_hand() -> None:
    got = slices.describe(grey(), hand(), 1, 1)
    assert got == got | {
        "hand px": "48 to 128",
        "blur (variance of Laplacian)": "< 90",
        "light (mean luma)": "100 to 130",
        "contrast (deviation of luma)": "< 40",
        "view": "palm",
        "pose": "open",
        "truncation": "whole",
        "hands in the picture": "1",
        "side": "right",
    }
    assert list(got) == list(slices.ORDER)


def test_describe_what_differs() -> None:
    def of(kind: str, image=None, points=None, **change) -> str:
        given = {"side": 1, "hands": 1} | change
        return slices.describe(grey() if image is None else image, hand() if points is None else points, **given)[kind]

    noisy = RNG.integers(0, 255, (300, 300, 3), np.uint8)
    assert of("blur (variance of Laplacian)", noisy) == "> 2500"
    half = grey(0)
    half[:, 150:] = 255
    assert of("contrast (deviation of luma)", half) == "> 50"
    assert of("light (mean luma)", grey(30)) == "< 70"
    assert of("hand px", points=hand(size=40.0)) == "< 48"
    assert of("hand px", points=hand(size=200.0, at=(150, 250))) == "> 128"
    assert of("truncation", points=hand(at=(150.0, 290.0))) == "whole"
    assert of("truncation", points=hand(at=(150.0, 297.0))) == "cut"
    assert of("truncation", points=hand(at=(20.0, 150.0))) == "cut"
    assert of("truncation", points=hand(at=(-4000.0, -4000.0))) == "cut"
    assert of("hands in the picture", hands=5) == "more"
    assert of("side", side=0) == "left"


def test_every_answer_has_a_place_in_the_table() -> None:
    for _ in range(30):
        points = RNG.uniform(-50, 350, (21, 2))
        got = slices.describe(RNG.integers(0, 255, (300, 300, 3), np.uint8), points, int(RNG.integers(2)), 1)
        assert all(name in slices.ORDER[kind] for kind, name in got.items())


@pytest.mark.parametrize(("value", "name"), [(1, "< 2"), (2, "2 to 5"), (4.9, "2 to 5"), (5, "> 5"), (9, "> 5")])
def test_between(value: float, name: str) -> None:
    assert slices.between(value, (2.0, 5.0)) == name
    assert name in slices.names_between((2.0, 5.0))


def rows(n: int, *, error: float = 0.05, missed: float = 0.0, seed: int = 0) -> Rows:
    rng = np.random.default_rng(seed)
    lost = rng.random(n) < missed
    e = np.where(lost[:, None], np.inf, np.abs(rng.normal(error, error / 2, (n, 21))))
    return Rows(e, np.where(lost, np.nan, (rng.random(n) < 0.9).astype(float)), np.arange(n))


def test_slices_and_the_worst_of_them() -> None:
    good, bad = rows(20, error=0.01), rows(12, error=0.15, missed=0.3)
    both = Rows(*(np.concatenate([getattr(good, k), getattr(bad, k)]) for k in ("error", "right", "picture")))
    plain = {"side": "left", "view": "palm", "pose": "open", "room": "b"}
    far = plain | {"view": "back"}
    described = [plain | {"room": "a"}] * 10 + [plain] * 10 + [far] * 9 + [far | {"pose": "fist"}] * 3
    got = slices.by_slice(both, described)
    assert got["view"]["palm"]["n"] == 20
    assert got["view"]["palm"] == slices.figures(good)
    assert got["view"]["back"] == slices.figures(bad)
    assert got["pose"]["fist"] == {"n": 3}  # too few
    assert got["view"]["back"]["recall"] == pytest.approx(np.isfinite(bad.error[:, 0]).mean())
    assert slices.worst(got) == {"slice": "view: back", "n": 12, "auc": got["view"]["back"]["auc"]}
    text = "\n".join(slices.lines(got))
    assert "too few" in text
    assert text.count("\n") == 6
    assert list(got["room"]) == ["a", "b"]
    assert slices.worst({"side": {"left": slices.figures(good)}}) is None  # nothing beside it
    assert slices.figures(good, np.zeros(0, int)) == {"n": 0}


def test_bootstrap_of_a_tracker_against_itself() -> None:
    one = rows(50, missed=0.2)
    for row in slices.paired_bootstrap(one, one, one.picture).values():
        assert row == {"difference": 0, "low": 0, "high": 0}


def test_bootstrap_agrees_with_the_normal_interval() -> None:
    """Of a mean of independent differences the interval is +- 1.96 standard errors."""
    a, b = rows(300, error=0.05), rows(300, error=0.06, seed=4)
    got = slices.paired_bootstrap(a, b, a.picture)["auc"]
    each = np.clip(1 - a.error / 0.3, 0, 1).mean(1) - np.clip(1 - b.error / 0.3, 0, 1).mean(1)
    deviation = each.std() / np.sqrt(300)
    assert got["difference"] == pytest.approx(each.mean())
    assert got["difference"] == pytest.approx(metrics.auc(a.error, 0.3) - metrics.auc(b.error, 0.3), abs=2e-3)
    assert got["low"] == pytest.approx(each.mean() - 1.96 * deviation, abs=0.15 * deviation)
    assert got["high"] == pytest.approx(each.mean() + 1.96 * deviation, abs=0.15 * deviation)


def test_hands_of_one_unit_are_drawn_together() -> None:
    """Ten copies of each hand: as pictures of their own they seem surer than they are."""
    a, b = rows(30, error=0.05), rows(30, error=0.06, seed=4)
    many_a, many_b = (Rows(np.repeat(r.error, 10, 0), np.repeat(r.right, 10), np.arange(300)) for r in (a, b))
    width = {}
    for name, unit in (("apart", np.arange(300)), ("together", np.repeat(np.arange(30), 10))):
        row = slices.paired_bootstrap(many_a, many_b, unit)["auc"]
        width[name] = row["high"] - row["low"]
    alone = slices.paired_bootstrap(a, b, a.picture)["auc"]
    assert width["together"] == pytest.approx(alone["high"] - alone["low"], rel=1e-9)
    assert width["apart"] == pytest.approx(width["together"] / np.sqrt(10), rel=0.1)


def test_side_is_counted_over_the_hands_that_were_found() -> None:
    found = np.zeros((4, 21))
    a = Rows(found, np.array([1.0, 1.0, 0.0, 1.0]), np.arange(4))
    b = Rows(np.where(np.arange(4)[:, None] < 2, 0.0, np.inf), np.array([1.0, 0.0, np.nan, np.nan]), np.arange(4))
    got = slices.paired_bootstrap(a, b, a.picture)
    assert got["side_accuracy"]["difference"] == pytest.approx(0.75 - 0.5)
    assert got["recall"]["difference"] == pytest.approx(0.5)
    assert slices.paired_bootstrap(rows(0), rows(0), np.zeros(0, int)) == {}
