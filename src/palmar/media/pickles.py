"""Pickles, read as data: dictionaries, lists, words, numbers and NumPy arrays, and nothing else.

A pickle is a program. Here its steps are taken one by one, and those that would call or import anything but the making
of a NumPy array of numbers are refused, so that a file from others cannot run code. Sizes are bounded, and the keys of
a dictionary are words, so that none takes long to compare. A reader may name classes whose objects are arrays in
disguise (`Objects`): of such an object only the state is kept.
"""

from __future__ import annotations

import codecs
import pickle
import pickletools
import re
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from palmar.errors import PalmarError
from palmar.media.folder import read_bounded, whole_file

MAX_NUMBERS, MAX_STEPS, MAX_DEPTH = 1 << 22, 1 << 21, 6
"""In one array; of one pickle; of one value."""
Array = Callable[[Any], np.ndarray]
Objects = Mapping[str, Callable[[Mapping[str, Any], Array], np.ndarray]]
"""Pattern of a class's full name -> the array of an object's state; the second argument makes arrays of its parts."""
_DTYPE = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248])")
_MARK = object()
_PLAIN = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "STRING", "BINSTRING", "SHORT_BINSTRING",
    "BINBYTES", "SHORT_BINBYTES", "BYTEARRAY8", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "FLOAT", "BINFLOAT",
}  # fmt: skip
"""Steps whose argument is the value."""
_STEPS = {step.code.encode("latin1"): step for step in pickletools.opcodes}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}


@dataclass
class _Name:
    """What the pickle calls by a name: kept, never looked up."""

    full: str
    build: Callable[[Mapping[str, Any], Array], np.ndarray] | None = None
    """Of a class that the reader named."""


@dataclass
class _Made:
    """The outcome of a call that was allowed: of which name, with what, and the state it got."""

    of: str
    args: tuple[Any, ...]
    state: Any = None
    build: Callable[[Mapping[str, Any], Array], np.ndarray] | None = None


_CALLS = {
    "numpy.core.multiarray._reconstruct": "array", "numpy._core.multiarray._reconstruct": "array",
    "numpy.core.multiarray.scalar": "scalar", "numpy._core.multiarray.scalar": "scalar",
    "numpy.core.numeric._frombuffer": "buffer", "numpy._core.numeric._frombuffer": "buffer",
    "numpy.dtype": "dtype", "_codecs.encode": "bytes",
    "__builtin__.bytes": "bytes", "builtins.bytes": "bytes",
}  # fmt: skip
_MAKERS = {"copyreg._reconstructor", "copy_reg._reconstructor"}
"""Of objects, in old protocols: called with the class, its base and the base's state."""
_NAMES = {*_CALLS, *_MAKERS, "numpy.ndarray", "builtins.object", "__builtin__.object"}


def read_pickle(
    path: Path, limit: int, expected: str, keys: Collection[str] | None = None, objects: Objects | None = None
) -> dict[str, Any]:
    """A pickled dictionary of None, words, numbers, lists and NumPy arrays, from a file of at most `limit` bytes.

    keys: the entries to give, where they are there; of the others it does not matter what they are. None: all.
    objects: classes whose objects are read as arrays. Raises PalmarError for a missing, larger or damaged file, and for
    one that asks for anything else.
    """
    data = read_bounded(path, limit, expected)
    try:
        found = _Machine(objects or {}).run(data)
        if not isinstance(found, dict):
            raise PalmarError(f"holds a {type(found).__name__}")
        return {key: _plain(value) for key, value in found.items() if keys is None or key in keys}
    except PalmarError as err:
        raise PalmarError(f"{path}: {err}; expected {expected}.") from err
    except Exception as err:  # a damaged pickle may go wrong in any way that Python has
        raise PalmarError(f"{path}: damaged pickle ({type(err).__name__}: {err}); expected {expected}.") from err


def read_object_npz(path: Path, limit: int, expected: str) -> dict[str, Any]:
    """An .npz whose entries are plain arrays, or single objects: nested dictionaries with words for keys, lists, words,
    numbers and arrays, as `np.savez(file, name=dictionary)` writes them. `limit`: bytes unpacked.

    Raises PalmarError for a missing, larger or damaged file, and for one that asks for anything else.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(item.file_size for item in archive.infolist()) > limit:
                raise PalmarError(f"more than {limit} bytes unpacked")
            return {name.removesuffix(".npy"): _entry(archive.read(name)) for name in archive.namelist()}
    except FileNotFoundError as err:
        raise PalmarError(f"{path}: no such file; expected {expected}.") from err
    except PalmarError as err:
        raise PalmarError(f"{path}: {err}; expected {expected}.") from err
    except Exception as err:  # a damaged file may go wrong in any way that Python has
        raise PalmarError(f"{path}: damaged ({type(err).__name__}: {err}); expected {expected}.") from err


def _entry(data: bytes) -> Any:
    """One .npy: a plain array, or the one object of an array without axes."""
    file = BytesIO(data)
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    if dtype.hasobject:
        if shape != ():
            raise PalmarError("an array of objects with axes")
        made = _Machine().run(file.read())
        match made:
            case _Made("array", _, (_, (), _Made("dtype", (("O8" | "O"), *_)), _, [value])):
                return _nested(value)
        raise PalmarError("damaged object")
    return np.load(BytesIO(data), allow_pickle=False)


def _nested(value: Any, depth: int = 0) -> Any:
    if depth > 6:
        raise PalmarError("nested too deeply")
    if isinstance(value, dict):
        return {key: _nested(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple) and not all(isinstance(v, bool | int | float | str) for v in value):
        return [_nested(item, depth + 1) for item in value]
    return _plain(value)


def _steps(data: bytes) -> Iterator[tuple[str, Any]]:
    """Name and argument of each step. `pickletools.genops` does the same, but for words of Python 2 that are no ASCII:
    NumPy's bytes were words then."""
    file = BytesIO(data)
    while code := file.read(1):
        step = _STEPS.get(code)
        if step is None:
            raise PalmarError("damaged pickle: an unknown step")
        if step.name == "STRING":
            line = file.readline().strip()
            if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
                raise PalmarError("damaged pickle: a word without quotes")
            yield step.name, codecs.escape_decode(line[1:-1])[0].decode("latin1")  # type: ignore[attr-defined]
        else:
            yield step.name, None if step.arg is None else step.arg.reader(file)


@dataclass
class _Machine:
    """The stack and memory of a pickle."""

    objects: Objects = field(default_factory=dict)
    stack: list[Any] = field(default_factory=list)
    memory: dict[int, Any] = field(default_factory=dict)

    def run(self, data: bytes) -> Any:
        for count, (name, argument) in enumerate(_steps(data)):
            if count > MAX_STEPS:
                raise PalmarError(f"refused: a pickle of more than {MAX_STEPS} steps")
            if name in _PLAIN:
                self.stack.append(argument)
            elif name in _CONSTANTS:
                self.stack.append(_CONSTANTS[name])
            elif name == "STOP":
                return self.stack.pop()
            elif name not in ("PROTO", "FRAME"):
                self.take(name, argument)
        raise PalmarError("damaged pickle: it does not end")

    def above_mark(self) -> list[Any]:
        at = len(self.stack) - 1 - next(i for i, item in enumerate(reversed(self.stack)) if item is _MARK)
        items = self.stack[at + 1 :]
        del self.stack[at:]
        return items

    def take(self, name: str, argument: Any) -> None:
        stack = self.stack
        match name:
            case "MARK":
                stack.append(_MARK)
            case "POP":
                stack.pop()
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_LIST":
                stack.append([])
            case "DICT":
                stack.append(_filled({}, self.above_mark()))
            case "LIST":
                stack.append(self.above_mark())
            case "TUPLE":
                stack.append(tuple(self.above_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                count = int(name[-1])
                items = tuple(stack[-count:])
                del stack[-count:]
                stack.append(items)
            case "APPEND" | "APPENDS":
                items = self.above_mark() if name == "APPENDS" else [stack.pop()]
                if not isinstance(stack[-1], list):
                    raise PalmarError("damaged pickle: something is appended to what is no list")
                stack[-1].extend(items)
            case "SETITEM" | "SETITEMS":
                items = self.above_mark() if name == "SETITEMS" else [stack.pop(-2), stack.pop()]
                _filled(stack[-1], items)
            case "MEMOIZE":
                self.memory[len(self.memory)] = stack[-1]
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                self.memory[argument] = stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                stack.append(self.memory[argument])
            case "GLOBAL":
                stack.append(self.named(argument.replace(" ", ".")))
            case "STACK_GLOBAL":
                word, module = stack.pop(), stack.pop()
                stack.append(self.named(f"{module}.{word}"))
            case "REDUCE":
                args, called = stack.pop(), stack.pop()
                stack.append(_called(called, args))
            case "NEWOBJ":
                args, called = stack.pop(), stack.pop()
                stack.append(_object(called))
            case "BUILD":
                state = stack.pop()
                if not isinstance(stack[-1], _Made):
                    raise PalmarError("refused: the pickle gives a state to what is no NumPy array")
                stack[-1].state = state
            case _:
                raise PalmarError(f"refused: the pickle holds the step {name}, which no file of numbers needs")


    def named(self, full: str) -> _Name:
        if full in _NAMES:
            return _Name(full)
        for pattern, build in self.objects.items():
            if re.fullmatch(pattern, full):
                return _Name(full, build)
        raise PalmarError(f"refused: the pickle asks for {full[:80]}")


def _called(called: Any, args: Any) -> _Made:
    if isinstance(called, _Name) and isinstance(args, tuple):
        if called.full in _CALLS:
            return _Made(_CALLS[called.full], args)
        if called.full in _MAKERS and args:
            return _object(args[0])
    raise PalmarError("refused: the pickle calls something that is no NumPy array")


def _object(called: Any) -> _Made:
    if not isinstance(called, _Name) or called.build is None:
        raise PalmarError("refused: the pickle makes an object that is no NumPy array")
    return _Made("object", (), build=called.build)


def _filled(into: Any, items: list[Any]) -> dict[str, Any]:
    if not isinstance(into, dict) or len(items) % 2 or not all(isinstance(key, str) for key in items[::2]):
        raise PalmarError("damaged pickle: expected a dictionary whose keys are words")
    into.update(zip(items[::2], items[1::2], strict=True))
    return into


def _plain(value: Any) -> Any:
    """A value without our records. Lists hold words and numbers only: no lists of lists, which could unfold."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, _Made):
        return _array(value)
    if isinstance(value, list | tuple) and all(isinstance(v, bool | int | float | str | _Made) for v in value):
        return [_array(v) if isinstance(v, _Made) else v for v in value]
    if isinstance(value, bytes):
        return value.decode("latin1")
    raise PalmarError(f"an entry is a {type(value).__name__}")


def _content(value: Any) -> bytes:
    if isinstance(value, _Made) and value.of == "bytes":
        value = value.args[0] if value.args else b""
    return (
        value.encode("latin1")
        if isinstance(value, str)
        else bytes(value)
        if isinstance(value, bytes | bytearray)
        else b""
    )


def _part(value: Any, depth: int) -> np.ndarray:
    """The array of a part of an object's state."""
    if depth > MAX_DEPTH:
        raise PalmarError("damaged array: nested too deeply")
    return _array(value, depth) if isinstance(value, _Made) else np.asarray(_plain(value))


def _array(made: _Made, depth: int = 0) -> np.ndarray:
    """The array of a record, after a look at every size that it claims."""
    if made.build is not None:
        if not isinstance(made.state, dict):
            raise PalmarError("damaged array: an object without its state")
        return made.build(made.state, lambda part: _part(part, depth + 1))
    match made:
        case _Made("array", _, (_, tuple() as shape, dtype, fortran, content)):
            order = "F" if fortran else "C"
        case _Made("buffer", (content, dtype, tuple() as shape, order)):
            pass
        case _Made("scalar", (dtype, content)):
            shape, order = (), "C"
        case _:
            raise PalmarError("damaged array")
    if not isinstance(dtype, _Made) or dtype.of != "dtype" or not _DTYPE.fullmatch(str(dtype.args[0])):
        raise PalmarError("damaged array: not of numbers")
    sizes = tuple(int(n) for n in shape)
    if len(sizes) > 4 or min(sizes, default=0) < 0 or np.prod(sizes, dtype=np.float64) > MAX_NUMBERS:
        raise PalmarError(f"damaged array: it claims the shape {sizes}")
    kind = np.dtype(str(dtype.args[0]).lstrip("<>|="))
    swapped = dtype.state[1] if isinstance(dtype.state, tuple) and len(dtype.state) > 1 else "="
    flat = np.frombuffer(_content(content), kind.newbyteorder(swapped if swapped in ("<", ">") else "="))
    return flat.reshape(sizes, order="F" if order == "F" else "C").astype(kind)


def write_pickle(path: Path, values: dict[str, Any]) -> None:
    """A dictionary that `read_pickle` reads, in protocol 2, by names that every NumPy knows."""
    data = pickle.dumps(values, protocol=2).replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")
    with whole_file(path) as part:
        part.write_bytes(data)
