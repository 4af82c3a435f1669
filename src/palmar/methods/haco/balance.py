"""What HACO does about imbalance: balanced contact sampling of pictures, and weights of the classes of every vertex."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from palmar.errors import PalmarError

BINS = 5
TOTAL, LEAST = 1000.0, 20.0
"""Pseudo-counts of a vertex, and of a class at least."""


def rarity(contact: Float[np.ndarray, "n v"], mean: Float[np.ndarray, " v"]) -> Float[np.ndarray, " n"]:
    """High where vertices touch that seldom do: mean over vertices of c (1 - mean) - c mean."""
    return np.asarray((contact * (1 - 2 * mean)).mean(1))


def balanced(
    contact: Float[np.ndarray, "n v"], rng: np.random.Generator, bins: int = BINS
) -> Int[np.ndarray, " m"]:
    """Balanced contact sampling: rows of pictures with contact, as many of each of five bins of `rarity`, shuffled.

    Bins are half open between logarithmic edges, so that the pictures of the least and of the greatest rarity are in
    none; an empty bin is left out; small ones are drawn from with replacement. Raises PalmarError where nothing is
    left.
    """
    there = np.flatnonzero(contact.any(1))
    if not len(there):
        raise PalmarError("balanced contact sampling: no picture has contact.")
    values = rarity(contact[there], contact.mean(0))
    edges = values.min() + np.ptp(values) * np.log1p(bins * np.linspace(1e-5, 1, bins + 1)) / math.log(bins + 1)
    parts = [there[(values >= a) & (values < b)] for a, b in itertools.pairwise(edges)]
    count = int(np.mean([len(part) for part in parts]))
    full = [part for part in parts if len(part)]
    if not count or not full:
        raise PalmarError(f"balanced contact sampling: {len(there)} pictures with contact are too few to balance.")
    return rng.permutation(np.concatenate([rng.choice(part, count, replace=len(part) < count) for part in full]))


@dataclass(frozen=True, eq=False)
class ClassBalance:
    """Weights of no contact and contact for each vertex, by how often either is seen (Cui et al. 2019)."""

    counts: Float[np.ndarray, "v 2"]
    """Of 1000 pictures, how many have no contact and contact at the vertex."""
    beta: float = 0.9999
    epochs: int = 10

    @staticmethod
    def of(contact: Float[np.ndarray, "n v"], epochs: int = 10) -> ClassBalance:
        """From the contact of a training set."""
        touched = contact.mean(0)
        return ClassBalance(TOTAL * np.stack([1 - touched, touched], 1), epochs=epochs)

    def pseudo_counts(self, epoch: float) -> Float[np.ndarray, "v 2"]:
        """Those of all vertices alike at first; up to three tenths of each vertex's own in the last epoch. None below
        20, 1000 together."""
        own = 0.3 * min(epoch, self.epochs - 1) / max(self.epochs - 1, 1)
        n = np.maximum(own * self.counts + (1 - own) * self.counts.mean(0), LEAST)
        return np.asarray(TOTAL * n / n.sum(1, keepdims=True))

    def weights(self, epoch: float, coarse: Float[np.ndarray, "k v"] | None = None) -> Float[np.ndarray, "v 2"]:
        """(1 - beta) / (1 - beta^n), of sum 1 at each vertex. coarse: a map to fewer points, whose counts they then
        are."""
        n = self.pseudo_counts(epoch)
        n = n if coarse is None else coarse @ n
        w = (1 - self.beta) / (1 - self.beta**n)
        return np.asarray(w / w.sum(1, keepdims=True))
