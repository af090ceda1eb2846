"""Pictures: of graphs, for papers and pages, of augmented views, and of what is near to what."""

from .draw import Kind, draw, draw_difference, kind_of
from .gallery import SIDE, Card, Row, gallery
from .views import views_grid

__all__ = ["SIDE", "Card", "Kind", "Row", "draw", "draw_difference", "gallery", "kind_of", "views_grid"]
