"""Hands for other programs: one file per format, each with `write(clip, path, options)`, and one table of them.

    write(palmar.track("clip.mp4"), "clip.glb", "glb")

What each format holds, in which units and axes, and what is lost in it: docs/exports.md. Every file and folder appears
whole or not at all.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from palmar.errors import PalmarError, one_of
from palmar.export.options import Options
from palmar.types import Clip

__all__ = ["FORMATS", "Format", "Options", "write"]


@dataclass(frozen=True)
class Format:
    """A row of the table: the file beside this one that writes it, and what is written."""

    module: str
    ending: str
    """Of the name that is written by default."""
    what: str
    marker: str | None = None
    """None: one file. Else a folder, and the file in it by which palmar knows it again."""


FORMATS: Mapping[str, Format] = {
    "glb": Format("gltf", ".glb", "skinned, animated hands for Blender, three.js, game engines (glTF 2.0)"),
}


def write(clip: Clip, path: str | Path, to: str, options: Options | None = None) -> Path:
    """Write the clip's hands at `path` in the format `to`, one of `FORMATS`. Returns the path.

    Raises PalmarError for an unknown format, hands that lack what the format needs, a place that is taken (unless
    `options.overwrite`) or cannot be written.
    """
    form = FORMATS[one_of("format", to, FORMATS)]
    path, options = Path(path), options or Options()
    if form.marker is None and (path.exists() or path.is_symlink()) and not path.is_dir() and not options.overwrite:
        raise PalmarError(f"{path}: exists already. Give another name, or ask for overwriting.")
    importlib.import_module(f"{__name__}.{form.module}").write(clip, path, options)
    return path
