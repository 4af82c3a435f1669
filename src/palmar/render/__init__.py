"""The rasteriser and the shader of the synthetic world, on the CPU. Needs Numba (extra `torch`).

`render` turns a `Mesh` in the camera frame and a `Light` into linear light, coverage and labels; `rasterize` is the
bare z-buffer under it. Pixel centres stand at integers, the camera looks along +z, x is right and y is down.
Nothing here draws random numbers, and every kernel releases the interpreter's lock.
"""

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

__all__ = [
    "NO_PART",
    "Buffers",
    "Light",
    "Mesh",
    "Rendered",
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
