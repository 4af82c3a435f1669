"""MediaPipe Hands in its own environment, asked through files: `Peer`."""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8

from palmar.errors import PalmarError

SCRIPT = Path(__file__).with_name("mediapipe_script.py")


@dataclass(frozen=True, eq=False)
class Found:
    """Hands in one picture."""

    keypoints: Float[np.ndarray, "n 21 2"]
    """Pixels."""
    joints: Float[np.ndarray, "n 21 3"]
    """Metres, camera axes; where the origin lies is the tracker's own matter."""
    side: Int[np.ndarray, " n"]
    """0 left, 1 right: the person's own."""
    score: Float[np.ndarray, " n"]
    track: Int[np.ndarray, " n"]
    """-1: no identity."""

    def __len__(self) -> int:
        return len(self.score)


class Peer:
    """A process with MediaPipe (solutions.hands) that takes frames and answers hands.

    python: the interpreter of its environment. A context manager; the process and its files end with it.
    Raises PalmarError where the process does not start or dies, with the last it said.
    """

    def __init__(self, python: Path, script: Path = SCRIPT) -> None:
        self.python, self.script = Path(python), Path(script)
        self.version = ""

    def __enter__(self) -> Peer:
        self._folder = tempfile.TemporaryDirectory(prefix="palmar-peer-")
        self.folder = Path(self._folder.name)
        self._said = (self.folder / "stderr.txt").open("w+", encoding="utf-8", errors="replace")
        try:
            self._process = subprocess.Popen(
                [str(self.python), str(self.script)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                text=True,
            )
        except OSError as err:
            self._said.close()
            self._folder.cleanup()
            raise PalmarError(f"{self.python}: cannot be started ({err.strerror or err}).") from err
        try:
            self.version = str(self._answer()["version"])
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._said.close()
        self._folder.cleanup()

    def __call__(
        self,
        images: Sequence[UInt8[np.ndarray, "_ _ 3"]],
        *,
        static: bool,
        fresh: bool = False,
        lite: bool = False,
        most: int = 2,
    ) -> tuple[list[Found], Float[np.ndarray, " t"]]:
        """The hands of each picture, and the milliseconds each took.

        static: unrelated pictures, else the next frames of a video; fresh: the first frames of another video. lite: by
        the lite model, not the full one. most: hands looked for. Each kind of question follows its own videos.
        """
        frames = []
        for i, image in enumerate(images):
            frames.append(self.folder / f"{i}.npy")
            np.save(frames[-1], image[None])
        out = self.folder / "hands.npz"
        assert self._process.stdin is not None
        try:
            request = {
                "static": static,
                "fresh": fresh,
                "complexity": 0 if lite else 1,
                "most": most,
                "frames": [str(path) for path in frames],
                "out": str(out),
            }
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # the answer says why
        self._answer()
        with np.load(out) as got:
            columns = {name: got[name] for name in ("frame", "keypoints", "joints", "side", "score", "ms")}
        for path in (*frames, out):
            path.unlink()
        if len(columns["ms"]) != len(images):
            raise PalmarError(f"{self.script}: {len(images)} pictures given, {len(columns['ms'])} answered.")
        found = []
        for i in range(len(images)):
            rows = columns["frame"] == i
            found.append(
                Found(
                    columns["keypoints"][rows],
                    columns["joints"][rows],
                    columns["side"][rows],
                    columns["score"][rows],
                    np.full(int(rows.sum()), -1),
                )
            )
        return found, columns["ms"]

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        try:
            answer = json.loads(line)
        except json.JSONDecodeError:
            answer = None
        if not isinstance(answer, dict):
            self._said.flush()
            said = (self.folder / "stderr.txt").read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise PalmarError(
                f"{self.python}: MediaPipe's process ended or did not answer as agreed; it said: "
                f"{said[-1] if said else line.strip() or 'nothing'}."
            )
        return answer
