"""palmar: any recording of hands into clean, typed, four-dimensional hand data.

    import palmar

    clip = palmar.track("clip.mp4")              # or palmar.track(palmar.read(...)), a stage: Clip -> Clip
    clip.hands.joints                            # [N, 21, 3] metres, camera frame
    picture = palmar.draw(image, hands)

Importing this package imports none of its parts: each name below is loaded when it is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from palmar.errors import PalmarError as PalmarError
    from palmar.errors import PalmarWarning as PalmarWarning
    from palmar.geometry.camera import Camera as Camera
    from palmar.media.source import read as read
    from palmar.methods import load as load
    from palmar.recognition.act import act as act
    from palmar.tracking.result import read_result as read_result
    from palmar.tracking.result import write_result as write_result
    from palmar.tracking.stage import track as track
    from palmar.tracking.tracker import Tracker as Tracker
    from palmar.types import Clip as Clip
    from palmar.types import Hands as Hands
    from palmar.view.draw import draw as draw

__version__ = "0.3.0"

_HOME = {
    "act": "palmar.recognition.act",
    "Camera": "palmar.geometry.camera",
    "Clip": "palmar.types",
    "Hands": "palmar.types",
    "PalmarError": "palmar.errors",
    "PalmarWarning": "palmar.errors",
    "Tracker": "palmar.tracking.tracker",
    "draw": "palmar.view.draw",
    "load": "palmar.methods",
    "read": "palmar.media.source",
    "read_result": "palmar.tracking.result",
    "track": "palmar.tracking.stage",
    "write_result": "palmar.tracking.result",
}

__all__ = [
    "Camera",
    "Clip",
    "Hands",
    "PalmarError",
    "PalmarWarning",
    "Tracker",
    "__version__",
    "act",
    "draw",
    "load",
    "read",
    "read_result",
    "track",
    "write_result",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'palmar' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
