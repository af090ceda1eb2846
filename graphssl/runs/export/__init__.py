"""A node's weights, or the node as a program, for plain libraries, with a page that says what it is."""

from __future__ import annotations

from .export import Exported, export_weights
from .formats import FORMATS

__all__ = ["FORMATS", "Exported", "export_weights"]
