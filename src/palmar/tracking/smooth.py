"""Smoothing over time, causal, in real seconds: the One-Euro filter for points and for rotations, a running mean for
shape.

A filter holds `slots`, one for each hand that is followed; all slots asked for in one call are worked on together.
The One-Euro filter (Casiez, Roussel, Vogel, CHI 2012) is a low-pass filter whose cutoff rises with speed: still hands
are held still, fast hands are followed. Speed is the length of the whole vector (a point's x and y, a rotation's
axis-angle), so that turning the picture turns the result, and is counted in units per second; for points the unit is
the hand's size, so that a hand twice as near is filtered alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

MIN_DT_S = 1e-3
"""Time steps are taken to be at least this long: two frames of one time stamp must not divide by zero."""


@dataclass(frozen=True)
class OneEuro:
    """The numbers of a One-Euro filter."""

    min_cutoff: float
    """Cutoff at rest, Hz. Lower: stiller, later."""
    beta: float
    """Hz the cutoff rises for each unit per second of speed. Higher: less lag of fast motion."""
    d_cutoff: float = 1.0
    """Cutoff of the speed's own low pass, Hz."""


def weight_of_new(
    cutoff_hz: Float[np.ndarray, "*#b"] | float, dt_s: Float[np.ndarray, "*#b"]
) -> Float[np.ndarray, "*#b"]:
    """What a first-order low pass gives the newest value after dt_s seconds, in (0, 1)."""
    r = 2 * np.pi * cutoff_hz * dt_s
    return r / (1 + r)


class PointFilter:
    """One-Euro filter of vectors [*shape, d], `slots` times over."""

    def __init__(self, config: OneEuro, slots: int, shape: tuple[int, ...]) -> None:
        self.config = config
        self.value = np.zeros((slots, *shape))
        """What the filter last gave."""
        self.rate = np.zeros((slots, *shape))
        """Low-passed rate of change, per second, in the values' own unit."""
        self._fresh = np.ones(slots, bool)

    def reset(self, slot: int) -> None:
        """Forget a slot: its next value passes unchanged."""
        self._fresh[slot] = True

    def step(
        self,
        slots: Int[np.ndarray, " n"],
        values: Float[np.ndarray, "n ..."],
        dt_s: Float[np.ndarray, " n"],
        unit: Float[np.ndarray, "n ..."] | None = None,
        cutoff_scale: Float[np.ndarray, "n ..."] | float = 1.0,
    ) -> Float[np.ndarray, "n ..."]:
        """The filtered values.

        dt_s: seconds since each slot's last value. unit: length of one unit of speed, in the values' unit; one number a
        slot or one a vector. cutoff_scale: multiplies min_cutoff, one number a vector.
        """
        c = self.config
        last, rate = self.value[slots], self.rate[slots]
        dt = np.maximum(dt_s, MIN_DT_S).reshape(-1, *(1,) * (values.ndim - 1))
        change = values - last
        rate += weight_of_new(c.d_cutoff, dt) * (change / dt - rate)
        speed = np.sqrt((rate * rate).sum(-1, keepdims=True))
        if unit is not None:
            speed = speed / unit.reshape(*unit.shape, *(1,) * (speed.ndim - unit.ndim))
        scale = cutoff_scale[..., None] if isinstance(cutoff_scale, np.ndarray) else cutoff_scale
        out = last + weight_of_new(c.min_cutoff * scale + c.beta * speed, dt) * change
        fresh = self._fresh[slots]
        if fresh.any():
            out[fresh], rate[fresh] = values[fresh], 0.0
            self._fresh[slots] = False
        self.value[slots], self.rate[slots] = out, rate
        return out


class RotationFilter:
    """One-Euro filter on SO(3), `slots` times `count` rotations, held as unit quaternions (x, y, z, w).

    The change since the last value is a rotation vector in the rotating body; its low-passed rate gives the cutoff,
    and the filter goes its share of the way along that vector (a geodesic).
    """

    def __init__(self, config: OneEuro, slots: int, count: int) -> None:
        self.config = config
        self.value = np.zeros((slots, count, 4))
        self.rate = np.zeros((slots, count, 3))
        self._fresh = np.ones(slots, bool)

    def reset(self, slot: int) -> None:
        """Forget a slot: its next value passes unchanged."""
        self._fresh[slot] = True

    def step(
        self,
        slots: Int[np.ndarray, " n"],
        quaternions: Float[np.ndarray, "n r 4"],
        dt_s: Float[np.ndarray, " n"],
        cutoff_scale: Float[np.ndarray, "n r"] | float = 1.0,
    ) -> Float[np.ndarray, "n r 4"]:
        """The filtered quaternions, in the half of the sphere where w >= 0 is not promised."""
        c = self.config
        last, rate = self.value[slots], self.rate[slots]
        fresh = self._fresh[slots]
        if fresh.any():
            last[fresh], rate[fresh] = quaternions[fresh], 0.0
            self._fresh[slots] = False
        dt = np.maximum(dt_s, MIN_DT_S)[:, None, None]
        change = rotvec_from_quaternion(multiply(last * (-1.0, -1.0, -1.0, 1.0), quaternions))
        rate += weight_of_new(c.d_cutoff, dt) * (change / dt - rate)
        speed = np.sqrt((rate * rate).sum(-1, keepdims=True))
        scale = cutoff_scale[..., None] if isinstance(cutoff_scale, np.ndarray) else cutoff_scale
        out = multiply(last, quaternion_from_rotvec(weight_of_new(c.min_cutoff * scale + c.beta * speed, dt) * change))
        out /= np.sqrt((out * out).sum(-1, keepdims=True))
        self.value[slots], self.rate[slots] = out, rate
        return out


class RunningMean:
    """Weighted mean of what a slot has seen, for what does not change over time: the shape of a hand.

    memory: the total weight at which old values begin to fade, so that an early mistake is forgotten in the end.
    """

    def __init__(self, slots: int, width: int, memory: float = 300.0) -> None:
        self.memory = memory
        self.value = np.zeros((slots, width))
        self.weight = np.zeros(slots)

    def reset(self, slot: int) -> None:
        """Forget a slot."""
        self.weight[slot] = 0.0

    def step(
        self, slots: Int[np.ndarray, " n"], values: Float[np.ndarray, "n w"], weight: Float[np.ndarray, " n"]
    ) -> Float[np.ndarray, "n w"]:
        """The means with these values counted in. weight: above 0."""
        total = np.minimum(self.weight[slots] + weight, self.memory)
        mean = self.value[slots]
        mean += np.minimum(weight / total, 1.0)[:, None] * (values - mean)
        self.value[slots], self.weight[slots] = mean, total
        return mean


# Quaternions (x, y, z, w), here because a filter needs their product, and because SciPy's Rotation costs a third of a
# millisecond for sixteen joints. Each map is bilinear: the outer product of what goes in, times a constant.


def _constant(entries: list[tuple[int, int, int, int]], *shape: int) -> np.ndarray:
    out = np.zeros(shape)
    for *index, value in entries:
        out[tuple(index)] += value
    return out.reshape(-1, shape[-1])


X, Y, Z, W = range(4)
_PRODUCT = _constant(
    [
        (W, X, X, 1),
        (X, W, X, 1),
        (Y, Z, X, 1),
        (Z, Y, X, -1),
        (W, Y, Y, 1),
        (X, Z, Y, -1),
        (Y, W, Y, 1),
        (Z, X, Y, 1),
        (W, Z, Z, 1),
        (X, Y, Z, 1),
        (Y, X, Z, -1),
        (Z, W, Z, 1),
        (W, W, W, 1),
        (X, X, W, -1),
        (Y, Y, W, -1),
        (Z, Z, W, -1),
    ],
    4,
    4,
    4,
)
"""Of a and b, to the components of a b."""
_MATRIX = _constant(
    [
        (W, W, 0, 1),
        (X, X, 0, 1),
        (Y, Y, 0, -1),
        (Z, Z, 0, -1),
        (X, Y, 1, 2),
        (Z, W, 1, -2),
        (X, Z, 2, 2),
        (Y, W, 2, 2),
        (X, Y, 3, 2),
        (Z, W, 3, 2),
        (W, W, 4, 1),
        (X, X, 4, -1),
        (Y, Y, 4, 1),
        (Z, Z, 4, -1),
        (Y, Z, 5, 2),
        (X, W, 5, -2),
        (X, Z, 6, 2),
        (Y, W, 6, -2),
        (Y, Z, 7, 2),
        (X, W, 7, 2),
        (W, W, 8, 1),
        (X, X, 8, -1),
        (Y, Y, 8, -1),
        (Z, Z, 8, 1),
    ],
    4,
    4,
    9,
)
"""Of q and q, to the matrix, rows one after the other."""
_OUTER = _MATRIX.reshape(4, 4, 9).transpose(2, 0, 1)
_OUTER = (_OUTER + _OUTER.transpose(0, 2, 1)).reshape(9, 16) / 2
"""Of the matrix, to 4 q q^T less the identity: the transposed map, as |R|^2 is constant."""


def multiply(a: Float[np.ndarray, "*b 4"], b: Float[np.ndarray, "*b 4"]) -> Float[np.ndarray, "*b 4"]:
    """The rotation that turns by b, then by a."""
    outer = a[..., :, None] * b[..., None, :]
    return outer.reshape(*outer.shape[:-2], 16) @ _PRODUCT


def quaternion_from_rotvec(rotvec: Float[np.ndarray, "*b 3"]) -> Float[np.ndarray, "*b 4"]:
    """Exact at zero."""
    half = np.maximum(np.sqrt((rotvec * rotvec).sum(-1, keepdims=True)) / 2, 1e-150)
    return np.concatenate([rotvec * (np.sin(half) / (2 * half)), np.cos(half)], -1)


def rotvec_from_quaternion(quaternion: Float[np.ndarray, "*b 4"]) -> Float[np.ndarray, "*b 3"]:
    """Angle in [0, pi], whichever of the two signs comes."""
    vector, w = quaternion[..., :3], quaternion[..., 3:]
    length = np.sqrt((vector * vector).sum(-1, keepdims=True))
    angle = 2 * np.arctan2(length, np.abs(w))
    return vector * (np.copysign(angle, w) / np.maximum(length, 1e-300))


def quaternion_from_rotmat(rotmat: Float[np.ndarray, "*b 3 3"]) -> Float[np.ndarray, "*b 4"]:
    """Every row of q q^T is q times a number; the row with the largest of them is taken, so it is exact near pi too."""
    outer = (rotmat.reshape(*rotmat.shape[:-2], 9) @ _OUTER).reshape(*rotmat.shape[:-2], 4, 4) + np.eye(4)
    rows = outer.reshape(-1, 4)
    best = rows.reshape(-1, 16)[:, ::5].argmax(-1)
    row = rows[best + 4 * np.arange(len(best))].reshape(*rotmat.shape[:-2], 4)
    return row / np.sqrt((row * row).sum(-1, keepdims=True))


def rotmat_from_quaternion(quaternion: Float[np.ndarray, "*b 4"]) -> Float[np.ndarray, "*b 3 3"]:
    """Of unit quaternions."""
    outer = quaternion[..., :, None] * quaternion[..., None, :]
    return (outer.reshape(*outer.shape[:-2], 16) @ _MATRIX).reshape(*quaternion.shape[:-1], 3, 3)
