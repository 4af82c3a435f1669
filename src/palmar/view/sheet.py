"""Contact sheets: many pictures side by side, to be looked at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

from palmar.errors import PalmarError
from palmar.view.draw import Colour, canvas


def sheet(
    images: Sequence[UInt8[np.ndarray, "_ _ 3"]], columns: int, *, gap: int = 4, background: Colour = (255, 255, 255)
) -> UInt8[np.ndarray, "h w 3"]:
    """The pictures in rows of `columns`, each in the middle of a cell as large as the largest of them, `gap` pixels
    apart.

    Raises PalmarError for no pictures, fewer than one column, and pictures that are not RGB uint8.
    """
    if not len(images) or columns < 1:
        raise PalmarError(f"a sheet needs one picture and one column at least, got {len(images)} and {columns}.")
    cells = [canvas(image) for image in images]
    height, width = max(cell.shape[0] for cell in cells), max(cell.shape[1] for cell in cells)
    columns = min(columns, len(cells))
    rows = -(-len(cells) // columns)
    out = np.empty((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), np.uint8)
    out[:] = background
    for i, cell in enumerate(cells):
        y = gap + i // columns * (height + gap) + (height - cell.shape[0]) // 2
        x = gap + i % columns * (width + gap) + (width - cell.shape[1]) // 2
        out[y : y + cell.shape[0], x : x + cell.shape[1]] = cell
    return out
