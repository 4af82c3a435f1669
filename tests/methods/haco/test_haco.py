"""Published counts and worked numbers; data from scenes with touch; the jobs, the converter and the check."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import palmar
from palmar.cli import main
from palmar.errors import PalmarError
from palmar.hand import HandModel
from palmar.methods.haco.balance import ClassBalance, balanced, rarity
from palmar.methods.haco.check import COLUMNS, FLOOR, OURS, VARIANTS, Check, rare_vertices, report
from palmar.methods.haco.convert import haco_key, load_official
from palmar.methods.haco.model import PAPER, SMALL, Config, Haco, coarser
from palmar.methods.haco.objective import balanced_entropy, isolation, shared_faces
from palmar.methods.haco.training import Evaluate, Train, loss_of
from palmar.nn.decoder import DecoderConfig, QueryDecoder
from palmar.nn.vit import VitConfig
from palmar.tasks.contact import figures, per_picture
from palmar.train.checks import Runs
from palmar.train.contacts import read_contacts


def count(module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_published_counts():
    with torch.device("meta"):
        network = Haco(PAPER)
        assert count(network) == 671_096_340
        assert count(network.decoder) + count(network.contact) + network.start.numel() == 40_184_340
        for width, numbers in ((1024, 38_611_476), (768, 37_038_612), (256, 33_892_884)):
            assert count(QueryDecoder(DecoderConfig(context=width))) + 798_228 == numbers


@pytest.fixture(scope="module")
def table() -> ClassBalance:
    return ClassBalance(1000 * np.array([[90.0, 10], [98, 2], [100, 0]]) / 100)


@pytest.mark.parametrize(
    ("epoch", "counts", "weights"),
    [
        (0, [(960, 40)] * 3, [(0.041789, 0.958211)] * 3),
        (5, [(950, 50), (963.3333, 36.6667), (966.6667, 33.3333)],
         [(0.052163, 0.947837), (0.038325, 0.961675), (0.034857, 0.965142)]),
        (9, [(942, 58), (966, 34), (972, 28)], [(0.060442, 0.939558), (0.035551, 0.964449), (0.029303, 0.970697)]),
        (20, [(942, 58), (966, 34), (972, 28)], [(0.060442, 0.939558), (0.035551, 0.964449), (0.029303, 0.970697)]),
    ],
)  # fmt: skip
def test_class_weights(table, epoch, counts, weights):
    np.testing.assert_allclose(table.pseudo_counts(epoch), counts, atol=1e-4)
    np.testing.assert_allclose(table.weights(epoch), weights, atol=2e-6)


def test_class_weights_are_clamped():
    table = ClassBalance(1000 * np.array([[98.0, 2], [100, 0], [99, 1]]) / 100)
    np.testing.assert_allclose(table.pseudo_counts(0)[0], (980.1980, 19.8020), atol=1e-4)
    np.testing.assert_allclose(table.weights(0)[0], (0.020748, 0.979252), atol=1e-6)


LOGITS, LABELS = torch.tensor([[2.0, -1, 0.5], [0, 0.3, -3]]), torch.tensor([[1.0, 0, 0], [0, 1, 0]])


@pytest.mark.parametrize(("epoch", "loss"), [(0, 0.242837), (5, 0.242773), (9, 0.242719)])
def test_balanced_entropy(table, epoch, loss):
    weights = torch.from_numpy(table.weights(epoch)).float()
    assert float(balanced_entropy(LOGITS, LABELS, weights)) == pytest.approx(loss, abs=1e-6)


@pytest.mark.parametrize(
    ("logits", "value"), [([2, -1, 0.5, -2], 0.182478), ([8] * 4, 0.222968), ([-8] * 4, 0.222968),
                          ([8, -8, 8, -8], 0.239581)]
)  # fmt: skip
def test_isolation(logits, value):
    near = shared_faces(np.array([[0, 1, 2], [0, 2, 3]]), 4)
    assert near.to_dense()[0].tolist() == [1, 1, 2, 1]
    assert float(isolation(torch.tensor([logits], dtype=torch.float32), near)) == pytest.approx(value, abs=2e-6)


def test_averaged_neighbours_leave_constant_maps_alone():
    near = shared_faces(HandModel.default().faces, 1690)
    flat, torn = torch.full((1, 1690), 3.0), 3.0 * torch.where(torch.arange(1690)[None] % 2 > 0, 1.0, -1.0)
    assert float(isolation(flat, near, compatible=False)) == pytest.approx(0, abs=1e-5)
    assert float(isolation(torn, near, compatible=False)) > 0.05


def test_rarity_and_balance():
    mean = np.array([0.9, 0.4, 0.1, 0.05, 0.05])
    np.testing.assert_allclose(rarity(np.array([[1, 1, 0, 0, 0], [0, 0, 0, 1, 1.0]]), mean), [-0.12, 0.36])
    rng = np.random.default_rng(0)
    often = np.where(np.arange(40) < 30, 0.3, 0.02)  # some vertices touch in a third of the pictures, some hardly ever
    contact = (rng.random((600, 40)) < often).astype(float)
    contact[:50] = 0
    rows = balanced(contact, np.random.default_rng(1))
    assert rows.min() >= 50  # pictures without contact are left out
    values = rarity(contact, contact[50:].mean(0))
    assert values[rows].mean() > values[50:].mean()  # what is rare is seen more
    with pytest.raises(PalmarError, match="no picture has contact"):
        balanced(np.zeros((5, 3)), rng)


def test_coarser_hands_are_means_of_vertices():
    for level, rows in zip(coarser(HandModel.default()), (336, 84, 21), strict=True):
        assert level.shape == (rows, 1690)
        assert level.min() >= 0
        np.testing.assert_allclose(level.sum(1), 1)
        assert ((level > 0).sum(0) <= (1 if rows > 21 else 21)).all()


def test_metrics_of_a_picture():
    found, true = np.array([[0.6, 0.4, 0.7, 0.1, 0.5]]), np.array([[1, 1, 0, 0, 1]], bool)
    np.testing.assert_allclose(per_picture(found, true), [[2 / 3] * 3])
    both = np.concatenate([found, 0.9 * np.ones((1, 5)), np.zeros((1, 5))])
    there = np.concatenate([true, np.zeros((1, 5), bool), true])
    values = figures(both, there)
    assert values["f1"] == pytest.approx(2 / 9)  # what is not defined counts as 0
    assert values["f1_touched"] == pytest.approx(1 / 3)
    assert values["false_alarms"] == 1.0
    with pytest.raises(PalmarError, match="against a truth of"):
        figures(found, true[:, :4])


@pytest.fixture(scope="module")
def touch(tmp_path_factory):
    folder = tmp_path_factory.mktemp("haco") / "touch"
    words = "--kind scenes --scene holding --sensors clean,touch --seconds 1 --fps 2 --width 160 --count 2 --seed 5"
    assert main(["synth", str(folder), *words.split()]) == 0
    return folder


def test_crops_of_scenes_with_touch(touch, tmp_path):
    crops = read_contacts(touch, size=64)
    assert crops.images.shape[1:] == (64, 64, 3)
    assert crops.contact.shape == (len(crops), 1690)
    assert 0.005 < crops.contact.mean() < 0.6
    stub = HandModel.default().behind > 0.5
    assert crops.contact[:, stub].mean() <= crops.contact[:, ~stub].mean()
    less = read_contacts(touch, size=64, threshold=0.001)
    assert less.contact.sum() < crops.contact.sum()
    with pytest.raises(PalmarError, match="not a folder of shards"):
        read_contacts(tmp_path, size=64)


def test_losses_learn(touch):
    crops = read_contacts(touch, size=128)
    network = Haco(SMALL)
    for kind in ("vcb", "class", "plain"):
        terms = loss_of(crops.contact, HandModel.default(), kind)(
            network(torch.from_numpy(crops.images)), {"contact": torch.from_numpy(crops.contact)}, 0.5
        )
        assert (set(terms) == {"loss"}) == (kind == "plain")
        network.zero_grad()
        terms["loss"].backward()
        assert network.start.grad.abs().sum() > 0


def test_official_layout_comes_in(tmp_path):
    vit = VitConfig(64, 48, 16, 2, 16, 1, 2, 2.0, 0.0)
    config = Config(size=64, vit=vit, decoder=DecoderConfig(16, 8, 1, 2, 4, 12), vertices=30)
    torch.manual_seed(0)
    network = Haco(config).eval()
    back = {"embedding.": "to_token_embedding.", "position": "pos_embedding", "layers.": "transformer.layers."}
    back |= {".attend_self.norm.": ".0.norm.", ".attend_self.to_": ".0.fn.to_", ".attend_context.norm.": ".1.norm."}
    back |= {".attend_context.to_": ".1.fn.to_", ".to_out.": ".to_out.0."}
    back |= {".first.": ".2.fn.net.0.", ".second.": ".2.fn.net.3."}
    state = {}
    for name, value in network.state_dict().items():
        theirs = name.replace("trunk.vit.", "backbone.").replace("contact.", "decoder.deccontact.")
        theirs = "decoder.init_contact" if name == "start" else theirs
        if name.startswith("decoder."):
            inner = name.removeprefix("decoder.")
            for ours, official in back.items():
                inner = inner.replace(ours, official)
            theirs = f"decoder.transformer.{inner}"
            theirs = theirs.replace("layers.0.norm.", "layers.0.2.norm.")
        state[theirs] = value
        assert haco_key(theirs) == name
    torch.save({"epoch": 1, "state_dict": state}, tmp_path / "a.ckpt")
    found = load_official(tmp_path / "a.ckpt", config)
    image = torch.from_numpy(np.random.default_rng(0).integers(0, 255, (1, 64, 64, 3), np.uint8))
    torch.testing.assert_close(found(image), network(image))
    torch.save({"a": torch.zeros(1)}, tmp_path / "b.ckpt")
    with pytest.raises(PalmarError, match="not a checkpoint of HACO"):
        load_official(tmp_path / "b.ckpt", config)


@pytest.fixture(scope="module")
def run(touch, tmp_path_factory):
    folder = tmp_path_factory.mktemp("haco") / "run"
    job = Train(data=touch, folder=folder, steps=2, batch=2, balance=False, quiet=True, device="cpu")
    assert job.run().figures["finished"]
    assert job.run().figures["step"] == 2
    return folder


def test_a_run_is_scored_and_loaded(run, touch):
    assert {"precision", "recall", "f1"} <= set(Evaluate(run, data=touch).run().figures)
    predictor = palmar.load("haco", run)
    found = predictor(np.zeros((2, 128, 128, 3), np.uint8))
    assert found.shape == (2, 1690)
    assert ((found >= 0) & (found <= 1)).all()
    with pytest.raises(PalmarError, match=r"reads \[n, 128, 128, 3\]"):
        predictor(np.zeros((2, 64, 64, 3), np.uint8))


def test_the_check_runs_and_can_fail(touch, monkeypatch):
    monkeypatch.setattr("palmar.methods.haco.check.balanced", lambda contact, rng: np.arange(len(contact)))
    monkeypatch.setattr("palmar.methods.haco.training.balanced", lambda contact, rng: np.arange(len(contact)))
    names = (OURS, "cross-entropy")
    found = Check(touch, touch, steps=1, batch=2, seeds=(0,), variants=names).run()
    assert set(found.figures["runs"]) == {*names, FLOOR}

    def of(ours: float):
        row = dict.fromkeys(COLUMNS, 0.5)
        runs = {name: [row, {k: v + 0.02 for k, v in row.items()}] for name in (*VARIANTS, FLOOR)}
        runs[OURS] = [{k: v + ours for k, v in row.items()} for row in runs[OURS]]
        return report(Runs(runs), "nowhere").passed

    assert of(0.1) is True
    assert of(0.005) is False
    with pytest.raises(PalmarError, match="variants out of"):
        Check(touch, touch, variants=()).run()


def test_rare_vertices_are_those_that_seldom_touch():
    contact = np.zeros((10, 5))
    contact[:8, 0] = contact[:6, 1] = contact[:2, 2] = contact[:1, 3] = 1
    assert rare_vertices(contact).tolist() == [False, False, True, True, False]


def test_configs_that_cannot_be():
    with pytest.raises(PalmarError, match="crops of 128 pixels go with"):
        Config(size=128)
    with pytest.raises(PalmarError, match="decoder reads 1280 channels of 96"):
        Haco(replace(SMALL, decoder=PAPER.decoder))
