"""Pictures, videos and webcams in; pictures and videos out. RGB uint8, upright, exact times."""

from palmar.media.folder import resumable_folder, whole_file, whole_folder
from palmar.media.frames import ArrayFrames, ImageFrames, WebcamFrames
from palmar.media.picture import write_image
from palmar.media.source import read
from palmar.media.video import VideoFrames, VideoWriter, write_video

__all__ = [
    "ArrayFrames",
    "ImageFrames",
    "VideoFrames",
    "VideoWriter",
    "WebcamFrames",
    "read",
    "resumable_folder",
    "whole_file",
    "whole_folder",
    "write_image",
    "write_video",
]
