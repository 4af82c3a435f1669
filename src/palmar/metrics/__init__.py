"""Every metric once, equal to its official script. Predictions come first, then the truth."""

from palmar.metrics.boxes import Detections, average_precision, box_iou, evaluate_detections, match_boxes
from palmar.metrics.firstperson import (
    FreiHandScores,
    TwoHands,
    error_per_hand,
    freihand_scores,
    pck_of_frames,
    points_error,
    top1,
    two_hands,
    verb_accuracy,
)
from palmar.metrics.leaderboards import (
    DexYCBScores,
    HO3DScores,
    InterHandScores,
    dexycb_scores,
    hint_scores,
    ho3d_scores,
    interhand_scores,
)
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
    "Detections", "DexYCBScores", "FScore", "FreiHandScores", "HO3DScores", "InterHandScores", "TwoHands",
    "acceleration_error", "auc", "average_precision", "box_iou", "dexycb_scores", "distances", "epe",
    "error_per_hand", "evaluate_detections", "f_score", "freihand_scores", "hint_scores", "ho3d_scores",
    "interhand_scores", "jitter", "match_boxes", "mean_error", "mpjpe", "mpvpe", "mrrpe", "pa_mpjpe", "pa_mpvpe", "pck",
    "pck_of_frames", "points_error", "procrustes_aligned", "scale_translation_aligned", "top1", "two_hands",
    "verb_accuracy",
]  # fmt: skip
