"""Figures of variants over seeds, and what is made of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from palmar.errors import PalmarError
from palmar.train.checks import OnMaps, Rows, Runs, brief, chosen, maps, trained
from palmar.train.options import CheckOptions, RunOptions, on_threads


def runs() -> Runs:
    out = Runs()
    for ours, theirs in ((1.0, 2.0), (1.2, 2.6)):
        out.add("ours", {"error": ours, "only here": 5.0})
        out.add("theirs", {"error": theirs})
    return out


def test_a_difference_counts_beyond_the_larger_spread():
    found = runs()
    assert found.mean("ours", "error") == pytest.approx(1.1)
    assert found.spread("theirs", "error") == pytest.approx(0.3)
    assert found.lower("ours", "theirs", "error")
    assert not found.lower("theirs", "ours", "error")
    assert found.higher("theirs", "ours", "error")
    found.add("theirs", {"error": 0.5})  # the mean is still higher, by less than the spread
    assert not found.lower("ours", "theirs", "error")
    assert found.above("ours", "only here", "ours", "error")
    assert not found.above("ours", "error", "ours", "only here")
    assert not found.lower("ours", "theirs", "only here")  # nothing to compare with is no victory


def test_table_and_verdict():
    found = runs()
    rows = found.table({"error": "mm", "only here": "x"}, corner="who")
    assert rows[0] == "| who | mm | x |"
    assert rows[2:] == ["| ours | 1.10 ± 0.10 | 5.00 ± 0.00 |", "| theirs | 2.30 ± 0.30 |  |"]
    report = found.report(rows, {"a": True, "b": False}, "nowhere", more=3)
    assert report.passed is False
    assert report.table.endswith("nowhere; 2 seeds.\n\n- a: held\n- b: did not hold")
    assert report.figures["runs"]["theirs"] == [{"error": 2.0}, {"error": 2.6}]
    assert report.figures["more"] == 3
    assert found.report(rows, {"a": True}, "").passed is True
    assert found.report(rows, {}, "").passed is None


@pytest.mark.parametrize(("variants", "ours", "seeds"), [((), None, (0,)), (("a",), None, ()), (("c",), None, (0,)),
                                                         (("b",), "a", (0,))])  # fmt: skip
def test_what_cannot_be_compared(variants, ours, seeds):
    with pytest.raises(PalmarError, match="variants out of a, b"):
        chosen(variants, ("a", "b"), ours, seeds)
    chosen(("b", "a"), ("a", "b"), "a", (0,))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.trunk, self.head = nn.Conv2d(3, 2, 4, 4), nn.Linear(2, 1)

    def forward(self, image):
        return self.read(self.trunk(image.permute(0, 3, 1, 2).float() / 255))

    def read(self, features):
        return self.head(features.mean((2, 3)))[:, 0]


def test_heads_learn_on_the_maps_of_a_trunk():
    torch.manual_seed(0)
    whole, images = Net(), np.random.default_rng(0).integers(0, 255, (70, 8, 8, 3), np.uint8)
    features = maps(TrunkAlone(whole), images)
    assert features.shape == (70, 2, 2, 2)
    torch.testing.assert_close(whole.read(torch.from_numpy(features)), whole(torch.from_numpy(images)))
    want = features.mean((2, 3)) @ np.float32([3.0, -2.0])
    columns = {"image": features, "y": want}
    batches = Rows(columns, 16, 0)
    np.testing.assert_array_equal(batches(3)["y"], batches(3)["y"])
    recipe = brief(1000, 16, 0.05, 0, weight_decay=0.0)
    loss = lambda found, batch, _: {"loss": (found - batch["y"]).square().mean()}  # noqa: E731
    found = trained(lambda: OnMaps(Net()), loss, batches, recipe, CheckOptions())
    error = (found(torch.from_numpy(features)) - torch.from_numpy(want)).square().mean()
    assert float(error) < 0.01 * want.var()


class TrunkAlone(nn.Module):
    """Takes pictures."""

    def __init__(self, net: Net) -> None:
        super().__init__()
        self.net = net

    def forward(self, image):
        return self.net.trunk(image.permute(0, 3, 1, 2).float() / 255)


def test_threads_are_as_before():
    before = torch.get_num_threads()

    def fails() -> None:
        with on_threads(before + 1):
            assert torch.get_num_threads() == before + 1
            raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        fails()
    assert torch.get_num_threads() == before


def test_options_are_those_of_the_loop():
    import inspect

    from palmar.train.loop import train

    assert set(RunOptions(quiet=True).options()) <= set(inspect.signature(train).parameters)
