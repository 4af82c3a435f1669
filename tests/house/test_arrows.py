"""The house: a room imports only what stands below it, no private names of others, nothing of a forbidden licence."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import palmar

SRC = Path(palmar.__file__).parent
STOREYS = [
    "errors",
    "geometry",
    "types",
    "media metrics",
    "tasks",
    "hand",
    "render data view export clean",
    "nn",
    "synth",
    "train tracking",
    "licenses",
    "methods",
    "recognition compat",
    "bench",
    "app doctor",
    "cli",
    "__main__",
]
"""From the ground up. Rooms of one storey do not see each other. `palmar/__init__.py`, the front door, sees all."""
LEVEL = {room: number for number, storey in enumerate(STOREYS) for room in storey.split()}

FORBIDDEN = {
    "body_models", "chumpy", "detectron2", "human_body_prior", "hamer", "mano", "manopth", "manotorch", "nvdiffrast",
    "nvdiffrec", "pytorch3d", "smplx", "smplpytorch", "ultralytics", "wilor", "yolov5", "yolov7", "yolov8",
}  # fmt: skip
"""Non-commercial, copyleft, or tied to a body model that is; none may stand in the chain, nor in what makes it."""
OUTSIDE = {
    "av", "cv2", "jaxtyping", "matplotlib", "numpy", "onnxruntime", "pyarrow", "scipy", "tyro",
    "gradio", "h5py", "lightning_fabric", "numba", "onnx", "pxr", "rerun", "skimage", "torch", "torchvision", "triton",
}  # fmt: skip
"""Everything from outside the standard library that the package imports; grows with pyproject.toml only."""
ELSEWHERE = {"bench/mediapipe_script.py": {"mediapipe"}}
"""What a file imports that is never imported here: a Python of the user's own runs it."""


SOURCES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(SRC.rglob("*.py"))}


def name(path: Path) -> str:
    return path.relative_to(SRC).as_posix()


def room_of(path: Path) -> str:
    return path.relative_to(SRC).parts[0].removesuffix(".py")


def imports(tree: ast.AST) -> Iterator[tuple[str, str | None]]:
    """(module, name) of every import, in functions and under TYPE_CHECKING too; name None for `import module`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute in this house"
            yield from ((node.module or "", alias.name) for alias in node.names)
        elif isinstance(node, ast.Call) and _names_a_module(node):
            yield node.args[0].value, None  # type: ignore[attr-defined, misc]


def _names_a_module(call: ast.Call) -> bool:
    """importlib.import_module("...") and need("...")."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    first = call.args[0] if call.args else None
    return (
        name in ("import_module", "need", "__import__")
        and isinstance(first, ast.Constant)
        and isinstance(first.value, str)
    )


def arrows(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """(room, what) that a module of the room `here` imports. `import palmar` alone is for the version, and allowed."""
    for module, what in imports(tree):
        first, *rest = module.split(".")
        if first != "palmar":
            continue
        if rest:
            yield rest[0], module
        elif what is not None and what != "__version__":
            yield what, f"palmar.{what}"


def upward(tree: ast.AST, here: str) -> list[str]:
    """What a module of the room `here` imports and may not."""
    return [what for there, what in arrows(tree) if there != here and LEVEL.get(there, 99) >= LEVEL[here]]


def test_every_room_has_a_storey():
    assert {room_of(path) for path in SOURCES if path != SRC / "__init__.py"} <= set(LEVEL)


def test_arrows_point_down():
    found = {name(path): upward(tree, room_of(path)) for path, tree in SOURCES.items() if path != SRC / "__init__.py"}
    assert not {file: what for file, what in found.items() if what}


def test_private_names_stay_in_their_room():
    for path, tree in SOURCES.items():
        for module, what in imports(tree):
            room, *parts = [*module.split("."), what or ""][1:] or [""]
            if module.startswith("palmar.") and room != room_of(path):
                hidden = [part for part in parts if part.startswith("_") and not part.startswith("__")]
                assert not hidden, f"{name(path)} imports {hidden} of {room}"


def test_only_known_packages_and_none_forbidden():
    for path, tree in SOURCES.items():
        for module, _ in imports(tree):
            first = module.split(".")[0]
            assert first.lower() not in FORBIDDEN, f"{name(path)}: {first} may not stand in the chain"
            known = {"palmar", *OUTSIDE, *ELSEWHERE.get(name(path), ()), *sys.stdlib_module_names}
            assert first in known, f"{name(path)}: {first} is no dependency"


def test_tools_and_tests_import_nothing_forbidden():
    root = Path(__file__).parents[2]
    for folder in ("tools", "tests", "benchmarks"):
        for path in sorted((root / folder).rglob("*.py")):
            for module, _ in imports(ast.parse(path.read_text(encoding="utf-8"))):
                assert module.split(".")[0].lower() not in FORBIDDEN, f"{path}: {module}"


@pytest.mark.parametrize(
    ("here", "line"),
    [
        ("geometry", "from palmar.media import read"),
        ("geometry", "import palmar.cli"),
        ("geometry", "def f():\n    from palmar.types.hands import Hands"),
        ("hand", "import importlib\nimportlib.import_module('palmar.synth.pose')"),
        ("media", "from palmar.metrics import epe"),
        ("tracking", "from palmar.train import loop"),
        ("types", "from palmar import hand"),
        ("errors", "from palmar.unheard_of import x"),
    ],
)
def test_the_test_sees_arrows_that_point_up(here, line):
    assert upward(ast.parse(line), here)


@pytest.mark.parametrize(
    ("here", "line"),
    [("types", "from palmar.geometry.camera import Camera"), ("media", "from palmar.media.folder import whole_file"),
     ("tracking", "import palmar"), ("geometry", "import torch")],
)  # fmt: skip
def test_the_test_lets_arrows_down_pass(here, line):
    assert not upward(ast.parse(line), here)
