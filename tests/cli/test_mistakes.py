"""Every command with wrong, missing, damaged and hostile input, as somebody new would give it: one line that says what,
where and what to do; exit code 2; nothing half written.

A row is the words after `palmar`, and what the line says. Files in the rows are those of `place`.
"""

from __future__ import annotations

import io
import json
import pickle
import re
import shlex
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from palmar.cli import main
from palmar.media.picture import write_image
from palmar.methods import methods as cards
from palmar.methods import networks


class Evil:
    """Would run a command where a pickle is trusted."""

    def __reduce__(self):
        return (open, ("pwned", "w"))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder of everything that is wrong."""
    root = tmp_path_factory.mktemp("mistakes")
    (root / "empty").mkdir()
    (root / "nothing.mp4").write_bytes(b"")
    (root / "text.mp4").write_text("this is no video\n" * 50)
    (root / "torn.mp4").write_bytes(b"\x00\x00\x00\x18ftypmp42" + bytes(300))
    (root / "text.png").write_text("this is no picture")
    write_image(root / "good.png", np.full((48, 64, 3), 90, np.uint8))
    (root / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    huge = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + (10**6).to_bytes(4, "big") * 2 + b"\x08\x02\x00\x00\x00" + bytes(16)
    (root / "huge.png").write_bytes(huge)
    (root / "file").write_text("a file where a folder is expected")
    (root / "list.json").write_text("[1, 2]")
    (root / "torn.json").write_text('{"width": 640,')
    (root / "camera.json").write_text(json.dumps({"width": -3, "height": 480, "fx": 1, "fy": 1, "cx": 0, "cy": 0}))
    (root / "nan.json").write_text('{"width": 640, "height": 480, "fx": NaN, "fy": 1, "cx": 0, "cy": 0}')
    (root / "evil.pkl").write_bytes(pickle.dumps({"a": Evil()}))
    (root / "evil.ckpt").write_bytes(pickle.dumps({"state_dict": Evil()}))
    (root / "words.onnx").write_text("no network")
    weights = root / "weights"
    weights.mkdir()
    for name in ("detector", "landmarker"):
        (weights / f"{name}.onnx").write_bytes(b"no network")
        (weights / f"{name}.json").write_text(json.dumps({"name": name, "sha256": "0" * 64}))
    result = root / "result"
    result.mkdir()
    (result / "clip.json").write_text("{}")
    (result / "hands.parquet").write_bytes(b"PAR1 no table PAR1")
    shards = root / "shards"
    shards.mkdir()
    (shards / "card.json").write_text("{}")
    with tarfile.open(root / "escape.tar", "w") as tar:
        member = tarfile.TarInfo("../../escaped.txt")
        member.size = 4
        tar.addfile(member, io.BytesIO(b"oops"))
    with zipfile.ZipFile(root / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", bytes(10**7))
    run = root / "run"
    run.mkdir()
    (run / "recipe.json").write_text('{"name": "landmarker"}')
    (run / "network.json").write_text('{"network": "something else", "config": {}, "vocabulary": {}}')
    np.save(root / "array.npy", np.zeros(3))
    return root


NO_PLACE = "/no/such/place"
ROWS = [
    # what: nothing, or nothing known
    ("trak a.mp4", r"unknown command .trak.*Did you mean track"),
    ("track", r"nothing to track"),
    ("track a.mp4 --nonsense", r"nonsense"),
    ("track a.mp4 --max-hands two", r"max-hands"),
    # track
    (f"track {NO_PLACE}.mp4", r"no such file"),
    ("track empty", r"empty"),
    ("track nothing.mp4", r"nothing\.mp4"),
    ("track text.mp4", r"text\.mp4"),
    ("track torn.mp4", r"torn\.mp4"),
    ("track text.png", r"text\.png"),
    ("track torn.png", r"torn\.png"),
    ("track huge.png", r"huge\.png"),
    ("track good.png --max-hands 0", r"max_hands|max-hands"),
    ("track good.png --fov 400", r"400"),
    ("track good.png --fov 60 --camera camera.json", r"--camera or --fov"),
    ("track good.png --camera camera.json", r"camera\.json"),
    (f"track good.png --depth {NO_PLACE}", r"no such folder of depth maps"),
    ("track good.png --depth empty --hand-length 0.18", r"two sizes"),
    ("track good.png --camera torn.json", r"torn\.json"),
    ("track good.png --camera nan.json", r"nan\.json"),
    ("track good.png --camera list.json", r"list\.json"),
    ("track good.png --weights empty", r"detector\.onnx"),
    ("track good.png --weights weights", r"weights"),
    (f"track good.png --weights {NO_PLACE}", r"/no/such/place"),
    ("track good.png --gesture words.onnx", r"words\.onnx"),
    ("track good.png --mesh nonsense", r"NETWORK:RUN"),
    ("track good.png --mesh hamba:empty", r"empty"),
    ("track good.png --mesh hamba:run", r"something else"),
    ("track good.png --landmarker h2o:run", r"NETWORK:RUN"),
    ("track good.png -o file/inside", r"file"),
    ("track good.png --stills --fix-bones", r"unrelated pictures"),
    ("demo -o file", r"file"),
    # what other commands read of a result
    *[
        (f"{command} {folder}{more}", said)
        for command, more in (
            ("clean", " --fix-bones"), ("plot", ""), ("view", " --save a.rrd"), ("export", " --to csv"),
        )
        for folder, said in (
            (NO_PLACE, r"/no/such/place"), ("empty", r"empty"), ("result", r"result"), ("file", r"file"),
        )
    ],
    ("clean result --trim 5 2", r"result|trim"),
    ("export result --to nonsense", r"nonsense"),
    ("export --to csv", r"OUT|name"),
    ("plot result --format gif", r"gif"),
    # act, gesture
    (f"act {NO_PLACE}.mp4", r"no such file"),
    ("act text.mp4 --recogniser empty", r"action\.onnx|empty"),
    ("act train empty -o a", r"empty"),
    (f"act train {NO_PLACE} -o a", r"/no/such/place"),
    ("gesture train empty -o a.gesture", r"empty"),
    (f"gesture train {NO_PLACE} -o a.gesture", r"/no/such/place"),
    # synth, convert, bench
    ("synth a --count 0", r"count"),
    ("synth a --count -5", r"count"),
    ("synth a --kind scenes --scene nowhere", r"nowhere"),
    ("synth a --kind scenes --sensors smell", r"smell"),
    ("synth a --seed x", r"seed"),
    ("synth file --count 1", r"file"),
    ("convert nonsense a --to h2o", r"nonsense"),
    (f"convert synthetic:{NO_PLACE} a --to h2o", r"/no/such/place"),
    ("convert synthetic:shards a --to h2o", r"card\.json|shards"),
    ("convert synthetic:empty a --to nowhere", r"nowhere"),
    (f"bench real {NO_PLACE}", r"/no/such/place"),
    ("bench real empty", r"empty"),
    ("bench nonsense", r"nonsense"),
    # train, eval, check, weights
    ("train nothing", r"nothing"),
    ("train landmarker --run run --steps 0", r"steps|recipe"),
    ("train landmarker --run file --steps 1", r"file"),
    (f"train landmarker --run a --start {NO_PLACE} --steps 1", r"/no/such/place"),
    ("train landmarker --run a --start words.onnx --steps 1", r"words\.onnx"),
    (f"train landmarker --run a --photographs {NO_PLACE} --steps 1", r"/no/such/place"),
    ("weights empty", r"empty"),
    (f"weights {NO_PLACE}", r"/no/such/place"),
    ("eval", r"name a network"),
    ("eval nothing", r"nothing"),
    ("check", r"name a method"),
    ("check nothing", r"nothing"),
    ("check hamba --variants nothing", r"variants"),
    ("check hamba --json nowhere/a.json", r"nowhere/a\.json"),
    ("train hamba --data nonsense --run a", r"nonsense"),
    ("train hamba --data drawn:0 --run a", r"drawn:0"),
    (f"train hamba --data freihand:{NO_PLACE} --run a", r"/no/such/place"),
    ("train rejshand --data freihand:empty --run a", r"empty"),
    ("train gla-gcn --data human36m:empty --run a", r"empty"),
    ("train gla-gcn --frames 30 --data drawn:1 --run a", r"power of 3"),
    ("train haco --data empty --run a", r"empty"),
    ("train vemg2pose --data empty --run a", r"empty"),
    ("train h2o --data nonsense --run a", r"nonsense"),
    ("train effhandnet --data synthetic:empty --run a", r"empty"),
    ("eval hamer --weights evil.ckpt --mano evil.pkl", r"evil\.pkl"),
    ("eval gla-gcn --weights evil.ckpt --data drawn:1", r"evil\.ckpt"),
    ("eval hamba --weights empty --data drawn:1", r"empty"),
    ("eval rejshand --weights empty --data drawn:1", r"empty"),
    ("eval gla-gcn --weights empty --data drawn:1", r"empty"),
    ("methods --json nowhere/a.json", r"nowhere/a\.json"),
    ("app --port 99999999 --no-open", r"port"),
    ("app --max-megabytes -1 --no-open", r"megabytes"),
    ("licenses --nonsense", r"nonsense"),
    ("doctor --nonsense", r"nonsense"),
]  # fmt: skip


def contents(root: Path) -> dict[str, int]:
    return {str(path.relative_to(root)): path.stat().st_size for path in root.rglob("*")}


@pytest.mark.parametrize(("words", "said"), ROWS, ids=[words or "(nothing)" for words, _ in ROWS])
def test_a_mistake_is_one_line(words, said, place, monkeypatch, capfd):
    monkeypatch.chdir(place)
    before = contents(place)
    code = main(shlex.split(words))
    out, err = capfd.readouterr()
    assert code == 2, (out, err)
    lines = [line for line in err.splitlines() if line.strip()]
    assert lines[-1].startswith("palmar: error: "), err
    assert len([line for line in lines if not line.startswith("palmar: warning: ")]) == 1, err
    assert "Traceback" not in err
    assert re.search(said, err), err
    assert not re.search(r"0x[0-9a-f]{6,}|<class|object at", err), err
    assert contents(place) == before, "something was written"


def test_every_command_is_in_the_table():
    from palmar.cli.parse import COMMANDS

    named = {words.split()[0] for words, _ in ROWS if words}
    assert set(COMMANDS) <= named
    trained = {words.split()[1] for words, _ in ROWS if words.startswith(("train ", "eval ", "check "))}
    assert len(trained & ({*networks(), *cards()})) >= 8
