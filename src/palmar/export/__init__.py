"""What `palmar track` found, for other programs: one file a format, one table of them.

palmar.export.FORMATS                                # what there is
palmar.export.export(clip, "hands.glb")              # the suffix says which
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from palmar.errors import PalmarError, one_of
from palmar.export.options import PLAIN, Options
from palmar.types import Clip


@dataclass(frozen=True)
class Format:
    """A way to write hands."""

    about: str
    """One line."""
    suffix: str
    """Of its file; "" for a folder."""
    write: Callable[..., None]
    """(clip, path, options); of LeRobot (clips, path, options)."""
    many: bool = False
    """Whether it takes several recordings."""
    options: frozenset[str] = frozenset()
    """What of `Options` means something in it, beside `overwrite`."""


def _late(module: str, name: str = "write") -> Callable[..., None]:
    """A writer whose module is imported when it is used."""

    def write(*values: Any, **options: Any) -> None:
        from importlib import import_module

        getattr(import_module(f"palmar.export.{module}"), name)(*values, **options)

    return write


FORMATS: Mapping[str, Format] = {
    "glb": Format("glTF 2.0 binary: skinned, moving hands, for Blender, three.js, game engines", ".glb", _late("gltf")),
    "usd": Format("USD with UsdSkel: the same for film and robot simulators (extra usd)", ".usda", _late("usd")),
    "bvh": Format("BVH: moving skeletons, a file for each hand", "", _late("bvh"), options=frozenset({"fps"})),
    "coco": Format("COCO-WholeBody style JSON: boxes and 21 keypoints in pixels", ".coco.json", _late("coco")),
    "mediapipe": Format("JSON shaped as MediaPipe's hand landmarker answers", ".mediapipe.json", _late("mediapipe")),
    "webxr": Format("JSON of WebXR's 25 joints: poses and radii", ".webxr.json", _late("webxr")),
    "csv": Format("CSV: one row per hand and frame", ".csv", _late("tables", "write_csv")),
    "npz": Format("NumPy arrays", ".npz", _late("tables", "write_npz")),
    "lerobot": Format(
        "LeRobot data set v3.0: state, action, video, an episode each",
        "",
        _late("lerobot"),
        many=True,
        options=frozenset({"fps", "task", "video"}),
    ),
}
"""By name."""


def export(clip: Clip | Sequence[Clip], path: str | Path, to: str | None = None, options: Options = PLAIN) -> Path:
    """Writes hands; answers with the path.

    to: one of `FORMATS`; by default what the path's suffix says. A file is replaced; a folder only where the options
    say so. Raises PalmarError for an unknown format, a name that says another one, options that the format does not
    know, several clips where it takes one, and what the writers raise.
    """
    path = Path(path)
    name = resolve(path, to)
    kind = FORMATS[name]
    check(name, options)
    clips = [clip] if isinstance(clip, Clip) else list(clip)
    if not kind.many and len(clips) != 1:
        raise PalmarError(f"{len(clips)} recordings: {name} takes one, several only {_those(lambda f: f.many)}.")
    kind.write(clips if kind.many else clips[0], path, options)
    return path


def resolve(path: Path, to: str | None = None) -> str:
    """The name of the format that a path is to have. Raises PalmarError for a format that is none, and where path and
    `to` say different things, or neither says anything."""
    said = format_of(path)
    if to is None:
        if said is None:
            raise PalmarError(f"{path}: its name does not say which format; name one of {', '.join(FORMATS)}.")
        return said
    if said not in (None, one_of("format", to, FORMATS)):
        raise PalmarError(f"{path}: by its name {said}, but {to} is to be written; give it another name.")
    return to


def format_of(path: Path) -> str | None:
    """What a file's name says it is to be; None where it says nothing."""
    name = path.name.lower()
    for kind, one in FORMATS.items():
        if one.suffix and name.endswith(one.suffix):
            return kind
    return "usd" if name.endswith((".usdc", ".usd")) else None


def check(to: str, options: Options) -> None:
    """Raises PalmarError for an option that says something the format cannot do."""
    known = FORMATS[to].options | {"overwrite"}
    for one in fields(options):
        if one.name not in known and getattr(options, one.name) != one.default:
            its = _those(lambda f, name=one.name: name in f.options)
            raise PalmarError(f"{one.name} is an option of {its}; {to} does not have it.")


def _those(true: Callable[[Format], bool]) -> str:
    """The names of such formats, in words."""
    return " and ".join(name for name, one in FORMATS.items() if true(one))


__all__ = ["FORMATS", "Format", "Options", "check", "export", "format_of", "resolve"]
