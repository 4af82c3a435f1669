"""What the tools that bake assets share: files that are the same bytes on every run."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from io import BytesIO

import numpy as np


def npz_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    """`np.savez_compressed`, with the clock taken out."""
    blob = BytesIO()
    with zipfile.ZipFile(blob, "w", zipfile.ZIP_DEFLATED) as out:
        for name, array in arrays.items():
            body = BytesIO()
            np.lib.format.write_array(body, np.ascontiguousarray(array), allow_pickle=False)
            out.writestr(zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), body.getvalue(), zipfile.ZIP_DEFLATED)
    return blob.getvalue()
