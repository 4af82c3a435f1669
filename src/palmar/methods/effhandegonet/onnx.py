"""Trained networks of this folder in use, from ONNX files: NumPy and ONNX Runtime, no PyTorch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from jaxtyping import Float32

from palmar.errors import PalmarError
from palmar.methods.effhandegonet.sequences import FRAMES, Layout, evenly, vectors
from palmar.tasks.action import probabilities
from palmar.types.firstperson import EgoClip, Vocabulary

FILE = "action.onnx"
"""In a run of the action transformer."""


def open_file(file: str | Path, form: str, threads: int) -> tuple[Any, dict[str, Any]]:
    """Session and meaning of a file that this folder exported. Raises PalmarError for any other."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        meaning = json.loads(session.get_modelmeta().custom_metadata_map["palmar"])
    except Exception as err:  # ONNX Runtime raises classes of its own
        raise PalmarError(f"{file}: not a network of this kind ({str(err).splitlines()[0][:200]}).") from err
    if not isinstance(meaning, dict) or meaning.get("format") != form:
        raise PalmarError(f"{file}: expected format {form!r}; export the network again.")
    return session, meaning


class ActionReader:
    """The action transformer from its file.

    ActionReader("action.onnx")(clips)         # probabilities [n, actions]
    """

    def __init__(self, file: str | Path, *, threads: int = 1) -> None:
        self._session, meaning = open_file(file, "palmar-action-1", threads)
        try:
            self.vocabulary = Vocabulary(**{k: tuple(v) for k, v in meaning["vocabulary"].items()})
            self.layout = Layout(**meaning["layout"] | {"sides": tuple(meaning["layout"]["sides"])})
        except (KeyError, TypeError, AttributeError) as err:
            raise PalmarError(f"{file}: its layout or vocabulary is damaged ({err}).") from err

    def logits(self, sequences: Float32[np.ndarray, "n t d"]) -> Float32[np.ndarray, "n k"]:
        """Of vectors of 20 frames each, in the file's layout."""
        if sequences.shape[1:] != (FRAMES, self.layout.width):
            want = FRAMES, self.layout.width
            raise PalmarError(f"sequences are {sequences.shape[1:]} each, the file's network reads {want}.")
        return np.asarray(self._session.run(None, {"sequence": sequences})[0])

    @staticmethod
    def of_run(folder: Path, *, device: str = "cpu") -> ActionReader:
        """The file that a run of `palmar train action-transformer` ended with; it runs on the processor."""
        del device
        return ActionReader(folder / FILE)

    def __call__(self, clips: Sequence[EgoClip]) -> Float32[np.ndarray, "n k"]:
        """The probability of each action of each clip."""
        if not clips:
            return np.zeros((0, len(self.vocabulary.actions)), np.float32)
        return probabilities(self.logits(np.stack([vectors(clip, self.layout)[evenly(len(clip))] for clip in clips])))
