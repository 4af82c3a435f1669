"""The rasteriser and the shader of the synthetic world, on the CPU and on a GPU. Needs Numba (extra `torch`).

`render` turns a `Mesh` in the camera frame and a `Light` into linear light, coverage and labels; `rasterize` is the
bare z-buffer under it. Pixel centres stand at integers, the camera looks along +z, x is right and y is down.
Nothing here draws random numbers, and every kernel releases the interpreter's lock.

The same functions take batches: `MeshBatch` and `LightBatch`, PyTorch tensors on any device. PyTorch is imported when
the first of these names is asked for.
"""

from typing import TYPE_CHECKING, Any

from palmar.errors import need

need("numba", extra="torch")

from palmar.render.light import (  # noqa: E402  (after the check above, so that a missing Numba is named)
    Light,
    lamp_from_environment,
    rotate_sh,
    sh_basis,
    sh_from_environment,
    sh_from_lobes,
    spread_directions,
)
from palmar.render.mesh import Mesh, vertex_normals  # noqa: E402
from palmar.render.occlusion import ambient_occlusion  # noqa: E402
from palmar.render.rasterize import Buffers, rasterize, visible  # noqa: E402
from palmar.render.shade import NO_PART, Rendered, render  # noqa: E402

if TYPE_CHECKING:
    from palmar.render.batch import BufferBatch, LightBatch, MeshBatch, RenderedBatch

__all__ = [
    "NO_PART",
    "BufferBatch",
    "Buffers",
    "Light",
    "LightBatch",
    "Mesh",
    "MeshBatch",
    "Rendered",
    "RenderedBatch",
    "ambient_occlusion",
    "lamp_from_environment",
    "rasterize",
    "render",
    "rotate_sh",
    "sh_basis",
    "sh_from_environment",
    "sh_from_lobes",
    "spread_directions",
    "vertex_normals",
    "visible",
]

_BATCHES = ("BufferBatch", "LightBatch", "MeshBatch", "RenderedBatch")


def __getattr__(name: str) -> Any:
    if name in _BATCHES:
        need("torch", extra="torch")
        from palmar.render import batch

        return getattr(batch, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
