"""Pictures: of graphs, for papers and pages, and of augmented views."""

from .draw import Kind, draw, kind_of
from .views import views_grid

__all__ = ["Kind", "draw", "kind_of", "views_grid"]
