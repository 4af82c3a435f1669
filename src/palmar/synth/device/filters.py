"""Filters of a batch whose kernels differ from sample to sample.

What is linear and the same along rows and along columns (blurs, resampling, the cosine transform of blocks) is a matrix
of its own for every sample: two products of matrices do the whole picture, and a filter that a sample does not have is
the identity. What is not (streaks, discs) is a product of spectra. Pictures are [b, c, h, w].
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from palmar.synth.device.resident import resident


def separable(
    rows: Float[Tensor, "#b m h"], picture: Float[Tensor, "b c h w"], columns: Float[Tensor, "#b n w"]
) -> Float[Tensor, "b c m n"]:
    """rows @ picture @ columns^T of every channel."""
    b, c, h, w = picture.shape
    wide = torch.bmm(
        picture.reshape(b, c * h, w), columns.expand(b, -1, -1).mT
    )  # the same matrix for all channels: one product
    n = wide.shape[-1]
    return (rows.expand(b, -1, -1)[:, None] @ wide.reshape(b, c, h, n)).reshape(b, c, -1, n)


def grid(size: int, device: torch.device) -> tuple[Float[Tensor, "s 1"], Float[Tensor, "1 s"]]:
    """Numbers of the results' and of the sources' pixels."""
    at = torch.arange(size, device=device, dtype=torch.float32)
    return at[:, None], at[None]


def blur_matrix(sigma: Float[Tensor, " b"], size: int) -> Float[Tensor, "b s s"]:
    """A Gaussian of this deviation in pixels, cut at 3 of them, borders reflected without the end doubled; the identity
    where sigma is below 0.05."""
    out, source = grid(size, sigma.device)
    none = sigma < 0.05
    s = torch.where(none, 1.0, sigma)[:, None, None]

    def weight(distance: Tensor) -> Tensor:
        return torch.exp(-0.5 * (distance / s) ** 2) * (distance.abs() <= (3.0 * s).clamp(min=1.0))

    last = size - 1
    matrix = (
        weight(out - source) + weight(out + source) * (source > 0) + weight(out + source - 2 * last) * (source < last)
    )
    matrix = matrix / matrix.sum(-1, keepdim=True)
    return torch.where(none[:, None, None], (out == source).float(), matrix)


def shrink_matrix(n: Int[Tensor, " b"], size: int, area: Bool[Tensor, " b"]) -> Float[Tensor, "b s s"]:
    """`size` pixels to n, by area or linearly, in the first n rows; the rest repeat row n - 1, so that what filters the
    small picture sees its border continued."""
    out, source = grid(size, n.device)
    count = n[:, None, None].float()
    ratio = size / count
    out = torch.minimum(out[None], count - 1)
    low, high = out * ratio, (out + 1) * ratio
    covered = (torch.minimum(high, source + 1) - torch.maximum(low, source)).clamp(min=0.0) / ratio
    middle = ((out + 0.5) * ratio - 0.5).clamp(0.0, size - 1.0)
    linear = (1.0 - (source - middle).abs()).clamp(min=0.0)
    return torch.where(area[:, None, None], covered, linear)


def enlarge_matrix(n: Int[Tensor, " b"], size: int, kind: Int[Tensor, " b"]) -> Float[Tensor, "b s s"]:
    """The first n of `size` pixels to `size`. kind: 0 linear, 1 cubic (Keys, a = -0.75), 2 nearest."""
    out, source = grid(size, n.device)
    count = n[:, None, None].float()
    middle = (out + 0.5) * (count / size) - 0.5
    inside = middle.clamp(min=0.0).minimum(count - 1)
    linear = (1.0 - (source - inside).abs()).clamp(min=0.0)
    nearest = (source == torch.floor((out + 0.5) * (count / size)).minimum(count - 1)).float()
    whole = torch.floor(middle)
    cubic = torch.zeros_like(linear)
    for k in range(-1, 3):
        place = (whole + k).clamp(min=0.0).minimum(count - 1)
        t = (whole + k - middle).abs()
        a = -0.75
        near = ((a + 2) * t - (a + 3)) * t * t + 1
        far = ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
        cubic = cubic + (source == place) * torch.where(t <= 1, near, far)
    pick = kind[:, None, None]
    return torch.where(pick == 0, linear, torch.where(pick == 1, cubic, nearest))


PAD = 16
"""Pixels of reflection around a picture before its spectrum is multiplied: half of the longest streak."""


def optics(
    light: Float[Tensor, "b c s s"], x: Float[Tensor, " b"], y: Float[Tensor, " b"], radius: Float[Tensor, " b"]
) -> Float[Tensor, "b c s s"]:
    """Light blurred by a straight streak (x, y: its size in pixels, end to end) and by a disc of this radius.

    Both kernels are known by their transforms: sinc along the streak, 2 J1(r) / r of the disc. So they are as fine as
    one likes, and are centred.
    """
    size = light.shape[-1]
    pad = min(PAD, size - 1)
    wide = torch.nn.functional.pad(light, (pad, pad, pad, pad), mode="reflect")
    n = size + 2 * pad
    fy = torch.fft.fftfreq(n, device=light.device)[:, None]
    fx = torch.fft.rfftfreq(n, device=light.device)[None]
    at = lambda t: t[:, None, None]  # noqa: E731
    streak = torch.sinc(at(x) * fx + at(y) * fy)
    turn = 2 * math.pi * at(radius) * torch.hypot(fx, fy)
    small = turn < 1e-3
    disc = torch.where(small, 1.0, 2.0 * torch.special.bessel_j1(turn) / torch.where(small, 1.0, turn))
    blurred = torch.fft.irfft2(torch.fft.rfft2(wide) * (streak * disc)[:, None], s=(n, n))
    return blurred[..., pad : pad + size, pad : pad + size]


def median(picture: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """Of 3 x 3 pixels, borders continued: the middle of (the largest of the least of each column, the middle of the
    middles, the least of the largest)."""
    wide = torch.nn.functional.pad(picture, (1, 1, 1, 1), mode="replicate")
    a, b, c = wide[..., :-2, :], wide[..., 1:-1, :], wide[..., 2:, :]
    low, high = torch.minimum(a, b), torch.maximum(a, b)
    least, most = torch.minimum(low, c), torch.maximum(high, c)
    middle = torch.maximum(low, torch.minimum(high, c))
    three = lambda t: (t[..., :-2], t[..., 1:-1], t[..., 2:])  # noqa: E731
    p, q, r = three(least)
    lower = torch.maximum(torch.maximum(p, q), r)
    p, q, r = three(most)
    upper = torch.minimum(torch.minimum(p, q), r)
    centre = _middle(*three(middle))
    return _middle(lower, centre, upper)


def _middle(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    return torch.maximum(torch.minimum(a, b), torch.minimum(torch.maximum(a, b), c))


_NEIGHBOURS = tuple((dy, dx) for dy in range(-2, 3) for dx in range(-2, 3) if dy * dy + dx * dx <= 4)


def bilateral(
    picture: Float[Tensor, "b c h w"], colour: Float[Tensor, " b"], space: float = 1.5
) -> Float[Tensor, "b c h w"]:
    """Means over the 13 pixels within 2, weighed by nearness (deviation `space`) and likeness: the sum of the channels'
    differences, deviation `colour`."""
    height, width = picture.shape[-2:]
    wide = torch.nn.functional.pad(picture, (2, 2, 2, 2), mode="reflect")
    scale = (-0.5 / colour**2)[:, None, None, None]
    total, weights = torch.zeros_like(picture), torch.zeros_like(picture[:, :1])
    for dy, dx in _NEIGHBOURS:
        other = wide[..., 2 + dy : 2 + dy + height, 2 + dx : 2 + dx + width]
        difference = (other - picture).abs().sum(1, keepdim=True)
        weight = torch.exp(difference * difference * scale - 0.5 * (dy * dy + dx * dx) / space**2)
        total, weights = total + weight * other, weights + weight
    return total / weights


@resident
def cosines(device: torch.device) -> Float[Tensor, "8 8"]:
    """The orthonormal cosine transform of eight values: coefficients = matrix @ values."""
    k, n = torch.arange(8.0)[:, None], torch.arange(8.0)[None]
    matrix = torch.cos(math.pi * (2 * n + 1) * k / 16) / 2
    matrix[0] /= math.sqrt(2.0)
    return matrix.to(device)
