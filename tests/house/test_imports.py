"""What is loaded when: the core without PyTorch and Numba, the package itself and the command line almost nothing."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys
from importlib import metadata

import pytest

import palmar

pytestmark = pytest.mark.plain

NOT_CORE = ("nn", "synth", "train", "render")
"""Rooms of the extra [torch]; `render` needs Numba."""
TRAINS = ("palmar.recognition.own",)
"""Modules of other rooms that train."""
OF_A_METHOD = ("onnx", "reader", "sequences")
"""What runs trained networks of a method; its card does without the extra, too, the rest of its folder does not."""
PROGRAMS = ("palmar.__main__", "palmar.bench.mediapipe_script")
"""Run, never imported."""
EXTRA = ("torch", "numba", "skimage", "lightning_fabric", "onnx", "onnxscript", "llvmlite", "trimesh", "anny")
HEAVY = ("numpy", "cv2", "torch", "scipy", "onnxruntime", "pyarrow", "av", "tyro", "numba", "jaxtyping")


BLOCK = (
    "import sys\n"
    "class Block:\n"
    "    def find_spec(self, name, path=None, target=None):\n"
    "        if name.split('.')[0] in extras: raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
    "sys.meta_path.insert(0, Block())\n"
)
"""Importing one of `extras` fails as if it were not installed."""


def fresh(code: str, *words: str) -> str:
    """What a Python of its own prints; the test fails with its error where it fails."""
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def core_modules() -> list[str]:
    names = [found.name for found in pkgutil.walk_packages(palmar.__path__, "palmar.")]
    return [name for name in names if name not in (*PROGRAMS, *TRAINS) and _is_core(*name.split(".")[1:])]


def _is_core(room: str, *inside: str) -> bool:
    if room == "methods":
        return len(inside) < 2 or inside[1] in OF_A_METHOD
    return room not in NOT_CORE


def test_importing_palmar_imports_nothing_heavy():
    loaded = json.loads(fresh("import sys, json; import palmar; print(json.dumps(sorted(sys.modules)))"))
    assert "palmar" in loaded
    assert not {name.split(".")[0] for name in loaded} & set(HEAVY)
    assert not [name for name in loaded if name.startswith("palmar.")]


def test_help_and_version_import_nothing_heavy():
    code = (
        "import sys, json, io, contextlib; from palmar.cli import main; out = io.StringIO()\n"
        "with contextlib.redirect_stdout(out): code = main(sys.argv[1:])\n"
        "print(json.dumps([code, out.getvalue(), sorted(sys.modules)]))"
    )
    code_, out, loaded = json.loads(fresh(code, "--version"))
    assert (code_, out) == (0, f"palmar {palmar.__version__}\n")
    assert not {name.split(".")[0] for name in loaded} & set(HEAVY)
    code_, out, loaded = json.loads(fresh(code, "--help"))
    assert code_ == 0
    assert all(command in out for command in ("track", "demo", "synth", "train", "export", "bench", "licenses"))
    assert not {name.split(".")[0] for name in loaded} & (set(HEAVY) - {"tyro"})


def test_the_core_works_without_the_extras():
    """Every core module, and every public name, in a Python where importing an extra fails."""
    code = (
        "import sys, json, importlib\n"
        "modules, extras = json.loads(sys.argv[1])\n"
        f"{BLOCK}"
        "for name in modules: importlib.import_module(name)\n"
        "import palmar\n"
        "for name in palmar.__all__: getattr(palmar, name)\n"
        "from palmar.licenses import chain; assert chain()\n"
        "print(len(modules))"
    )
    modules = core_modules()
    assert {"palmar.tracking.tracker", "palmar.view.draw", "palmar.cli.train", "palmar.licenses"} <= set(modules)
    assert int(fresh(code, json.dumps([modules, EXTRA]))) == len(modules)


@pytest.mark.parametrize("words", [["synth", "out"], ["train", "detector"]])
def test_a_missing_extra_is_named(words, monkeypatch, capsys, tmp_path):
    from palmar.cli import main

    monkeypatch.chdir(tmp_path)
    for name in list(sys.modules):
        if name.split(".")[0] in EXTRA:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    exec(BLOCK, {"extras": EXTRA})
    assert main(words) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "[torch]" in said
    assert not list(tmp_path.iterdir())


def test_core_requirements_have_no_torch():
    plain = [line for line in metadata.requires("palmar") or [] if "extra ==" not in line]
    assert plain
    assert not [line for line in plain if line.split(">")[0].strip() in ("torch", "numba", "scikit-image", "onnx")]
