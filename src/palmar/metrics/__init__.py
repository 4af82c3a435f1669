"""Every metric once, equal to its official script. Predictions come first, then the truth."""

from palmar.metrics.boxes import Detections, average_precision, box_iou, evaluate_detections, match_boxes
from palmar.metrics.motion import acceleration_error, jitter
from palmar.metrics.points import (
    auc,
    distances,
    epe,
    mean_error,
    mpjpe,
    mpvpe,
    mrrpe,
    pa_mpjpe,
    pa_mpvpe,
    pck,
    procrustes_aligned,
    scale_translation_aligned,
)
from palmar.metrics.surface import FScore, f_score

__all__ = [
    "Detections", "FScore", "acceleration_error", "auc", "average_precision", "box_iou", "distances", "epe",
    "evaluate_detections", "f_score", "jitter", "match_boxes", "mean_error", "mpjpe", "mpvpe", "mrrpe", "pa_mpjpe",
    "pa_mpvpe", "pck", "procrustes_aligned", "scale_translation_aligned",
]
