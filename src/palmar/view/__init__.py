"""Drawing: skeletons and shaded meshes of hands over pictures, and contact sheets. RGB in, a new RGB picture out."""

from palmar.view.draw import Style, draw
from palmar.view.mesh import MeshStyle, draw_mesh, vertices_in_camera
from palmar.view.sheet import sheet

__all__ = ["MeshStyle", "Style", "draw", "draw_mesh", "sheet", "vertices_in_camera"]
