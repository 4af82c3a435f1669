"""The jobs: train, go on, score, load, stand in; and the check, which can fail."""

from __future__ import annotations

import numpy as np
import pytest

import palmar
from palmar.cli import main
from palmar.errors import PalmarError
from palmar.methods.hamba.check import CLAIMS, OURS, VARIANTS, Check, report
from palmar.methods.hamba.training import Evaluate, TrainHamba, TrainHamer
from palmar.train.checks import Runs
from palmar.train.meshcrops import open_crops


@pytest.fixture(scope="module", params=[TrainHamba, TrainHamer], ids=["hamba", "hamer"])
def run(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hamba") / "run"
    job = request.param(data="drawn:6", folder=folder, steps=2, batch=2, quiet=True, threads=1, device="cpu")
    found = job.run()
    assert found.figures["finished"]
    assert (
        request.param(data="drawn:6", folder=folder, steps=2, batch=2, quiet=True, device="cpu").run().figures["step"]
        == 2
    )
    return folder


def test_a_run_is_scored_and_loaded(run):
    report = Evaluate(run, data="drawn:4").run()
    assert {"mpjpe_mm", "pa_mpjpe_mm", "pa_mpvpe_mm", "f5", "f15", "auc_joints", "fps"} <= set(report.figures)
    predictor = palmar.load("hamba", run)
    crop = open_crops("drawn:1", "test", size=128).crop(0)
    found = predictor(crop["image"][None])
    assert found.vertices.shape == (1, 1690, 3)
    np.testing.assert_allclose(found.joints[0, 0], 0, atol=1e-6)
    with pytest.raises(PalmarError, match=r"this network reads \[n, 128, 128, 3\]"):
        predictor(np.zeros((1, 64, 64, 3), np.uint8))
    with pytest.raises(PalmarError, match="says palmar's hand; leave the MANO file out"):
        Evaluate(run, mano=run / "x.pkl").run()


def test_what_does_not_go_together_is_said(run, tmp_path):
    with pytest.raises(PalmarError, match="official weights say MANO's hand"):
        Evaluate(tmp_path / "hamer.ckpt").run()
    with pytest.raises(PalmarError, match="it goes with --size paper"):
        TrainHamba(data="drawn:4", folder=tmp_path / "a", backbone=tmp_path / "b.ckpt", steps=1, quiet=True).run()
    other = TrainHamer if "first" in (run / "log.jsonl").read_text() else TrainHamba
    with pytest.raises(PalmarError, match="a run of another network"):
        other(data="drawn:4", folder=run, steps=2, quiet=True).run()


def test_it_stands_in_for_the_mesh(run, tmp_path):
    from palmar.media.picture import write_image

    write_image(tmp_path / "a.png", np.full((96, 128, 3), 90, np.uint8))
    words = ["track", str(tmp_path / "a.png"), "-o", str(tmp_path / "out"), "--mesh", f"hamba:{run}"]
    assert main(words) == 0


def test_the_check_runs():
    found = Check(data="drawn:6", test="drawn:6", steps=1, batch=2, seeds=(0,), variants=(OURS, "HaMeR's head")).run()
    assert set(found.figures["runs"]) == {OURS, "HaMeR's head"}
    sizes = found.figures["head numbers"]
    assert abs(sizes[OURS] / sizes["HaMeR's head"] - 1) < 0.03


def test_the_check_can_fail_and_hold():
    def of(ours: float):
        row = {"pa_mpjpe_mm": 10.0, "pa_mpjpe_occluded_mm": 12.0, "mpjpe_mm": 20.0}
        runs = {name: [row, {k: v + 0.2 for k, v in row.items()}] for name in VARIANTS}
        runs[OURS] = [{k: v + ours for k, v in row.items()} for row in runs[OURS]]
        return report(Runs(runs), dict.fromkeys(VARIANTS, 1000), "nowhere")

    assert of(-0.5).passed
    assert set(of(-0.5).figures["claims"].values()) == {True}
    assert len(of(-0.5).figures["claims"]) == len(CLAIMS)
    assert of(-0.05).passed is False  # within the spread
    with pytest.raises(PalmarError, match="variants out of"):
        Check(variants=("HaMeR's head",)).run()
