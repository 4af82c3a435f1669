"""Actions of first-person clips: paths of hands and an object in, the probability of each action out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from palmar.metrics.firstperson import top1, verb_accuracy
from palmar.tasks.method import Report
from palmar.types.firstperson import EgoClip, Vocabulary


@runtime_checkable
class Recogniser(Protocol):
    """A network of this task with its weights."""

    vocabulary: Vocabulary
    """Of the actions that it tells apart."""

    def __call__(self, clips: Sequence[EgoClip]) -> Float[np.ndarray, "n k"]:
        """The probability of each action of each clip."""
        ...


def probabilities(logits: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
    """Softmax over actions."""
    grown = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(grown / grown.sum(1, keepdims=True))


def score(found: Float[np.ndarray, "n k"], clips: Sequence[EgoClip], vocabulary: Vocabulary) -> Report:
    """Top-1 of the actions, and of their verbs where the vocabulary knows them. The clips' actions are numbers of this
    vocabulary."""
    guess, true = found.argmax(1), np.array([clip.action for clip in clips], np.int64)
    figures: dict[str, float] = {"clips": len(clips), "top-1": top1(guess, true)}
    if vocabulary.verb_of:
        figures["verb"] = verb_accuracy(guess, true, vocabulary.verb_of)
    rows = [f"| {name} | {value:.4g} |" for name, value in figures.items()]
    return Report(figures, "\n".join(["| figure | value |", "|---|---|", *rows]))
