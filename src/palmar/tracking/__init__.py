"""Hands followed through a recording: `track` for a whole one, `Tracker` frame by frame; results on disk."""

from palmar.tracking.networks import Networks, OnnxNetworks
from palmar.tracking.result import Result, read_result, write_result
from palmar.tracking.stage import track
from palmar.tracking.tracker import Settings, Tracker

__all__ = ["Networks", "OnnxNetworks", "Result", "Settings", "Tracker", "read_result", "track", "write_result"]
