"""Pictures: of graphs, for papers and pages, and of augmented views."""

from .draw import Kind, draw
from .views import views_grid

__all__ = ["Kind", "draw", "views_grid"]
