"""Pictures: of graphs, for papers and pages, and of augmented views."""

from .draw import Kind, draw
from .grid import views_grid

__all__ = ["Kind", "draw", "views_grid"]
