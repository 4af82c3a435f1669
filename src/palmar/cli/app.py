"""`palmar app`."""

from __future__ import annotations

import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from palmar.cli.talk import note, quiet_opencv, say
from palmar.errors import need


@dataclass(frozen=True)
class App:
    """Open a page in the browser: drop a recording or use the webcam, see the hands, take every format away.

    Everything happens on this machine, and only this machine can open the page. Ends with Ctrl-C; uploads and results
    are then deleted. docs/app.md tells more.
    """

    host: str = "127.0.0.1"
    """Address to listen on. Any other than this machine's own lets others in: they can use the page too."""
    port: int | None = None
    """By default 7860, or the next that is free."""
    open: bool = True
    """Do not open the browser."""
    jobs: int | None = None
    """Recordings worked on at a time; by default one for each core."""
    max_megabytes: float = 500.0
    """Of one upload."""
    max_seconds: float = 180.0
    """Of one video."""
    weights: Annotated[Path | None, arg(metavar="DIR")] = None
    """Folder with detector.onnx, landmarker.onnx and their cards, instead of the package's."""

    def run(self) -> int:
        need("gradio", extra="view")
        from palmar.app.limits import Limits
        from palmar.app.serve import is_loopback, serve
        from palmar.tracking.weights import read_weights

        limits = Limits(megabytes=self.max_megabytes, seconds=self.max_seconds)
        for name in ("detector", "landmarker"):
            read_weights(name, self.weights)
        if not is_loopback(self.host):
            say(
                "warning",
                f"--host {self.host}: whoever reaches this machine over the network can use the page, without a "
                "password and unencrypted. Visitors do not see each other's files.",
            )

        def ready(url: str) -> None:
            note(f"{url}  (Ctrl-C ends it)")
            if self.open:
                webbrowser.open(url)

        with quiet_opencv():
            serve(self.host, self.port, limits=limits, jobs=self.jobs, weights=self.weights, ready=ready)
        return 0
