"""What this installation can do and what is wrong with it: `palmar doctor`.

Every finding has a state: "ok", "missing" (something optional is not there) or "broken" (something needed does not
work), and says what to do. Nothing heavy is imported: versions are read from the packages' metadata.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.resources import files
from pathlib import Path
from typing import Literal

import palmar
from palmar.errors import PalmarError

State = Literal["ok", "missing", "broken"]
EXTRAS = {
    "torch": ("training, methods, the synthetic world", ("torch", "numba", "lightning_fabric", "onnx", "h5py")),
    "view": ("palmar view and palmar app", ("rerun", "gradio")),
    "usd": ("palmar export --to usd", ("pxr",)),
}
"""Extra -> what it adds, and the modules that it brings."""
CODECS = {"h264": True, "hevc": False, "vp9": False, "av1": False, "mjpeg": False}
"""Video codecs to look for, and whether palmar needs to write them."""
FREE_GB = 2.0
"""Of disk space, under which long recordings may not fit."""
WEBCAMS = 4
"""Numbers of devices that are looked for."""


@dataclass(frozen=True)
class Finding:
    group: str
    name: str
    state: State
    said: str
    """What is there."""
    do: str = ""
    """What to do about it."""


def examine() -> list[Finding]:
    """All findings, in the order in which they are told. Takes a second or two."""
    found: list[Finding] = []
    for look in (versions, dependencies, extras, weights, codecs, providers, devices, machine):
        try:
            found += look()
        except Exception as err:  # a broken library may do anything; the rest is still to be told
            found.append(
                Finding(look.__name__, look.__name__, "broken", f"{type(err).__name__}: {err}", "install palmar again")
            )
    return found


def versions() -> Iterator[Finding]:
    """palmar, Python, the system."""
    yield Finding("versions", "palmar", "ok", palmar.__version__)
    good = sys.version_info >= (3, 11)
    yield Finding(
        "versions", "Python", "ok" if good else "broken", platform.python_version(), "" if good else "use 3.11 or later"
    )
    yield Finding("versions", "system", "ok", f"{platform.system()} {platform.release()} {platform.machine()}")


def requirements(extra: str | None = None) -> dict[str, str]:
    """Packages of the core, or of an extra, and the least version of each ("" for any), as the metadata has them."""
    out = {}
    for line in metadata.requires("palmar") or ():
        line, _, marker = line.partition(";")
        of = re.search(r"extra\s*==\s*['\"]([\w-]+)['\"]", marker)
        if (of.group(1) if of else None) != extra or line.startswith("palmar["):
            continue
        name = re.match(r"[\w.-]+", line.strip())
        least = re.search(r">=\s*([\w.]+)", line)
        if name:
            out[name.group(0)] = least.group(1) if least else ""
    return out


def dependencies() -> Iterator[Finding]:
    """Versions of what the core needs."""
    for name, least in requirements().items():
        yield _package("dependencies", name, least, needed=True)


def extras() -> Iterator[Finding]:
    """Each extra: whether all of it is there, and what it adds."""
    for extra, (adds, modules) in EXTRAS.items():
        gone = [name for name in modules if importlib.util.find_spec(name) is None]
        if gone:
            yield Finding("extras", extra, "missing", f"adds {adds}", f"pip install 'palmar[{extra}]'")
            continue
        old = [
            f
            for name, least in requirements(extra).items()
            if (f := _package("extras", name, least, False)).state == "broken"
        ]
        said = ", ".join(f"{name} {_version(name)}" for name in requirements(extra) if _version(name))
        state: State = "broken" if old else "ok"
        yield Finding("extras", extra, state, said, old[0].do if old else "")


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _package(group: str, name: str, least: str, needed: bool) -> Finding:
    have = _version(name)
    if not have:
        return Finding(group, name, "broken" if needed else "missing", "not installed", f"pip install {name}")
    if least and _numbers(have) < _numbers(least):
        return Finding(group, name, "broken", f"{have}, {least} is needed", f"pip install -U '{name}>={least}'")
    return Finding(group, name, "ok", have)


def _numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version, to compare by."""
    found = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in found.group(0).split(".")) if found else ()


def providers() -> Iterator[Finding]:
    """What ONNX Runtime can run on, and whether PyTorch sees a GPU, where that is already loaded or cheap to ask."""
    import onnxruntime

    names = onnxruntime.get_available_providers()
    state: State = "ok" if "CPUExecutionProvider" in names else "broken"
    yield Finding("devices", "ONNX Runtime", state, ", ".join(name.removesuffix("ExecutionProvider") for name in names))
    cuda = "CUDAExecutionProvider" in names
    yield Finding(
        "devices", "tracking on a GPU", "ok" if cuda else "missing", "yes" if cuda else "no",
        "" if cuda else "pip install onnxruntime-gpu in place of onnxruntime",
    )  # fmt: skip
    if shutil.which("nvidia-smi"):
        yield Finding("devices", "NVIDIA driver", "ok", "found")


def codecs() -> Iterator[Finding]:
    """Whether PyAV reads and writes the usual video codecs."""
    import av
    from av.codec import Codec

    for name, needed in CODECS.items():
        can = {}
        for mode in ("r", "w"):
            try:
                Codec({"h264": "libx264" if mode == "w" else "h264"}.get(name, name), mode)
                can[mode] = True
            except (av.error.FFmpegError, ValueError):
                can[mode] = False
        words = [word for mode, word in (("r", "reads"), ("w", "writes")) if can[mode]]
        bad = not can["r"] or (needed and not can["w"])
        state: State = "ok" if not bad else "broken" if needed else "missing"
        do = f"{name} videos cannot be opened: install a build of PyAV with it (pip install -U av)" if bad else ""
        yield Finding("codecs", name, state, " and ".join(words) or "no", do)


def weights() -> Iterator[Finding]:
    """Every network in the package against the hash on its card."""
    from palmar.tracking.weights import read_weights

    folder = files("palmar") / "weights"
    names = sorted(entry.name.removesuffix(".onnx") for entry in folder.iterdir() if entry.name.endswith(".onnx"))
    for name in {*names, "detector", "landmarker"}.difference(names):
        yield Finding("weights", name, "broken", "not there", "install palmar again")
    for name in names:
        try:
            found = read_weights(name)
        except PalmarError as err:
            yield Finding("weights", name, "broken", str(err), "install palmar again")
        else:
            yield Finding("weights", name, "ok", f"sha256 {found.sha256[:12]}")


def devices() -> Iterator[Finding]:
    """Webcams and the screen."""
    if platform.system() == "Linux":
        cameras = [str(n) for n in range(WEBCAMS) if Path(f"/dev/video{n}").exists()]
        said = f"number {', '.join(cameras)}" if cameras else "none found"
        yield Finding(
            "devices",
            "webcam",
            "ok" if cameras else "missing",
            said,
            "" if cameras else "connect one to palmar track 0",
        )
        screen = bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
        yield Finding(
            "devices", "screen", "ok" if screen else "missing", "yes" if screen else "none",
            "" if screen else "palmar view --web or --save work without one",
        )  # fmt: skip
    else:
        yield Finding("devices", "webcam", "ok", "not looked for here: try palmar track 0")


def machine() -> Iterator[Finding]:
    """Cores, instructions that eight-bit networks like, and room on the disk."""
    flags = _flags()
    fast = [name for name in ("avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "avx2") if name in flags]
    yield Finding("machine", "cores", "ok", str(os.cpu_count() or "unknown"))
    if flags:
        said = f"yes ({fast[0]})" if fast and fast[0] != "avx2" else "slow: no 8-bit instructions"
        yield Finding("machine", "--int8 pays", "ok", said)
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    state: State = "ok" if free > FREE_GB else "broken"
    yield Finding("machine", "free disk here", state, f"{free:.0f} GB", "" if free > FREE_GB else "make room")


def _flags() -> set[str]:
    """Of the first processor, on Linux."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return set()
    found = re.search(r"^(?:flags|Features)\s*:\s*(.*)$", text, re.M)
    return set(found.group(1).split()) if found else set()


def told(findings: list[Finding]) -> str:
    """For a person: a block to copy into a report. No paths of this user's."""
    width = max((len(f.name) for f in findings), default=0)
    rows, group = [], ""
    for f in findings:
        if f.group != group:
            group = f.group
            rows += ["", f"{group}:"]
        mark = {"ok": "ok     ", "missing": "missing", "broken": "BROKEN "}[f.state]
        rows.append(f"  {mark}  {f.name:<{width}}  {f.said}" + (f"  -> {f.do}" if f.do else ""))
    return private("\n".join(rows).strip("\n"))


def private(text: str) -> str:
    """The home folder as ~."""
    home = str(Path.home())
    return text.replace(home, "~") if len(home) > 1 else text
