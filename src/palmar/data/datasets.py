"""Any data set by one line of text: what every `--data` option takes.

    split = open_split("h2o:/data/h2o", "train")
    split = open_split("synthetic:/data/acted", "test")
    split = open_split("/data/h2o", "val")           # a plain path: its contents say what it is

"train", "val" and "test" are the official parts of a data set. A folder of `palmar synth` is the train part: held-out
parts are the folders of these names in it (beside a folder train), or those beside it that end in -val and -test. A
held-out part that has no folder is a tenth of the train part, cut from its end (val before test), and train is the
rest. "all" is the whole of one folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Int

from palmar.data.ego import Lazy
from palmar.errors import PalmarError, one_of
from palmar.types.firstperson import EgoClip, EgoFrame, Split, Vocabulary


def _h2o(root: Path, split: str) -> Split:
    from palmar.data.h2o import read_h2o

    return read_h2o(root, split)


def _fpha(root: Path, split: str) -> Split:
    from palmar.data.fpha import read_fpha

    return read_fpha(root, split)


def _freihand(root: Path, split: str) -> Split:
    from palmar.data.freihand import read_freihand

    return read_freihand(root, split)


def _ho3d(root: Path, split: str) -> Split:
    from palmar.data.ho3d import read_ho3d

    return read_ho3d(root, split)


def _interhand(root: Path, split: str) -> Split:
    from palmar.data.interhand import read_interhand

    return read_interhand(root, split)


def _dexycb(root: Path, split: str) -> Split:
    from palmar.data.dexycb import read_dexycb

    return read_dexycb(root, split)


def read_synthetic(root: Path, split: str, vocabulary: Vocabulary | None = None) -> Split:
    """A part of what `palmar synth` made; see the module's words for what the parts are."""
    from palmar.data.ego import own_vocabulary, read_ego
    from palmar.data.shards import read_shards

    one_of("split", split, ("train", "val", "test", "all"))
    if split == "all":
        return read_ego(root, vocabulary)
    own = {part: _own_folder(root, part) for part in ("train", "val", "test")}
    base, found = own["train"] or root, None if split == "train" else own[split]
    vocabulary = vocabulary or own_vocabulary(read_shards(base))  # a held-out folder may lack a word of it
    if found is not None:
        return read_ego(found, vocabulary)
    count = len(read_shards(base))
    tenth = max(count // 10, 1)
    test = count if own["test"] else count - tenth
    val = test if own["val"] else test - tenth
    if min(val, count) < 1:
        raise PalmarError(f"{base}: {count} recordings are too few to hold some out; make more, or a folder for each.")
    rows = {"train": slice(0, val), "val": slice(val, test), "test": slice(test, count)}[split]
    return read_ego(base, vocabulary, rows=rows)


def _own_folder(root: Path, part: str) -> Path | None:
    inside, beside = root / part, root.with_name(f"{root.name}-{part}")
    return inside if inside.is_dir() else beside if part != "train" and beside.is_dir() else None


KINDS: Mapping[str, Callable[[Path, str], Split]] = {
    "h2o": _h2o,
    "fpha": _fpha,
    "freihand": _freihand,
    "ho3d": _ho3d,
    "interhand": _interhand,
    "dexycb": _dexycb,
    "synthetic": read_synthetic,
}
"""Readers by the word before the colon."""
WRITTEN: Mapping[str, tuple[str, ...]] = {
    "h2o": ("train", "val", "test"),
    "fpha": ("train", "test"),
    "freihand": ("train", "test"),
    "ho3d": ("train", "test"),
    "interhand": ("train", "val", "test"),
    "dexycb": ("train", "val", "test"),
}
"""Layouts that `write_dataset` writes, and the parts that each has a place for."""


def read_dataset(kind: str, root: str | Path, split: str = "train") -> Split:
    """A part of a data set of this kind. Raises PalmarError for an unknown kind and for a folder of something else."""
    reader = KINDS[one_of("kind of data set", kind, KINDS)]
    root = Path(root).expanduser()
    if not root.is_dir():
        raise PalmarError(f"{root}: no such folder; expected the root of a data set ({kind}).")
    return reader(root, split)


def write_dataset(kind: str, root: str | Path, splits: Mapping[str, Split], *, overwrite: bool = False) -> None:
    """Splits of anything, such as what `palmar synth` made, in the layout of a data set, which `open_split` reads.

    WRITTEN says which parts each has. fpha has right hands only. freihand has a square picture of each hand, left ones
    mirrored; its test becomes the evaluation part. ho3d has frames with a right hand, interhand those with any, dexycb
    one hand and one object for a sequence. Each loses what its layout has no place for; the writers in
    `palmar.data.h2o`, `fpha`, `freihand`, `ho3d`, `interhand` and `dexycb` say what, and have more options.
    """
    for name in splits:
        one_of(f"part of {kind} to write", name, WRITTEN[one_of("kind of data set to write", kind, WRITTEN)])
    words = next((split.vocabulary for split in splits.values()), Vocabulary(("none",), ("none",)))
    match one_of("kind of data set to write", kind, WRITTEN):
        case "h2o":
            from palmar.data.h2o import write_h2o

            write_h2o(root, splits, overwrite=overwrite)
        case "fpha":
            from palmar.data.fpha import write_fpha

            write_fpha(root, splits, drop_left=True, overwrite=overwrite)
        case "freihand":
            from palmar.data.freihand import right_hands, write_freihand

            training, evaluation = (right_hands(splits[p].frames if p in splits else ()) for p in ("train", "test"))
            write_freihand(root, training, evaluation, overwrite=overwrite)
        case "ho3d":
            from palmar.data.ho3d import write_ho3d

            rights = ((f for f in (splits[p].frames if p in splits else ()) if f.present[1]) for p in ("train", "test"))
            write_ho3d(root, *rights, vocabulary=words, overwrite=overwrite)
        case "interhand":
            from palmar.data.interhand import write_interhand

            hands = {p: (f for f in split.frames if f.present.any()) for p, split in splits.items()}
            write_interhand(root, hands, overwrite=overwrite)
        case _:
            from palmar.data.dexycb import write_dexycb

            parts = {p: split.frames for p, split in splits.items()}
            write_dexycb(root, parts, vocabulary=words, overwrite=overwrite)


def detect(root: str | Path) -> str:
    """Which kind of data set lies in a folder. Raises PalmarError where it looks like none."""
    root = Path(root).expanduser()
    if not root.is_dir():
        raise PalmarError(f"{root}: no such folder; expected the root of a data set ({', '.join(KINDS)}).")
    names = {entry.name.lower() for entry in root.iterdir()}
    if "data_split_action_recognition.txt" in names:
        return "fpha"
    if {"training_xyz.json", "evaluation_k.json", "training_k.json"} & names:
        return "freihand"
    if any(name.startswith("subject") and name[7:8].isdigit() for name in names):
        return "h2o"
    if any(name[8:17] == "-subject-" and name[:8].isdigit() for name in names):
        return "dexycb"
    if {"train.txt", "evaluation.txt"} <= names:
        return "ho3d"
    if any((root / "annotations").glob("*/InterHand2.6M_*_data.json")):
        return "interhand"
    if "card.json" in names or any((root / part / "card.json").is_file() for part in ("train", "val", "test")):
        return "synthetic"
    raise PalmarError(
        f"{root}: neither H2O (subject1), FPHA (data_split_action_recognition.txt), FreiHAND (training_xyz.json), HO3D "
        f"(evaluation.txt), InterHand2.6M (annotations), DexYCB (20200709-subject-01), nor made by palmar synth "
        f"(card.json). Say which with a word before it: h2o:{root}."
    )


def parse_data(text: str) -> tuple[str, Path]:
    """Kind and root of `kind:path`, or of a path alone."""
    kind, colon, rest = text.partition(":")
    if colon and len(kind) > 1 and kind.isidentifier() and not Path(text).exists():  # one letter is a drive
        return one_of("kind of data set", kind, KINDS), Path(rest).expanduser()
    root = Path(text).expanduser()
    return detect(root), root


def full_name(text: str) -> str:
    """`kind:path`, whatever lies there later."""
    kind, root = parse_data(text)
    return f"{kind}:{root}"


def open_split(text: str, split: str = "train", vocabulary: Vocabulary | None = None) -> Split:
    """A part of the data set that `--data TEXT` names.

    vocabulary: of a network, say. Objects, actions and verbs get its numbers, by their names; 0 for what it has no name
    for.
    """
    kind, root = parse_data(text)
    found = read_dataset(kind, root, split)
    return found if vocabulary is None else renamed(found, vocabulary)


def frames_of(split: Split, text: str, limit: int = 0) -> list[EgoFrame]:
    """Frames spread over all that a part has; all of them for a limit of 0. text: the data set, for the error where
    there are none."""
    count = len(split.frames) if limit <= 0 else min(limit, len(split.frames))
    if not count:
        raise PalmarError(f"{text}: this part has no frames.")
    return [split.frames[int(i)] for i in np.linspace(0, len(split.frames) - 1, count)]


def clips_of(split: Split, text: str) -> list[EgoClip]:
    """Clips of a part. text: the data set, for the error where there are none."""
    if not len(split.clips):
        raise PalmarError(f"{text}: this part has no clips.")
    return list(split.clips)


def renamed(split: Split, vocabulary: Vocabulary) -> Split:
    """The same in another vocabulary, name by name; 0 for what that has no name for."""
    if vocabulary == split.vocabulary:
        return split
    own = split.vocabulary
    words = _Words(
        *(
            np.array([new.index(name) if name in new else 0 for name in old] or [0])
            for old, new in (
                (own.objects, vocabulary.objects),
                (own.actions, vocabulary.actions),
                (own.verbs, vocabulary.verbs),
            )
        )
    )
    return replace(
        split,
        vocabulary=vocabulary,
        frames=Lazy(len(split.frames), lambda i: words.frame(split.frames[i])),
        clips=Lazy(len(split.clips), lambda i: words.clip(split.clips[i])),
    )


@dataclass(frozen=True)
class _Words:
    """New numbers of old ones."""

    objects: Int[np.ndarray, " o"]
    actions: Int[np.ndarray, " a"]
    verbs: Int[np.ndarray, " v"]

    def frame(self, frame: EgoFrame) -> EgoFrame:
        return replace(
            frame,
            object=int(self.objects[frame.object]),
            action=int(self.actions[frame.action]),
            verb=int(self.verbs[frame.verb]) if frame.verb < len(self.verbs) else 0,
        )

    def clip(self, clip: EgoClip) -> EgoClip:
        return replace(clip, objects=self.objects[clip.objects], action=int(self.actions[clip.action]))
