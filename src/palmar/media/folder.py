"""Files and folders that appear whole or not at all: written beside their place under a hidden name, then renamed.

A killed process (no chance to clean up) leaves the hidden part behind, `.name.xxxxxxxx.part`, and never a half target;
the next one that makes the same file or folder takes it away.
"""

from __future__ import annotations

import errno
import glob
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType

from palmar.errors import PalmarError

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows: what killed processes leave is left there
    fcntl = None


STILL_S = 3600.0
"""Seconds without a write after which a part of a file is a dead process's."""


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}.{ending}")


def _named(path: str | Path) -> Path:
    path = Path(path)
    return path if path.name and path.name != ".." else path.resolve()


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """The path of a hidden file beside `path`, renamed to it on success, removed on failure.

    What stood at `path` is replaced. The folder must exist. Raises PalmarError where the file cannot be written.
    """
    path = _named(path)
    if path.is_dir():
        raise PalmarError(f"{path}: is a folder; a file is to be written here. Give another name.")
    part = _beside(path, "part")
    try:
        part.touch()
    except OSError as err:
        raise PalmarError(f"{path}: cannot write here ({err.strerror or err}).") from err
    _sweep(path, part)
    try:
        yield part
        part.replace(path)
    except OSError as err:
        full = err.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        if not full and str(part) not in (err.filename, err.filename2):
            raise  # not about this file
        raise PalmarError(f"{path}: cannot write here ({err.strerror or err}).") from err
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: str | Path, overwrite: bool = False, *, marker: str = "clip.json") -> Iterator[Path]:
    """An empty hidden folder beside `path`, renamed to it when the block ends well, removed when it raises.

    Parent folders are made if need be, and taken away again on failure. An existing empty folder is used.
    overwrite: replace an existing folder, but only one that holds the file `marker`, so that no other folder is ever
    deleted; the old one stays in place until the new one is whole.
    Raises PalmarError where `path` exists (and may not be replaced) or cannot be made.
    """
    path = _named(path)
    _check_free(path, overwrite, marker)
    made: list[Path] = []
    part = _beside(path, "part")
    held: int | None = None
    try:
        _make_parents(path.parent, made)
        part.mkdir()
        held = _hold(part)
    except OSError as err:
        _remove(part, made)
        raise PalmarError(f"{path}: cannot make this folder ({err.strerror or err}).") from err
    _sweep(path, part)
    try:
        yield part
        _check_free(path, overwrite, marker)  # again: someone may have been faster
        try:
            _into_place(part, path)
        except OSError as err:
            raise PalmarError(f"{path}: cannot put the finished folder here ({err.strerror or err}).") from err
    except BaseException:
        _remove(part, made)
        raise
    finally:
        if held is not None:
            os.close(held)


@contextmanager
def resumable_folder(
    path: str | Path, key: str, overwrite: bool = False, *, marker: str = "clip.json"
) -> Iterator[Path]:
    """A hidden folder beside `path`, renamed to it when the block ends well, and kept for the next try when it raises.

    What an earlier try with the same key left is in it: the caller goes on from there. key: letters and digits that
    name the request, so that another request for the same path gets a folder of its own. A folder that is still empty
    when the block raises is taken away, with the parents that were made for it.
    Raises PalmarError as `whole_folder` does, and where another process is making the same folder.
    """
    path = _named(path)
    _check_free(path, overwrite, marker)
    made: list[Path] = []
    part = path.with_name(f".{path.name[:100]}.{key}.unfinished")
    held: int | None = None
    try:
        _make_parents(path.parent, made)
        part.mkdir(exist_ok=True)
        held = _hold(part, alone=True)
    except BlockingIOError as err:
        raise PalmarError(f"{path}: another process is making this folder.") from err
    except OSError as err:
        for parent in reversed(made):
            with suppress(OSError):
                parent.rmdir()
        raise PalmarError(f"{path}: cannot make this folder ({err.strerror or err}).") from err
    try:
        yield part
        _check_free(path, overwrite, marker)
        try:
            _into_place(part, path)
        except OSError as err:
            raise PalmarError(f"{path}: cannot put the finished folder here ({err.strerror or err}).") from err
    except BaseException:
        with suppress(OSError):
            if not any(part.iterdir()):
                _remove(part, made)
        raise
    finally:
        if held is not None:
            os.close(held)


def _hold(part: Path, *, alone: bool = False) -> int | None:
    """A lock on the folder that the system lets go when this process ends, however it ends. None: no locks here, or
    someone else holds it, which with `alone` is a BlockingIOError."""
    if fcntl is None:
        return None
    descriptor = os.open(part, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as err:  # held, or a file system without locks
        os.close(descriptor)
        if alone and isinstance(err, BlockingIOError):
            raise
        return None
    return descriptor


def _sweep(path: Path, mine: Path) -> None:
    """Take away the parts that killed processes left beside `path`: folders with something in them that nobody holds,
    and files that nobody has written to for long. (Files are not held: HDF5 wants the lock for itself.)"""
    ending = f"{'[0-9a-f]' * 8}.part"
    for part in path.parent.glob(f".{glob.escape(path.name[:100])}.{ending}"):
        if part == mine or part.is_symlink():
            continue
        with suppress(OSError):
            if part.is_file():
                if part.stat().st_size and time.time() - part.stat().st_mtime > STILL_S:
                    part.unlink()
                continue
            held = _hold(part)
            if held is not None:
                if any(part.iterdir()):  # an empty one may be a moment old and not held yet
                    shutil.rmtree(part, ignore_errors=True)
                os.close(held)


def _check_free(path: Path, overwrite: bool, marker: str) -> None:
    try:
        if path.is_dir():
            if not any(path.iterdir()):
                return
            if not overwrite:
                raise PalmarError(
                    f"{path}: exists already. Give another folder, or replace it (--overwrite, overwrite=True)."
                )
            if not (path / marker).is_file():
                raise PalmarError(
                    f"{path}: is not overwritten, because it holds no {marker} and so is no result of "
                    f"palmar. Give another folder."
                )
        elif path.exists() or path.is_symlink():
            raise PalmarError(f"{path}: is a file; a folder is to be written here. Give another name.")
    except OSError as err:
        raise PalmarError(f"{path}: cannot write here ({err.strerror or err}).") from err


def _make_parents(folder: Path, made: list[Path]) -> None:
    """Make the folder and what is missing above it; what was made goes into `made`, deepest last."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for parent in reversed(missing):
        parent.mkdir()
        made.append(parent)


def _remove(part: Path, made: list[Path]) -> None:
    shutil.rmtree(part, ignore_errors=True)
    for parent in reversed(made):
        with suppress(OSError):  # no longer empty: someone else uses it
            parent.rmdir()


def _into_place(part: Path, path: Path) -> None:
    if not path.exists():
        part.rename(path)
        return
    old = _beside(path, "old")
    path.rename(old)
    try:
        part.rename(path)
    except OSError:
        old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def read_bounded(path: Path, limit: int, expected: str) -> bytes:
    """A file of at most `limit` bytes. expected: what it should be. Raises PalmarError for one that is missing, too
    large, or cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except FileNotFoundError as err:
        raise PalmarError(f"{path}: no such file; expected {expected}.") from err
    except OSError as err:
        raise PalmarError(f"{path}: cannot be read ({err.strerror or err}); expected {expected}.") from err
    if len(data) > limit:
        raise PalmarError(f"{path}: more than {limit} bytes; expected {expected}.")
    return data
